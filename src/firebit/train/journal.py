"""The metrics journal of a run: one JSON object per epoch, one line each."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firebit.errors import ModelFileError
from firebit.files import cannot_write, write_text


class Journal:
    """metrics.jsonl: appended to and synced after every epoch, cut back to the checkpoint on resume.

    Args:
        path: the file; made on the first :meth:`add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Mapping[str, Any]) -> None:
        """Append one record; it is on the disk when this returns.

        Raises:
            FirebitError: the disk is full; what was written of the line is left out by :meth:`records`.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, allow_nan=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def records(self) -> list[dict[str, Any]]:
        """All complete records; a last line cut off by a crash is left out.

        Raises:
            ModelFileError: a line before the last is not a JSON object.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().splitlines()
        found = [_record(line) for line in lines]
        if None in found[:-1]:
            raise ModelFileError(
                f"{self.path}, line {found.index(None) + 1} is not a JSON object.",
                "Remove that line, or the journal as a whole.",
            )
        return [record for record in found if record is not None]

    def cut_back(self, count: int) -> None:
        """Keep the first `count` records: those that were written before the checkpoint."""
        if not self.path.exists():
            return
        kept = self.records()[:count]
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
