"""The metrics journal of a run: one JSON object per epoch, one line each."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firebit.errors import ModelFileError
from firebit.files import write_text


class Journal:
    """metrics.jsonl: appended to and synced after every epoch, cut back to the checkpoint on resume.

    Args:
        path: the file; made on the first :meth:`add`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, record: Mapping[str, Any]) -> None:
        """Append one record; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def records(self) -> list[dict[str, Any]]:
        """All complete records; a last line cut off by a crash is left out.

        Raises:
            ModelFileError: a line before the last is not JSON.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_text("utf-8").splitlines(keepends=True)
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(json.loads(line))
            except ValueError as error:
                if number == len(lines):
                    break
                raise ModelFileError(
                    f"{self.path}, line {number} is not JSON.", "Remove that line, or the journal as a whole."
                ) from error
        return found

    def cut_back(self, count: int) -> None:
        """Keep the first `count` records: those that were written before the checkpoint."""
        kept = self.records()[:count]
        write_text(self.path, "".join(json.dumps(record) + "\n" for record in kept))
