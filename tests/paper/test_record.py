"""Records of finished runs."""

from pathlib import Path
from typing import Any

import pytest

from firebit.errors import ModelFileError
from firebit.paper.record import Record, load_record

RECORD = Record("seed = 0\n", "test", {"relu": 75.5}, {"phase2": 90.0}, [{"stage": "phase1"}], 12.5, {"torch": "2"})


def test_a_record_comes_back(tmp_path: Path) -> None:
    RECORD.save(tmp_path / "deep" / "a.json")
    assert load_record(tmp_path / "deep" / "a.json") == RECORD


def test_a_record_of_a_time_before_curves(tmp_path: Path) -> None:
    import json
    from dataclasses import asdict

    path = tmp_path / "a.json"
    older = {key: value for key, value in asdict(RECORD).items() if key not in ("top5", "curves")}
    path.write_text(json.dumps(older))
    assert load_record(path) == RECORD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"recipe": 1}',
        '{"recipe":"","measured_on":"","top1":[],"level":{},"seconds":1,"environment":{}}',
    ],
)
def test_what_is_no_record(text: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ModelFileError, match=r"a\.json is no record of a run"):
        load_record(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"top1": {"relu": "75"}},
        {"seconds": None},
        {"level": {"a": True}},
        {"recipe": 3},
        {"recipe": "= 1"},
        {"epochs": 3},
        {"curves": {}},
        {"top5": {"relu": None}},
    ],
)
def test_records_with_wrong_values(wrong: dict[str, Any], tmp_path: Path) -> None:
    import json
    from dataclasses import asdict

    path = tmp_path / "a.json"
    path.write_text(json.dumps(asdict(RECORD) | wrong))
    with pytest.raises(ModelFileError):
        load_record(path)
