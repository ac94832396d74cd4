"""The tutorial script draws what it says, the same on every run."""

import runpy
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

DOCS = Path(__file__).parents[2] / "docs"


def draw(folder: Path) -> Path:
    script = DOCS / "tutorials" / "rectifier.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True)
    return folder


def words(svg: Path) -> list[str]:
    """Every text of the figure, in order."""
    texts = ET.parse(svg).getroot().iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()).strip() for text in texts]


def test_the_figure_is_the_same_on_every_run_and_the_one_that_is_shown(tmp_path: Path) -> None:
    first, second = draw(tmp_path / "first"), draw(tmp_path / "second")
    for name in ("rectifier.svg", "rectifier.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    # Other versions of matplotlib may place a line a hair beside; the words are the same.
    assert words(first / "rectifier.svg") == words(DOCS / "figures" / "rectifier.svg")
    assert {"ReLU", "k = ½", "k = 12", "fires: y ≥ 0"} <= set(words(first / "rectifier.svg"))


def test_the_drawing_of_a_look_up_is_what_its_script_draws() -> None:
    figure = DOCS / "figures" / "look_up.svg"
    drawing = runpy.run_path(str(figure.with_suffix(".py")))["drawing"]
    assert drawing() == figure.read_text("utf-8")
