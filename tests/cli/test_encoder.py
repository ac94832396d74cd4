"""`firebit encoder`: the file it makes, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from firebit import cli
from firebit.train import encoder as encoders
from firebit.zoo import backbone as module
from firebit.zoo.backbone import Backbone


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of this test in place of the published ones."""

    def found(name: str, side: int | None = None) -> Backbone:
        torch.manual_seed(0)
        return Backbone(name, side).eval().requires_grad_(False)

    monkeypatch.setattr(module, "pretrained", found)
    monkeypatch.setattr(encoders, "pretrained", found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for index in range(30):
        place = tmp_path / "photos" / ("cats" if index % 2 else "dogs")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (40, 50, 3), np.uint8)).save(place / f"{index:02d}.png")
    return tmp_path / "photos"


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["encoder", *(str(word) for word in words)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_photos_without_labels(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.jpg").write_bytes(b"no picture")
    out = tmp_path / "my.encoder"
    assert run(folder, "--out", out, "--unlabelled", "--bits", 16, "--side", 32) == 0
    text = capsys.readouterr().out
    assert "16 bits of efficientnet_lite0 at 32 pixels, from 30 pictures, 1 left out" in text
    assert encoders.load_encoder(out).bits == 16


def test_classes_are_learned_and_can_be_judged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, kept = tmp_path / "my.encoder", tmp_path / "features"
    assert run(folder, "--out", out, "--bits", 12, "--side", 32, "--epochs", 1, "--features", kept, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fingerprint"] == encoders.load_encoder(out).fingerprint
    assert (found["side"], found["skipped"], found["balance"]["bits"]) == (32, [], 12)
    with pytest.raises(SystemExit) as ended:
        cli.main(["evaluate", "search", str(out), str(folder), "--features", str(kept), "--baselines", "--json"])
    assert ended.value.code == 0
    assert list(json.loads(capsys.readouterr().out)["codes"]) == ["codes", "LSH", "ITQ"]


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--bits", "5"], 2, "bits=5"),
        (["--backbone", "resnet"], 2, "no backbone 'resnet'"),
        (["--unlabelled", "--hidden", "16"], 2, "--hidden does not go"),
        (["--unlabelled", "--keep", "3"], 2, "--keep does not go"),
        (["--keep", "3", "--hidden", "16"], 2, "keep goes with"),
        (["--unlabelled", "--bits", "64", "--side", "32"], 2, "64 bits are more"),
    ],
)
def test_what_makes_no_encoder_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, problem: str
) -> None:
    out = tmp_path / "no.encoder"
    assert run(folder, "--out", out, *words) == code
    assert problem in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "nothing", "--unlabelled", "--side", 32) == 3
    assert "is no folder" in capsys.readouterr().err
