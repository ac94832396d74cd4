"""What words on the command line mean as a field of contenders."""

from pathlib import Path

import numpy as np
import pytest

from firebit.cli.field import run_of, trained
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import UsageError


@pytest.fixture
def tiny() -> Plan:
    """Ten classes of 28 × 28 pixels, by one unit."""
    fire = Layer("fire", (Term("input", np.ones((1, 784), np.int16)),), np.ones((1, 1), np.int32), np.ones(1, np.int8))
    votes = Logits("out", (Term("fire", np.ones((10, 1), np.int16)),), 1.0, np.zeros(10))
    return Plan(Input((1, 28, 28)), (fire,), votes)


def test_the_run_that_a_file_lies_in(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text('data = "digits"\n')
    assert run_of(run) == run
    assert run_of(run / "model.firebit") == run
    assert run_of(tmp_path / "model.firebit") is None


def test_pictures_of_a_file_are_noise_where_no_data_are_named(tmp_path: Path, tiny: Plan) -> None:
    tiny.save(tmp_path / "tiny.firebit")
    found = trained([tmp_path / "tiny.firebit"], [], None, None, with_peers=False)
    assert found.pictures.labels is None and found.pictures.images.shape == (64, 1, 28, 28)
    assert "noise" in found.note and found.own[0].network == "tiny"


def test_a_limit_takes_pictures_from_all_over_the_set(tmp_path: Path, tiny: Plan, few_digits: Path) -> None:
    tiny.save(tmp_path / "tiny.firebit")
    every = trained([tmp_path / "tiny.firebit"], [], str(few_digits), None, with_peers=False).pictures
    some = trained([tmp_path / "tiny.firebit"], [], str(few_digits), 6, with_peers=False).pictures
    assert every.labels is not None and some.labels is not None
    assert some.labels.tolist() == every.labels[[0, 10, 20, 30, 40, 50]].tolist()


def test_runs_of_different_data_need_one_that_is_named(tmp_path: Path, tiny: Plan, few_digits: Path) -> None:
    for name, data in (("a", "digits"), ("b", "mnist")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "recipe.toml").write_text(f'data = "{data}"\n')
        tiny.save(tmp_path / name / "model.firebit")
    runs = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(UsageError, match="different data sets: digits, mnist"):
        trained(runs, [], None, None, with_peers=False)
    found = trained(runs, [], str(few_digits), None, with_peers=False)
    assert [each.network for each in found.own] == ["a", "b"]
