"""bfloat16 where it is asked for and native; float32 elsewhere, and said so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from firebit.train import Recipe, RunFolder, fit
from firebit.train.loop import Silent
from firebit.train.precision import Precision, fallback, native_bfloat16, precision_of

Tiny = Callable[..., Recipe]
CPU = torch.device("cpu")


class Heard(Silent):
    """Keeps what is noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor without arithmetic for bfloat16."""
    monkeypatch.setattr("firebit.train.precision.native_bfloat16", lambda _device: False)


def test_a_processor_is_asked_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (True, False):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda answer=answer: answer, raising=False)
        assert native_bfloat16(CPU) is answer


def test_a_torch_without_that_question_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firebit.train.precision.torch.ops.mkldnn", object())
    assert not native_bfloat16(CPU)


def test_bfloat16_is_computed_in_where_it_is_asked_for_and_native(tiny: Tiny, bfloat16: None) -> None:
    found = precision_of(tiny(autocast=True))
    assert found == Precision(CPU, True)
    assert found.name == "bfloat16"
    assert fallback(tiny(autocast=True), found) is None
    with found.context():
        assert torch.nn.Linear(2, 2)(torch.ones(1, 2)).dtype == torch.bfloat16


def test_what_is_not_asked_for_is_not_missed(tiny: Tiny, plain: None) -> None:
    assert fallback(tiny(), precision_of(tiny())) is None


def test_a_run_without_native_bfloat16_trains_in_float32_and_says_so(tiny: Tiny, plain: None, tmp_path: Path) -> None:
    heard, folder = Heard(), RunFolder(tmp_path / "a")
    recipe = tiny(autocast=True, baseline={"enabled": False}, phase1={"epochs": 1})
    results = fit(recipe, folder, reporter=heard)
    assert [note for note in heard.notes if note.startswith("warning: this cpu has no bfloat16 arithmetic")]
    assert results["precision"] == folder.environment()["precision"] == "float32"
    assert {record["precision"] for record in folder.journal.records()} == {"float32"}
    assert "trained in float32" in (folder.path / "README.md").read_text("utf-8")
    assert folder.recipe().autocast


def test_a_run_in_bfloat16_says_so_too(tiny: Tiny, bfloat16: None, tmp_path: Path) -> None:
    heard, folder = Heard(), RunFolder(tmp_path / "a")
    recipe = tiny(autocast=True, baseline={"enabled": False}, phase1={"epochs": 1}, phase2={"epochs": 0})
    results = fit(recipe, folder, reporter=heard)
    assert heard.notes == []
    assert results["precision"] == "bfloat16"
    assert json.loads((folder.path / "environment.json").read_text("utf-8"))["precision"] == "bfloat16"
