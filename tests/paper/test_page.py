"""Pages: means and deviations by hand, the paper beside them."""

import dataclasses

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.page import page
from firebit.paper.record import Record


def record(**top1: float) -> Record:
    return Record("", "test", top1, {}, [], 1800.0, {"processor": "a chip", "threads": 1, "torch": "2.13"})


def test_top5_stands_behind_a_stroke_and_missing_seeds_are_said() -> None:
    trials = (
        Trial("a", "A net", "imagenet-alexnet-last", printed={"soft": (56.66, 79.92)}),
        Trial("b", "B net", "cifar10"),
    )
    experiment = Experiment("table9", "Table 9", {"soft": "soft"}, trials, "")
    both = [dataclasses.replace(record(soft=70.0), top5={"soft": 90.0}), record(soft=72.0)]
    text = page(experiment, {"a": both, "b": [record(soft=50.0)]}, [0, 1])
    assert "| A net | 71.00 ± 1.41 / 90.00 |\n| the paper | *56.66 / 79.92* |\n| B net (1 seed) | 50.00 |" in text
    assert text.splitlines()[4].endswith("Behind a stroke: top-5.")


def test_a_page_of_nothing() -> None:
    experiment = Experiment("table9", "Table 9", {"soft": "soft"}, (Trial("a", "A net", "mnist"),), "", drawing="sweep")
    text = page(experiment, {}, [0])
    assert "Nothing of it has been run." in text
    assert "| A net (not run) | – |" in text
    assert ".svg" not in text


def test_a_page_names_every_machine_once() -> None:
    experiment = Experiment("table9", "Table 9", {"soft": "soft"}, (Trial("a", "A net", "mnist"),), "")
    other = dataclasses.replace(record(soft=1.0), environment={"processor": "another", "threads": 1, "torch": "2.13"})
    text = page(experiment, {"a": [record(soft=1.0), other, record(soft=1.0)]}, [0, 1, 2])
    assert " a chip and another, 1 threads, torch 2.13; 1.5 hours" in text


def test_a_page_by_hand() -> None:
    trials = (
        Trial("a", "A net", "cifar10", printed={"soft": 75.4}),
        Trial("b", "B net", "cifar10"),
    )
    experiment = Experiment("table9", "Table 9", {"soft": "soft", "hard": "steps"}, trials, "That is all.")
    # Mean 71, deviations −1, 0, 1: sd 1.
    found = {"a": [record(soft=70.0), record(soft=71.0), record(soft=72.0, hard=60.0)], "b": [record(hard=50.0)] * 3}
    lines = page(experiment, found, [0, 1, 2], 0.5).splitlines()
    assert lines[:3] == ["# Table 9", "", "`firebit reproduce table9 --seeds 3 --scale 0.5`"]
    assert lines[4] == (
        "Top-1 accuracy in per cent, last epoch, test set, mean ± sd over seeds 0, 1, 2. a chip, 1 threads, "
        "torch 2.13; 3.0 hours of training in all, shared stages counted once. "
        "**Epochs times 0.5: a look, not the experiment.**"
    )
    assert lines[6:] == [
        "| network | soft | steps |",
        "|---|---|---|",
        "| A net | 71.00 ± 1.00 | 60.00 |",
        "| the paper | *75.40* | – |",
        "| B net | – | 50.00 ± 0.00 |",
        "",
        "That is all.",
    ]
