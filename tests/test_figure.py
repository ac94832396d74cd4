"""Figures as files."""

import sys
from pathlib import Path

import pytest

from firebit import figure
from firebit.errors import UsageError


def test_both_files_are_the_same_bytes_on_every_run(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    def draw() -> Figure:
        drawn = Figure(figsize=(2, 2))
        drawn.subplots().plot([1, 2], [3, 4])
        return drawn

    for name in ("a", "b"):
        figure.save_figure(draw, tmp_path / "deep" / name)
    for suffix in ("svg", "png"):
        one, two = ((tmp_path / "deep" / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert one == two
        assert len(one) > 500


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib"):
        figure.save_figure(lambda: pytest.fail("drawn"), tmp_path / "a")
