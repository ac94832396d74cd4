"""The head of a report."""

import json
from pathlib import Path

from firebit.web.head import Fact, head
from firebit.web.run import Run, read_run


def changed(run_folder: Path, rows: list[str], **changes: object) -> Run:
    path = run_folder / "results.json"
    found = json.loads(path.read_text())
    kept = [row for row in found["rows"] if row["name"] in rows]
    path.write_text(json.dumps({**found, "rows": kept, **changes}))
    return read_run(run_folder)


def test_a_whole_run(run_folder: Path) -> None:
    found = head(read_run(run_folder))
    assert (found.run, found.title) == ("corners", "four <b>corners</b> on quadrants")
    assert found.lede == (
        "76.25 % of the test pictures are right with every hidden activation a bit; the same network with ReLU gets "
        "90.00 %."
    )
    assert found.facts == (
        Fact("ReLU", "90.00", "%", "32 bits per activation"),
        Fact("rectifiers", "80.00", "%", "−10.00 points to ReLU"),
        Fact("steps", "75.00", "%", "−15.00 points to ReLU"),
        Fact("compiled", "76.25", "%", "−13.75 points to ReLU", accent=True),
        Fact("activation memory", "32", "× less", "per picture, than ReLU"),
    )


def test_without_baseline_and_compiled(run_folder: Path) -> None:
    found = head(changed(run_folder, ["phase2", "phase2 steps"], layers="last", compiled=None))
    assert found.lede == "75.00 % of the test pictures are right with the last hidden layer in bits."
    assert found.facts == (
        Fact("rectifiers", "80.00", "%", "32 bits per activation"),
        Fact("steps", "75.00", "%", "1 bit per activation"),
    )


def test_named_layers(run_folder: Path) -> None:
    found = head(changed(run_folder, ["compiled"], layers=["act1", "act2"]))
    assert found.lede == "76.25 % of the test pictures are right with bits in act1, act2."


def test_a_run_of_relu_alone(run_folder: Path) -> None:
    found = head(changed(run_folder, ["relu"], compiled=None))
    assert found.lede == "90.00 % on the test set."
    assert [fact.name for fact in found.facts] == ["ReLU"]
