"""ReLU networks for peers: of runs, untrained, and as files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.data import ImageSet, to_float
from firebit.engine.bench import PEERS, Peer
from firebit.engine.record import load
from firebit.errors import ModelFileError, UsageError
from firebit.train import RunFolder, make_recipe, rivals
from firebit.train.recipe import Net
from firebit.train.rivals import Rival, architecture, contenders, rival_of, spread, untrained_pair
from firebit.train.run import load_model_file, save_model
from firebit.zoo import untrained_relu


@pytest.fixture
def run(few_digits: Path, tmp_path: Path) -> RunFolder:
    """What a finished run has that peers need."""
    folder = RunFolder(tmp_path / "few")
    recipe = make_recipe({"data": str(few_digits), "batch": 20, "net": {"name": "lenet", "width": 0.2}})
    folder.create(recipe, "0" * 64)
    torch.manual_seed(0)
    net = untrained_relu("lenet", width=0.2, batch_norm=True)
    save_model(folder.model_file("relu"), net, recipe, (1, 28, 28), tuple("0123456789"), "relu")
    return folder


def test_the_relu_network_of_a_run(run: RunFolder) -> None:
    found = rival_of(run)
    assert (found.name, found.architecture) == ("few", "lenet × 0.2")
    # All 120 pictures of the training set, which is less than is wanted.
    assert found.pictures.shape == (120, 1, 28, 28)
    reference = found.reference(found.pictures)
    model = load_model_file(found.file).model
    with torch.no_grad():
        expected = model(torch.from_numpy(to_float(found.pictures))).numpy()
    assert np.array_equal(reference, expected)


def test_a_run_without_one_is_refused(run: RunFolder) -> None:
    run.model_file("relu").unlink()
    with pytest.raises(ModelFileError, match="has no ReLU network"):
        rival_of(run)
    with pytest.raises(UsageError, match="not a run directory"):
        rival_of(RunFolder(run.path / "nowhere"))


def test_architectures_in_words() -> None:
    assert architecture(Net(name="plain8")) == "plain8"
    assert architecture(Net(name="plain8", width=1.5)) == "plain8 × 1.5"


def test_pictures_are_spread_over_the_set() -> None:
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    whole = ImageSet(images, np.arange(10) % 2, ("a", "b"), "ten")
    assert spread(whole, 4).images.ravel().tolist() == [0, 2, 5, 7]
    assert spread(whole, 10) is whole


def test_every_peer_gets_its_files(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "to_onnx", lambda model, example, path: path.write_text("onnx"))

    def quantize(peer: str, onnx: Path, target: Path, pictures: Path) -> None:
        target.write_text(peer)
        target.with_suffix(".bin").write_text("weights")

    monkeypatch.setattr(rivals, "quantize", quantize)
    monkeypatch.setitem(PEERS, "both", Peer("m", ".xml", ("numpy",), ("numpy",)))
    monkeypatch.setitem(PEERS, "plain", Peer("m", ".xml", ("numpy",), ("no_such_library",)))
    told: list[str] = []
    found = contenders(rival_of(run), ("both", "plain", "torch"), tmp_path, told.append)
    assert [(each.name, each.file.name) for each in found] == [
        ("both float", "relu.onnx"),
        ("both int8", "both-int8.xml"),
        ("plain float", "relu.onnx"),
        ("torch float", "relu.safetensors"),
    ]
    assert found[1].beside == (tmp_path / "both-int8.bin",)
    assert {each.architecture for each in found} == {"lenet × 0.2"}
    assert told == ["ONNX of few", "8-bit integers of few for both"]


def test_torch_alone_needs_no_onnx(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "to_onnx", lambda *_: pytest.fail("exported"))
    assert [each.name for each in contenders(rival_of(run), ("torch",), tmp_path)] == ["torch float"]


def test_an_untrained_network_and_the_same_with_relus(tmp_path: Path) -> None:
    state = torch.random.get_rng_state()
    own, rival = untrained_pair("lenet", tmp_path, weights="sign", width=0.2)
    assert torch.equal(torch.random.get_rng_state(), state)
    plan = load(own.file)
    assert (own.name, own.network, own.architecture) == ("firebit exact", "lenet, ±1 weights", "lenet × 0.2")
    assert plan.sums_made[1].terms[0].is_sign
    loaded = load_model_file(rival.file)
    assert (loaded.network, tuple(loaded.example.shape[1:])) == ("relu", plan.input.shape)
    assert isinstance(rival, Rival) and rival.pictures.shape == (64, 1, 28, 28)
    assert own.rivals(contenders(rival, ("torch",), tmp_path)[0])
    # The same seed gives the same networks.
    (tmp_path / "again").mkdir()
    again = untrained_pair("lenet", tmp_path / "again", weights="sign", width=0.2)[0]
    assert load(again.file).fingerprint == plan.fingerprint
    assert json.dumps(own.file_bytes) == json.dumps(again.file_bytes)


def test_what_untrained_networks_refuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no network 'lenett'"):
        untrained_pair("lenett", tmp_path)
    with pytest.raises(UsageError, match="precision='rough'"):
        untrained_pair("lenet", tmp_path, precision="rough", width=0.1)
