"""Peers as they are: float agrees with torch, 8-bit integers nearly do. Skipped where they are not installed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.compiler import compile_with_report
from firebit.engine.bench import PEERS, Contender, Pictures, Record, Settings, bench
from firebit.train import make_recipe
from firebit.train.rivals import Rival, contenders
from firebit.train.run import save_model
from firebit.zoo import example, untrained, untrained_relu

pytestmark = pytest.mark.slow
NETS = {"cifar10_quick": 32, "resnet18": 224}


def measured(peer: str, name: str, folder: Path) -> Record:
    """A narrow network, and how a peer runs it, on labels that torch gives."""
    if not PEERS[peer].is_installed:
        pytest.skip(f"{peer} is not installed")
    torch.manual_seed(0)
    options = {"width": 0.25, "classes": 10, "batch_norm": name == "resnet18"}
    plan, _ = compile_with_report(untrained(name, **options), example(name))
    plan.save(folder / "own.firebit")
    net = {key: value for key, value in options.items() if key != "classes"}
    side, classes = NETS[name], tuple("abcdefghij")
    recipe = make_recipe({"net": {"name": name, **net}})
    save_model(folder / "relu.safetensors", untrained_relu(name, **options), recipe, (3, side, side), classes, "relu")
    images = np.random.default_rng(0).integers(0, 256, (40, 3, side, side), np.uint8)
    rival = Rival("net", name, folder / "relu.safetensors", images)
    reference = rival.reference(images)
    team = [Contender("firebit", "exact", "net", folder / "own.firebit", name), *contenders(rival, (peer,), folder)]
    labels = reference.argmax(1).astype(np.int64)
    settings = Settings((1, 3), (1,), rounds=2, seconds=0.01)
    return bench(team, Pictures(images, labels, "torch's"), settings, references={"net": reference})


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("peer", ["onnxruntime", "openvino", "torch"])
def test_a_peer_computes_what_torch_computes(peer: str, name: str, tmp_path: Path) -> None:
    record = measured(peer, name, tmp_path)
    _, *peers = record.figures
    assert [found.contender.precision for found in peers] == (
        ["float", "int8"] if PEERS[peer].is_quantizer else ["float"]
    )
    real = peers[0]
    assert real.difference is not None and real.difference <= 1e-4
    assert real.accuracy == 1.0
    for found in peers[1:]:
        # Of 8 bits, random networks forget a few decisions, but by no means most.
        assert found.accuracy is not None and found.accuracy >= 0.5
        assert found.file_bytes < real.file_bytes
    assert all(len(timing.seconds) == 2 for found in peers for timing in found.timings)
    assert {each.peer for each in record.same_architecture()} == set(peers)
