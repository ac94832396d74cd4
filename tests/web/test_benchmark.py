"""Benchmarks as a report shows them."""

import json
from pathlib import Path
from typing import Any

import pytest

from firebit.engine.bench import Contender, Figures, Record, Timing
from firebit.errors import ModelFileError
from firebit.web.benchmark import plot, ratios, read_benchmark, times


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What `firebit bench --json` prints of two contenders, at two settings."""
    for name in ("ours", "theirs"):
        (tmp_path / name).write_bytes(bytes(1 << 20))
    seconds = {"firebit": (0.001, 0.002), "torch": (0.004, 0.004)}
    figures = [
        Figures(
            Contender(peer, precision, f"<{peer}>", tmp_path / where, "lenet"),
            "1",
            1 << 20,
            (Timing(1, 1, seconds[peer], 3 << 20), Timing(64, 1, seconds[peer], None)),
            accuracy,
        )
        for peer, precision, where, accuracy in (("firebit", "exact", "ours", 0.9), ("torch", "float", "theirs", 0.95))
    ]
    record = Record(tuple(figures), ((1, 1), (64, 1)), 2, 0.1, "digits-test", 10)
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(record.to_dict()))
    return path


def test_what_bench_prints_is_read(file: Path) -> None:
    found = read_benchmark(file)
    assert found.settings == [(1, 1), (64, 1)]
    assert times(found).headings[3:] == ("peak memory, MiB", "ms, batch 1, 1 thread", "ms, batch 64, 1 thread")
    assert times(found).rows == (
        ("firebit exact, <firebit>", "90.00", "1.00", "3.00", "1.5", "1.5"),
        ("torch float, <torch>", "95.00", "1.00", "3.00", "4", "4"),
    )
    # Four and two times in the two rounds.
    assert ratios(found).rows[0] == ("firebit exact, <firebit>", "torch float, <torch>", "1", "1", "3×", "2 … 4")


def test_a_plot_per_batch(file: Path) -> None:
    first, second = plot(read_benchmark(file))
    assert first.title == "Accuracy against time, batch 1, 1 thread"
    assert second.sheet.rows[1] == ("torch float, <torch>", "4", "95.00")
    assert first.svg.count("<circle") == 2
    assert "<torch>" not in first.svg


def test_without_accuracy_nothing_is_plotted(file: Path) -> None:
    text = (
        file.read_text().replace('"accuracy": 0.95', '"accuracy": null').replace('"accuracy": 0.9', '"accuracy": null')
    )
    file.write_text(text)
    assert plot(read_benchmark(file)) == []


@pytest.mark.parametrize("wrong", [[], {}, {"contenders": []}])
def test_what_is_no_benchmark_is_refused(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(wrong))
    with pytest.raises(ModelFileError, match=r"bench\.json"):
        read_benchmark(path)
