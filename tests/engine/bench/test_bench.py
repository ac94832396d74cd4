"""A whole benchmark, with a peer that needs no library."""

import json
from pathlib import Path

import numpy as np
import pytest

from firebit.engine.bench import Contender, Pictures, Settings, bench
from firebit.errors import UsageError

QUICK = Settings((1, 4), (1,), rounds=2, seconds=0.001)


def images() -> np.ndarray:
    """Sixty pictures whose brightest pixel of three is their class."""
    found = np.random.default_rng(0).integers(0, 100, (60, 5), np.uint8)
    found[np.arange(60), np.arange(60) % 3] = 200
    return found


def fake(folder: Path, name: str, precision: str = "float", **asked: object) -> Contender:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(asked))
    return Contender("fake", precision, name, path, "tiny")


def test_speed_accuracy_and_agreement(fakes: Path, own: Contender) -> None:
    labels = np.arange(60) % 3
    # The last ten labels are wrong.
    labels[50:] = (labels[50:] + 1) % 3
    pictures = Pictures(images(), labels, "bright")
    team = [own, fake(fakes, "slow", seconds=0.01), fake(fakes, "off", off=0.5), fake(fakes, "eight", "int8", off=9.0)]
    reference = images()[:20, :3].astype(np.float64)
    references = dict.fromkeys(("slow", "off", "eight"), reference)
    told: list[str] = []
    found = bench(team, pictures, QUICK, references=references, told=lambda what, share: told.append(what))
    assert [each.accuracy for each in found.figures] == [50 / 60] * 4
    # Half of one is little beside logits of 200; integers are not compared.
    assert [each.difference for each in found.figures] == [None, 0.0, 0.5 / 200, None]
    assert [each.agrees for each in found.figures] == [True, True, False, True]
    assert found.pictures == 60
    assert [(t.batch, t.threads, len(t.seconds)) for t in found.figures[1].timings] == [(1, 1, 2), (4, 1, 2)]
    assert found.figures[1].timing(1, 1).median >= 0.01
    assert found.figures[1].timing(4, 1).median < 0.01
    assert {each.peer.contender.network for each in found.same_architecture()} == {"slow", "eight"}
    assert "batch 4, 1 thread" in told and "predictions of firebit exact" in told


def test_without_labels_it_measures_speed_and_still_asks_whether_floats_agree(fakes: Path, own: Contender) -> None:
    pictures = Pictures(images()[:3], None, "noise")
    right, wrong = images()[:3, :3].astype(np.float64), images()[3:6, :3].astype(np.float64)
    team = [own, fake(fakes, "right"), fake(fakes, "wrong")]
    found = bench(team, pictures, QUICK, references={"right": right, "wrong": wrong}, note="speed only")
    assert (found.pictures, found.note) == (0, "speed only")
    assert all(each.accuracy is None for each in found.figures)
    assert [each.agrees for each in found.figures] == [True, True, False]


def test_nothing_of_ours_is_refused(fakes: Path) -> None:
    with pytest.raises(UsageError, match="no compiled network"):
        bench([fake(fakes, "alone")], Pictures(images(), None, "x"), QUICK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"batches": ()},
        {"batches": (0,)},
        {"threads": (1, 1)},
        {"threads": (10_000,)},
        {"rounds": 0},
        {"seconds": 0.0},
        {"seconds": float("nan")},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Settings(**wrong)  # type: ignore[arg-type]
