"""Curves of a journal."""

import json
from pathlib import Path

from firebit.web.curves import curves
from firebit.web.run import read_run


def test_curves_of_a_run(run_folder: Path) -> None:
    accuracy, loss, last, every = curves(read_run(run_folder))
    assert accuracy.title == "Accuracy on the test set"
    assert accuracy.sheet.headings == ("epoch", "ReLU", "rectifiers", "steps")
    # Phase 2 goes on after the one epoch of phase 1; ReLU has epochs of its own.
    assert accuracy.sheet.rows == (
        ("1", "60", "50", "25"),
        ("2", "70", "65", "32.5"),
        ("3", "80", "70", "35"),
        ("4", "90", "75", "37.5"),
    )
    assert "rectifiers: from 50 at epoch 1 to 75 at epoch 4" in accuracy.svg
    assert "phase 2" in accuracy.svg
    assert loss.sheet.rows[-1] == ("4", "0.25", "0.3333")
    assert last.title == "Binary units of the last layer, fire"
    assert last.sheet.headings == ("epoch", "≥ 90 %", "≥ 99 %", "≥ 99.9 %")
    assert last.sheet.rows[0] == ("1", "50", "25", "0")
    assert every.sheet.headings == ("epoch", "fire")


def test_a_tuned_classifier_is_one_of_steps(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    last = json.loads(path.read_text().splitlines()[-1])
    last |= {"stage": "classifier", "epoch": 1, "steps": None}
    path.write_text(path.read_text() + json.dumps(last) + "\n")
    accuracy, _, figure2, _ = curves(read_run(run_folder))
    assert accuracy.sheet.rows[-1] == ("5", "", "", "75")
    assert figure2.sheet.rows[-1][0] == "4"


def test_a_run_of_relu_alone_has_no_levels(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    lines = [line for line in path.read_text().splitlines() if json.loads(line)["stage"] == "relu"]
    path.write_text("\n".join(lines))
    accuracy, loss = curves(read_run(run_folder))
    assert accuracy.sheet.headings == loss.sheet.headings == ("epoch", "ReLU")


def test_epochs_that_were_not_measured_leave_gaps(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    measured = ("soft", "steps", "census")
    at = next(index for index, line in enumerate(lines) if line["stage"] == "phase2")
    lines[at] = {key: value for key, value in lines[at].items() if key not in measured}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    accuracy, loss, figure2, _ = curves(read_run(run_folder))
    assert [row[2] for row in accuracy.sheet.rows] == ["50", "", "70", "75"]
    assert [row[0] for row in figure2.sheet.rows] == ["1", "3", "4"]
    assert [row[0] for row in loss.sheet.rows] == ["1", "2", "3", "4"]


def test_no_journal_no_curves(run_folder: Path) -> None:
    (run_folder / "metrics.jsonl").unlink()
    assert curves(read_run(run_folder)) == []


def test_very_long_journals_are_thinned(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    (first, *_) = map(json.loads, path.read_text().splitlines())
    path.write_text("".join(json.dumps({**first, "epoch": number}) + "\n" for number in range(1, 1202)))
    accuracy, _ = curves(read_run(run_folder))
    # Every fourth, and the last.
    assert [row[0] for row in accuracy.sheet.rows[:2]] == ["1", "5"]
    assert accuracy.sheet.rows[-1][0] == "1201" and len(accuracy.sheet.rows) == 301


def test_names_of_layers_stay_text(run_folder: Path) -> None:
    path = run_folder / "metrics.jsonl"
    path.write_text(path.read_text().replace('"fire"', '"<script>"'))
    charts = curves(read_run(run_folder))
    assert all("<script" not in chart.svg for chart in charts)
    assert "&lt;script&gt;" in charts[-1].svg
