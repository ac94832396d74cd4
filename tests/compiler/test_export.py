"""Networks as ONNX files: one batch dimension, nothing left to fold; and what is said where that cannot be."""

from pathlib import Path

import pytest
import torch
from torch import nn

from firebit.compiler.export import to_onnx
from firebit.errors import FirebitError, UsageError
from firebit.zoo import example, untrained_relu


@pytest.mark.slow
def test_an_onnx_file_of_any_batch(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    net = untrained_relu("cifar10_quick", width=0.25, batch_norm=True)
    to_onnx(net, example("cifar10_quick"), tmp_path / "net.onnx")
    # Everything is inside one file.
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    graph = onnx.load(tmp_path / "net.onnx").graph
    given, made = graph.input[0], graph.output[0]
    assert (given.name, made.name) == ("pictures", "logits")
    assert [side.dim_param or side.dim_value for side in given.type.tensor_type.shape.dim] == ["batch", 3, 32, 32]
    kinds = [node.op_type for node in graph.node]
    assert kinds[:3] == ["Conv", "Relu", "MaxPool"]
    # The averages of cifar10_quick keep theirs.
    assert kinds.count("BatchNormalization") <= 2


def test_without_the_exporter_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")

    monkeypatch.setattr(torch.onnx, "export", absent)
    with pytest.raises(UsageError, match="An ONNX file needs onnxscript, which is not installed") as caught:
        to_onnx(nn.Linear(2, 2), torch.zeros(1, 2), tmp_path / "net.onnx")
    assert caught.value.remedy == "pip install 'firebit[peers]'"


def test_what_torch_cannot_export_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no\nsuch\noperator")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(FirebitError, match="torch cannot write Linear as ONNX: no such operator"):
        to_onnx(nn.Linear(2, 2), torch.zeros(1, 2), tmp_path / "net.onnx")
