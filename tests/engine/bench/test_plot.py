"""The plot names everyone, and is the same bytes on every run."""

from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench import Contender, Figures, Pictures, Record, Timing
from firebit.engine.bench.plot import check_plot, save_plot
from firebit.engine.bench.record import Machine
from firebit.errors import UsageError

pytest.importorskip("matplotlib")


def figures(peer: str, precision: str, network: str, accuracy: float | None) -> Figures:
    timings = tuple(Timing(batch, 1, (0.001, 0.002), None) for batch in (1, 64))
    return Figures(Contender(peer, precision, network, Path("f")), "1", 1, timings, accuracy)


def test_every_contender_is_on_it(tmp_path: Path) -> None:
    found = (
        figures("firebit", "exact", "wide", 0.75),
        figures("firebit", "exact", "narrow", 0.70),
        figures("openvino", "int8", "plain", 0.72),
        figures("torch", "float", "plain", 0.74),
    )
    machine = Machine("CPU", (), 2, None, "avx2", "Linux", "3.11")
    record = Record(found, ((1, 1), (64, 1)), 2, 0.1, "d", 10, machine, "", "2026-01-01", "0.1")
    for name in ("a", "b"):
        save_plot(record, tmp_path / name)
    for suffix in ("svg", "png"):
        one, two = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert one == two
    text = (tmp_path / "a.svg").read_text()
    for word in ("firebit exact", "openvino int8", "torch float", "wide", "narrow", "plain", "batch 64, 1 thread"):
        assert f">{word}<" in text, word


def test_without_labels_there_is_nothing_to_plot() -> None:
    images = np.zeros((2, 5), np.uint8)
    check_plot(Pictures(images, np.zeros(2, np.int64), "x"))
    with pytest.raises(UsageError, match="no accuracy to plot"):
        check_plot(Pictures(images, None, "x"))
