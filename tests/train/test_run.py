"""The run directory, and model files that are read back or refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from firebit import zoo
from firebit.data import ImageSet
from firebit.errors import FirebitError, ModelFileError, UsageError
from firebit.files import load_tensors, save_tensors
from firebit.nn.harden import harden
from firebit.nn.rectifier import Step
from firebit.train import Recipe, RunFolder, load_model, load_model_file
from firebit.train.run import latest_folder, new_folder, save_model
from firebit.train.stage import build_network, example_of

Tiny = Callable[..., Recipe]


def fail(*_arguments: Any) -> None:
    raise FirebitError("No space left to write it.", "Free some.")


# the directory


def test_a_new_directory_holds_recipe_and_environment(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "a")
    folder.create(tiny(seed=4), "f" * 64)
    assert folder.recipe() == tiny(seed=4)
    assert folder.data_fingerprint() == "f" * 64
    assert folder.results() is None
    environment = json.loads((folder.path / "environment.json").read_text())
    assert environment["torch"] == torch.__version__
    assert environment["threads"] == folder.threads() == torch.get_num_threads()
    assert sorted(path.name for path in folder.path.iterdir()) == ["environment.json", "recipe.toml"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["a"]


def test_a_directory_that_exists_is_refused_untouched(tiny: Tiny, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a")
    folder.path.mkdir()
    with pytest.raises(UsageError, match=r"The run directory .*a exists") as caught:
        folder.create(tiny(), "f")
    assert "--resume" in caught.value.remedy
    assert list(folder.path.iterdir()) == []


def test_a_directory_that_cannot_be_filled_is_not_left_half(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recipe, "to_toml", fail)
    with pytest.raises(FirebitError, match="No space left"):
        RunFolder(tmp_path / "a").create(tiny(), "f")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_run_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run directory"):
        RunFolder(tmp_path).recipe()


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"torch": "2"}', b'{"data": 5, "threads": "x"}', b"\xff"])
def test_a_damaged_environment(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "environment.json").write_bytes(content)
    for read in (RunFolder(tmp_path).data_fingerprint, RunFolder(tmp_path).threads):
        with pytest.raises(ModelFileError, match=r"environment\.json is missing or damaged"):
            read()


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_damaged_results(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"results\.json is not"):
        RunFolder(tmp_path).results()


def test_names_of_new_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("digits", "digits-2", "digits-3"):
        assert new_folder(tmp_path, "digits").path == tmp_path / name
        (tmp_path / name).mkdir()
    assert new_folder(tmp_path, "some/where/cats/").path == tmp_path / "cats"
    monkeypatch.chdir(tmp_path)
    assert new_folder(tmp_path / "runs", ".").path == tmp_path / "runs" / tmp_path.name
    assert new_folder(tmp_path / "runs", "digits/..").path == tmp_path / "runs" / tmp_path.name
    assert new_folder(tmp_path / "runs", "/").path == tmp_path / "runs" / "run"
    for data, name in (("a/train-{000..146}.tar", "train"), ("b.tar", "b"), ("{0..9}.tar", "run"), ("hf:a/c", "c")):
        assert new_folder(tmp_path / "runs", data).path == tmp_path / "runs" / name


def test_the_latest_run_is_the_one_that_was_touched_last(tmp_path: Path) -> None:
    for at, name in enumerate(("digits", "digits-2", "digits-old", "mnist")):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "recipe.toml").write_text("")
        for path in (tmp_path / name / "recipe.toml", tmp_path / name / "checkpoints", tmp_path / name):
            os.utime(path, (1000 + at, 1000 + at))
    assert latest_folder(tmp_path, "digits").path.name == "digits-2"
    os.utime(tmp_path / "digits" / "checkpoints", (2000, 2000))
    assert latest_folder(tmp_path, "digits").path.name == "digits"
    assert latest_folder(tmp_path, "./mnist/").path.name == "mnist"
    with pytest.raises(UsageError, match="There is no run of 'cifar10'"):
        latest_folder(tmp_path, "cifar10")
    with pytest.raises(UsageError, match="There is no run of 'digits'"):
        latest_folder(tmp_path / "none", "digits")


def test_model_names(tmp_path: Path) -> None:
    assert RunFolder(tmp_path).model_file("model") == tmp_path / "model.safetensors"
    assert RunFolder(tmp_path).compiled_file == tmp_path / "model.firebit"
    with pytest.raises(UsageError, match=r"no network '\.\./x'") as caught:
        RunFolder(tmp_path).model_file("../x")
    assert "hardened" in caught.value.remedy


# models


@pytest.mark.parametrize("kind", ["relu", "rectifier", "hardened"])
@pytest.mark.parametrize("options", [{"centred": True}, {"order": "act-first"}, {"batch_norm": False}])
def test_a_model_returns_as_it_was(
    tiny: Tiny, train_set: ImageSet, tmp_path: Path, kind: str, options: dict[str, Any]
) -> None:
    recipe = tiny(net={**options, "slope_init": -0.3}, layers=["act1", "act3"])
    torch.manual_seed(0)
    net = build_network(recipe, train_set, "relu" if kind == "relu" else "rectifier")
    net(torch.rand(8, 1, 28, 28))
    model = harden(net, example_of(train_set), layers=recipe.layers) if kind == "hardened" else net.eval()
    save_model(tmp_path / "m.safetensors", model, recipe, train_set.images.shape[1:], train_set.classes, kind)
    loaded = load_model_file(tmp_path / "m.safetensors")
    assert (loaded.classes, loaded.network, loaded.example.shape) == (train_set.classes, kind, (1, 1, 28, 28))
    assert not loaded.model.training
    state = model.state_dict()
    assert loaded.model.state_dict().keys() == state.keys()
    for name, value in loaded.model.state_dict().items():
        assert torch.equal(value, state[name]), name
        assert value.dtype == state[name].dtype
    x = torch.rand(4, 1, 28, 28)
    torch.testing.assert_close(loaded.model(x), model(x))


@pytest.mark.parametrize("name", ["model", "hardened", "relu", "phase1"])
def test_models_of_a_run(finished: RunFolder, name: str) -> None:
    model = load_model(finished.path, name)
    assert any(isinstance(layer, Step) for layer in model.modules()) is (name == "hardened")
    assert model(torch.zeros(1, 1, 28, 28)).shape == (1, 10)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Cannot read") as caught:
        load_model(tmp_path)
    assert caught.value.exit_code == 4


def test_a_damaged_model(finished: RunFolder, tmp_path: Path) -> None:
    content = bytearray(finished.model_file("hardened").read_bytes())
    content[-1] ^= 1
    (tmp_path / "hardened.safetensors").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"hardened\.safetensors is damaged"):
        load_model(tmp_path, "hardened")


def wide(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "recipe": record["recipe"].replace("width = 0.2", "width = 3e4")}


CHANGES: list[Callable[[dict[str, Any]], dict[str, Any]]] = [
    lambda record: {**record, "kind": "checkpoint"},
    lambda record: {**record, "format": 2},
    lambda record: {key: value for key, value in record.items() if key != "recipe"},
    lambda record: {key: value for key, value in record.items() if key != "network"},
    lambda record: {**record, "recipe": 5},
    lambda record: {**record, "recipe": "= ="},
    lambda record: {**record, "recipe": "colour = 1"},
    lambda record: {**record, "recipe": '[net]\nname = "vgg99"'},
    lambda record: {**record, "recipe": record["recipe"].replace("width = 0.2", "width = 0.4")},
    wide,
    lambda record: {**record, "recipe": record["recipe"].replace('layers = "all"', 'layers = ["act9"]')},
    lambda record: {**record, "recipe": record["recipe"].replace('layers = "all"', 'layers = "last"')},
    lambda record: {**record, "network": "relu"},
    lambda record: {**record, "network": "transformer"},
    lambda record: {**record, "network": ["relu"]},
    lambda record: {**record, "shape": [1, 200_000, 200_000]},
    lambda record: {**record, "shape": [1, 28]},
    lambda record: {**record, "shape": [0, 28, 28]},
    lambda record: {**record, "shape": [200_000_000, 28, 28]},
    lambda record: {**record, "shape": "abc"},
    lambda record: {**record, "shape": []},
    lambda record: {**record, "classes": "0123456789"},
    lambda record: {**record, "classes": list(range(10))},
    lambda record: {**record, "classes": ["a", "b"]},
    lambda record: {**record, "classes": 10},
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_model_file_that_describes_something_else_is_refused(
    finished: RunFolder, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    tensors, record = load_tensors(finished.model_file("hardened"))
    path = tmp_path / "m.safetensors"
    save_tensors(path, tensors, change(record))
    with pytest.raises(ModelFileError) as caught:
        load_model_file(path)
    assert path.name in caught.value.problem
    assert len(str(caught.value).splitlines()) == 2


def test_a_model_file_without_all_weights_is_refused(finished: RunFolder, tmp_path: Path) -> None:
    tensors, record = load_tensors(finished.model_file("model"))
    # Torch itself starts a batch counter that is missing at 0; it plays no part in evaluation.
    for name in (key for key in tensors if not key.endswith("num_batches_tracked")):
        save_tensors(tmp_path / "m", {key: value for key, value in tensors.items() if key != name}, record)
        with pytest.raises(ModelFileError, match=name):
            load_model_file(tmp_path / "m")


def test_nothing_large_is_made_for_a_small_file(
    finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors, record = load_tensors(finished.model_file("model"))
    save_tensors(tmp_path / "m", tensors, wide(record))
    real = zoo.build

    def watched(*arguments: Any, **options: Any) -> Any:
        net = real(*arguments, **options)
        assert all(parameter.is_meta for parameter in net.parameters())
        return net

    monkeypatch.setattr(zoo, "build", watched)
    with pytest.raises(ModelFileError, match=r"conv1\.weight"):
        load_model_file(tmp_path / "m")
