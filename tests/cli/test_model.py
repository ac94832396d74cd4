"""What MODEL means: a file, or the compiled network of a run."""

from pathlib import Path

import numpy as np
import pytest

from firebit.cli.model import check_no_choice, check_there, compiled_file, load_classifier
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import FirebitError, ModelFileError, UsageError
from firebit.files import save_tensors


def plan(votes: bool) -> Plan:
    layer = Layer("a", (Term("input", np.ones((1, 4), np.int16)),), np.array([[1]], np.int32), np.array([1], np.int8))
    logits = Logits("b", (Term("a", np.ones((2, 1), np.int16)),), 1.0, np.zeros(2))
    return Plan(Input((1, 2, 2)), (layer,), logits if votes else None)


def refused(error: FirebitError, name: Path) -> bool:
    return str(name) in error.problem and "\n" not in error.problem + error.remedy


def test_what_is_there_passes(tmp_path: Path) -> None:
    check_there(tmp_path)
    (tmp_path / "a").touch()
    check_there(tmp_path / "a")


@pytest.mark.parametrize("name", ["none", "x" * 1000, "none/deeper", "a\0b"])
def test_what_is_not_there(tmp_path: Path, name: str) -> None:
    for check in (check_there, compiled_file):
        with pytest.raises(ModelFileError) as caught:
            check(tmp_path / name)
        assert refused(caught.value, tmp_path / name)


def test_a_file_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "any name"
    path.touch()
    assert compiled_file(path) == path


def test_a_run_has_its_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no compiled network yet: there is no model\.firebit") as caught:
        compiled_file(tmp_path)
    assert refused(caught.value, tmp_path)
    assert caught.value.remedy == f"Make it: firebit compile {tmp_path}"
    (tmp_path / "model.firebit").touch()
    assert compiled_file(tmp_path) == tmp_path / "model.firebit"


def test_one_file_leaves_no_choice(tmp_path: Path) -> None:
    check_no_choice(tmp_path, None)
    with pytest.raises(UsageError, match="--network does not go with") as caught:
        check_no_choice(tmp_path, "relu")
    assert refused(caught.value, tmp_path)


def test_a_classifier_is_loaded(tmp_path: Path) -> None:
    plan(votes=True).save(tmp_path / "a.firebit")
    assert load_classifier(tmp_path / "a.firebit").fingerprint == plan(votes=True).fingerprint


def test_an_encoder_predicts_nothing(tmp_path: Path) -> None:
    plan(votes=False).save(tmp_path / "a.firebit")
    with pytest.raises(UsageError, match="is an encoder") as caught:
        load_classifier(tmp_path / "a.firebit")
    assert refused(caught.value, tmp_path / "a.firebit")


@pytest.mark.parametrize("record", [{"kind": "model"}, {}, {"kind": "plan"}, {"kind": "plan", "schema": 99}])
def test_other_files_are_no_networks(tmp_path: Path, record: dict[str, object]) -> None:
    path = tmp_path / "a.firebit"
    save_tensors(path, {"x": np.zeros(2)}, record)
    with pytest.raises(ModelFileError) as caught:
        load_classifier(path)
    assert refused(caught.value, path)
