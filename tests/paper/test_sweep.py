"""Lines of figure 4, right: means and deviations by hand."""

from pathlib import Path

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.record import Record
from firebit.paper.sweep import pictures, points


def record(**top1: float) -> Record:
    return Record("", "test", top1, {}, [], 1.0, {})


TRIALS = (Trial("a", "last", "mnist"), Trial("b", "last two", "mnist"), Trial("c", "all", "mnist"))
EXPERIMENT = Experiment("figure9", "Figure", {"soft": "soft", "hard": "steps", "no": "no"}, TRIALS, "")
# Mean 71, deviations −1, 0, 1: sd 1.
FOUND = {
    "a": [record(soft=70.0), record(soft=71.0), record(soft=72.0, hard=60.0)],
    "c": [record(soft=50.0, hard=40.0)],
}


def test_points_by_hand() -> None:
    assert points(EXPERIMENT, FOUND, "soft") == [("last", 71.0, 1.0), ("all", 50.0, 0.0)]
    assert points(EXPERIMENT, FOUND, "hard") == [("last", 60.0, 0.0), ("all", 40.0, 0.0)]
    assert points(EXPERIMENT, FOUND, "no") == []


def test_a_line_per_row_that_has_figures(tmp_path: Path) -> None:
    (picture,) = pictures(EXPERIMENT, FOUND)
    (axes,) = picture.draw().axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["soft", "steps"]
    assert [list(line[0].get_ydata()) for line in axes.containers] == [[71.0, 50.0], [60.0, 40.0]]
    picture.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure9.png", "figure9.svg"]
