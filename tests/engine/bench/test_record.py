"""Ratios by hand, and both ways to compare."""

import json
from pathlib import Path

import pytest

from firebit.engine.bench import Contender, Figures, Record, Timing
from firebit.engine.bench.record import Comparison, Machine

MACHINE = Machine("CPU", ("avx2",), 2, 0.5, "avx2", "Linux", "3.11")


def figures(
    peer: str,
    precision: str,
    seconds: tuple[float, ...],
    accuracy: float | None = None,
    network: str = "net",
    difference: float | None = None,
) -> Figures:
    contender = Contender(peer, precision, network, Path("file"), network)
    timings = (Timing(1, 1, seconds, 1 << 20), Timing(64, 1, tuple(s / 2 for s in seconds), None))
    return Figures(contender, "1.0", 100, timings, accuracy, difference)


def record(*found: Figures) -> Record:
    return Record(found, ((1, 1), (64, 1)), 3, 0.1, "test", 10, MACHINE, "", "2026-01-01", "0.1")


OWN = figures("firebit", "exact", (1.0, 2.0, 4.0), 0.7)
FLOAT = figures("onnxruntime", "float", (3.0, 8.0, 8.0), 0.8, difference=1e-5)
INT8 = figures("openvino", "int8", (2.0, 3.0, 9.0), 0.69)
SMALL = figures("openvino", "int8", (1.5, 2.5, 6.0), 0.6, "small")
WRONG = figures("torch", "float", (0.1, 0.1, 0.1), 0.5, difference=0.2)


def test_ratios_are_taken_round_by_round() -> None:
    ratio = Comparison(OWN, FLOAT, 1, 1).ratio
    # 3, 4 and 2; not the ratio 4 of the medians.
    assert (ratio.median, ratio.low, ratio.high) == (3.0, 2.0, 4.0)
    assert str(ratio) == "3× (2–4)"
    assert OWN.timing(1, 1).median == 2.0


def test_the_same_architecture() -> None:
    found = record(OWN, FLOAT, INT8, SMALL, WRONG).same_architecture()
    assert [(each.peer, each.batch) for each in found] == [(FLOAT, 1), (FLOAT, 64), (INT8, 1), (INT8, 64)]


def test_the_same_accuracy_takes_the_fastest_that_is_not_more_accurate() -> None:
    found = record(OWN, FLOAT, INT8, SMALL, WRONG).same_accuracy()
    # Float is more accurate, and what is wrong does not count: of 69 % in 3 s and 60 % in 2.5 s the latter.
    assert [(each.own, each.peer) for each in found] == [(OWN, SMALL), (OWN, SMALL)]
    equal = figures("torch", "float", (1.0, 1.0, 1.0), 0.7)
    assert record(OWN, equal).same_accuracy()[0].peer is equal
    assert record(OWN, FLOAT).same_accuracy() == []


def test_the_best_is_our_most_accurate_file_that_has_a_rival() -> None:
    worse = figures("firebit", "fast", (0.1, 0.1, 0.1), 0.65, "narrow")
    worst = figures("firebit", "fast", (0.1, 0.1, 0.1), 0.1, "tiny")
    best = record(worst, worse, OWN, FLOAT, SMALL).best(1, 1)
    assert best is not None and (best.own, best.peer) == (OWN, SMALL)
    assert record(worst, SMALL).best(1, 1) is None


def test_without_accuracy_there_is_no_second_view() -> None:
    plain = figures("firebit", "exact", (1.0, 1.0, 1.0))
    assert record(plain, figures("torch", "float", (1.0, 1.0, 1.0))).same_accuracy() == []


@pytest.mark.parametrize(("difference", "agrees"), [(None, True), (1e-3, True), (1.1e-3, False)])
def test_float_peers_must_agree_with_torch(difference: float | None, agrees: bool) -> None:
    assert figures("torch", "float", (1.0,), difference=difference).agrees is agrees


def test_json_has_everything_and_no_paths() -> None:
    found = record(OWN, FLOAT, WRONG).to_dict()
    text = json.dumps(found)
    assert "file_bytes" in text and '"file"' not in text
    assert found["contenders"][0]["timings"][0]["seconds"] == (1.0, 2.0, 4.0)
    assert found["contenders"][2]["agrees"] is False
    assert found["same_architecture"][0] == {
        **{"batch": 1, "threads": 1, "median": 3.0, "low": 2.0, "high": 4.0},
        "own": {"peer": "firebit", "precision": "exact", "network": "net"},
        "peer": {"peer": "onnxruntime", "precision": "float", "network": "net"},
    }


def test_this_machine() -> None:
    here = Machine.here()
    assert here.processor and here.cores >= 1 and here.native
