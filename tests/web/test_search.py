"""Evaluations of codes as a report shows them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firebit.errors import ModelFileError
from firebit.search.evaluate.measure import measure
from firebit.search.evaluate.study import records
from firebit.web.search import curves, figures, read_evaluation


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What `firebit evaluate search --json` prints of two kinds of codes of 8 bits."""
    codes, labels = np.array([[0], [1], [3], [255]], np.uint8), np.array([7, 7, 8, 7])
    metrics = measure(8, codes[:1], labels[:1], codes[1:], labels[1:])
    facts = {"model": "m", "data": "few", "protocol": "unseen", "seed": 3, "note": "Fair."}
    path = tmp_path / "search.json"
    found = {"codes": metrics, "<LSH>": replace(metrics, bits=4, mean_average_precision={"ALL": 0.5})}
    path.write_text(json.dumps({**facts, "codes": records(found)}))
    return path


def test_figures_by_hand(file: Path) -> None:
    found = read_evaluation(file)
    assert (
        found.words == "Pictures of the same class are right. few, protocol unseen, seed 3: 1 queries, 3 codes. Fair."
    )
    sheet = figures(found)
    assert sheet.headings[:3] == ("codes", "bits", "mAP@ALL, %")
    # The first of three hits is right, and the third: (1 + 2/3) / 2. Within 2 bits are two, of which one is right.
    assert sheet.rows[0][:3] == ("codes", "8", "83.33")
    assert sheet.rows[0][-4:-2] == ("50.00", "0.00")
    assert sheet.rows[1][:4] == ("<LSH>", "4", "50.00", "")


def test_curves_by_hand(file: Path) -> None:
    hits, within = curves(read_evaluation(file))
    assert hits.sheet.rows[:2] == (("codes", "1", "100.00"), ("codes", "2", "50.00"))
    # Within 1 bit is one of the two that are right, and nothing else; within 8 all three.
    assert within.sheet.rows[0] == ("codes", "50", "100.00")
    assert ("codes", "100", "66.67") in within.sheet.rows
    assert "<LSH>" not in hits.svg and "&lt;LSH&gt;" in hits.svg


def test_without_curves(file: Path) -> None:
    found = json.loads(file.read_text())
    for metrics in found["codes"].values():
        for name in ("places", "precision_at", "precision", "recall"):
            del metrics[name]
    file.write_text(json.dumps(found))
    assert curves(read_evaluation(file)) == []


@pytest.mark.parametrize("wrong", [[], {}, {"data": "x", "protocol": "y", "seed": 0, "codes": {}}])
def test_what_is_no_evaluation_is_refused(tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "search.json"
    path.write_text(json.dumps(wrong))
    with pytest.raises(ModelFileError, match=r"search\.json"):
        read_evaluation(path)
