"""Files of a figure and its lines on a page."""

import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from firebit.errors import UsageError
from firebit.paper.picture import Picture, panels


def test_files_and_lines(tmp_path: Path) -> None:
    picture = Picture("a", "A", "What it shows", lambda: panels(("one", "two"), "epoch")[0], ("below",))
    picture.save(tmp_path / "deep", "@0.5")
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["a@0.5.png", "a@0.5.svg"]
    assert picture.lines("@0.5") == ["**A**", "", "![What it shows](a@0.5.svg)", "", "below", ""]
    assert Picture("b", "", "x", Figure).lines() == ["![x](b.svg)", ""]


def test_panels_share_what_they_shall() -> None:
    for shared in (False, True):
        figure, axes = panels(("one", "two"), "epoch", share_y=shared)
        assert [each.get_title(loc="left") for each in axes] == ["one", "two"]
        axes[0].set_ylim(0, 7)
        assert (axes[1].get_ylim() == (0, 7)) is shared
        assert len(figure.axes) == 2


def test_without_matplotlib_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="needs matplotlib"):
        Picture("a", "", "x", Figure).save(tmp_path)
    assert not list(tmp_path.iterdir())
