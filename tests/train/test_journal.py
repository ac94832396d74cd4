"""The journal survives a crash in the middle of a line."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from firebit.errors import FirebitError, ModelFileError
from firebit.train.journal import Journal

RECORDS: list[dict[str, Any]] = [
    {"epoch": 1, "loss": 0.1},
    {"epoch": 2, "stage": "phase ½"},
    {"epoch": 3, "census": None},
]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "run" / "metrics.jsonl")
    for record in RECORDS:
        journal.add(record)
    return journal


def test_records_return_in_order_one_a_line(journal: Journal) -> None:
    assert journal.records() == RECORDS
    assert [json.loads(line) for line in journal.path.read_text("utf-8").splitlines()] == RECORDS


def test_no_file_no_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    assert journal.records() == []
    journal.cut_back(0)
    assert not journal.path.exists()


def test_a_cut_last_line_is_left_out_wherever_it_was_cut(journal: Journal) -> None:
    content = journal.path.read_bytes()
    last = content.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(content) - 1):
        journal.path.write_bytes(content[:end])
        assert journal.records() == RECORDS[:2]


@pytest.mark.parametrize("garbage", [b"\x00\x00\x00", b"{", b"\xff\xfe", b'"text"\n', b"[1]\n", b"\n"])
def test_a_last_line_that_is_no_record_is_left_out(journal: Journal, garbage: bytes) -> None:
    with journal.path.open("ab") as file:
        file.write(garbage)
    assert journal.records() == RECORDS


@pytest.mark.parametrize("garbage", [b"{", b"\xff", b"[1]"])
def test_a_broken_line_in_the_middle_is_an_error(journal: Journal, garbage: bytes) -> None:
    lines = journal.path.read_bytes().splitlines()
    lines[1] = garbage
    journal.path.write_bytes(b"\n".join(lines))
    with pytest.raises(ModelFileError, match=r"metrics\.jsonl, line 2 is not"):
        journal.records()


def test_cutting_back_and_going_on(journal: Journal) -> None:
    with journal.path.open("a") as file:
        file.write('{"epoch": 4, "lo')
    journal.cut_back(2)
    assert journal.records() == RECORDS[:2]
    journal.add({"epoch": 3, "loss": 0.3})
    assert journal.records() == [*RECORDS[:2], {"epoch": 3, "loss": 0.3}]


def test_cutting_back_to_more_than_there_is_keeps_all(journal: Journal) -> None:
    journal.cut_back(10)
    assert journal.records() == RECORDS


def test_numbers_keep_every_digit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.add({"loss": 0.1 + 0.2, "tiny": 5e-324})
    journal.cut_back(1)
    assert journal.records() == [{"loss": 0.1 + 0.2, "tiny": 5e-324}]


def test_a_full_disk_is_one_line(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("firebit.train.journal.os.fsync", fail)
    with pytest.raises(FirebitError, match="No space left to write") as caught:
        journal.add({"epoch": 4})
    assert caught.value.exit_code == 1
    assert len(str(caught.value).splitlines()) == 2
