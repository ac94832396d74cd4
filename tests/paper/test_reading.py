"""Pages of figures 5 and 6 of a network that was trained here."""

import re
from pathlib import Path

import numpy as np
import pytest

import firebit as fb
from firebit.data import load
from firebit.explain import firing, selectivity
from firebit.paper import read, reading, smallest
from firebit.paper.picture import Picture
from firebit.paper.reading import both_sides
from firebit.paper.subject import Subject


@pytest.fixture(autouse=True)
def few_shuffles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PERMUTATIONS", 2)


def test_figure_5_counts_what_is_there(run_folder: Path, few_digits: Path, tmp_path: Path) -> None:
    text = read("figure5", [str(run_folder)], tmp_path, tmp_path)
    assert (tmp_path / "figure5.md").read_text("utf-8") == text
    digits, network = load(few_digits, "test"), fb.load(run_folder / "model.firebit", threads=1)
    found = firing(network, digits.images, digits.labels, digits.classes)
    assert f"Layer act3: {found.units} units, 60 pictures of 10 classes" in text
    for share, title in ((1.0, "all: the paper's rule"), (0.9, "at least 90 %")):
        at = selectivity(found, share)
        row = f"| {title} | {at.positive.sum():,} | {at.negative.sum():,} | {both_sides(at):,} |"
        assert row in text
    ones = 100 * network.bits(digits.images, "act3").mean()
    (found_ones,) = re.findall(r"\| act3 \| \d+ \| ([\d.]+) % \|", text)
    assert float(found_ones) == pytest.approx(ones, abs=0.06)
    assert "| – |" not in text
    for drawn in re.findall(r"\]\((.+\.svg)\)", text):
        assert (tmp_path / drawn).is_file()
        assert (tmp_path / drawn).with_suffix(".png").is_file()


def test_figure_6_verifies_every_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smallest, "_CANDIDATES", 3)
    monkeypatch.setattr(smallest, "_PICTURES", 12)
    digits, network = load("digits", "test"), fb.load("mnist-lenet", threads=1)
    subject = Subject("digits", "Digits", "mnist-lenet", network, digits)
    told, panel, table, shared, *_ = smallest.READING.read(subject).blocks
    (verified, of) = re.findall(r"(\d+) of (\d+) are verified", told[0])[0]
    assert verified == of == "36"
    assert isinstance(panel, Picture)
    assert len(table) == 2 + 3
    assert "pairs of a unit" in shared[0]


def test_a_network_without_anything_to_show_says_so(run_folder: Path, tmp_path: Path) -> None:
    text = read("figure6", [str(run_folder)], tmp_path, tmp_path)
    assert "No unit has positive and negative classes." in text


def test_shares_are_lowered_until_there_is_enough_to_show(monkeypatch: pytest.MonkeyPatch, run_folder: Path) -> None:
    from firebit.paper.subject import subjects

    (subject,) = subjects([str(run_folder)], run_folder)
    monkeypatch.setattr(reading, "_ENOUGH", 0)
    assert reading.explained(subject).found.share == 1
    monkeypatch.setattr(reading, "_ENOUGH", np.inf)
    assert reading.explained(subject).found.share == 0.9
