"""Runs as a report reads them."""

import json
from pathlib import Path

import pytest

from firebit.errors import ModelFileError, UsageError
from firebit.web.run import read_run


def test_a_finished_run(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert run.name == "corners"
    assert [row.title for row in run.results.rows][-2:] == ["phase 2, steps", "compiled, without torch"]
    assert [(epoch.stage, epoch.epoch) for epoch in run.epochs[3:6]] == [("relu", 4), ("phase1", 1), ("phase2", 1)]
    assert run.environment == {"torch": "9.9", "cores": "2", "data": "ab" * 32}
    assert run.compiled_file == run_folder / "model.firebit"
    assert run.agreement == "Predictions that differ between torch (float64) and compiled: 2 of 160."
    assert run.row("weights", "phase2") is run.results.rows[2]
    assert run.row("none") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"compiled": None, "not_compiled": "it is too large."}, "Not compiled: it is too large."),
        ({"compiled": None}, "Not compiled: some hidden activations are real numbers."),
        (None, ""),
    ],
)
def test_why_a_run_is_not_compiled(run_folder: Path, change: dict[str, object] | None, said: str) -> None:
    path = run_folder / "results.json"
    found = json.loads(path.read_text())
    if change is None:
        # Before there were compiled networks.
        del found["compiled"]
    path.write_text(json.dumps({**found, **(change or {})}))
    assert read_run(run_folder).agreement == said


def test_what_is_no_finished_run_is_refused(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run directory"):
        read_run(tmp_path)
    (run_folder / "results.json").unlink()
    with pytest.raises(UsageError, match="is not finished"):
        read_run(run_folder)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("results.json", "{", "results.json is not JSON"),
        ("results.json", "[]", "results.json: it: "),
        ("results.json", "[" * 100_000, "results.json is not JSON"),
        ("metrics.jsonl", '{"stage": 1}\n{}\n', "metrics.jsonl, line 1: stage"),
        ("metrics.jsonl", "{\n{}\n", "metrics.jsonl, line 1 is not JSON"),
        ("environment.json", "[]", "environment.json is not an object"),
    ],
)
def test_damage_is_named(run_folder: Path, name: str, text: str, said: str) -> None:
    (run_folder / name).write_text(text)
    with pytest.raises(ModelFileError, match=said.replace(".", r"\.")):
        read_run(run_folder)


def test_bytes_that_are_no_text_are_named(run_folder: Path) -> None:
    (run_folder / "recipe.toml").write_bytes(b"\xff")
    with pytest.raises(ModelFileError, match="it is not text"):
        read_run(run_folder)


@pytest.mark.parametrize("value", ["NaN", "Infinity", '"much"', "-1"])
def test_figures_must_be_figures(run_folder: Path, value: str) -> None:
    path = run_folder / "results.json"
    path.write_text(path.read_text().replace('"top1": 0.9,', f'"top1": {value},'))
    with pytest.raises(ModelFileError, match=r"rows\.0\.metrics\.top1"):
        read_run(run_folder)


def test_a_last_line_that_was_cut_off_is_left_out(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    path.write_text(path.read_text()[:-20])
    assert len(read_run(run_folder).epochs) == 7


def test_without_journal_and_environment(run_folder: Path) -> None:
    for name in ("metrics.jsonl", "environment.json", "model.firebit"):
        (run_folder / name).unlink()
    run = read_run(run_folder)
    assert (run.epochs, run.environment, run.compiled_file) == ((), {}, None)
