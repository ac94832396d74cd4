"""Puts a finished run into the package as a network that is loaded by name: its file and its model card.

usage: python scripts/build_pretrained.py RUN NAME [FOLDER]

    firebit train mnist --name mnist-lenet --set threads=1
    python scripts/build_pretrained.py runs/mnist-lenet mnist-lenet
"""

import sys
from datetime import date
from pathlib import Path

from firebit.errors import FirebitError
from firebit.train import RunFolder
from firebit.train.publish import publish

OUTPUT = Path(__file__).parents[1] / "src" / "firebit" / "pretrained"


def main(run: Path, name: str, folder: Path = OUTPUT) -> None:
    """Write both files, and say where."""
    try:
        file = publish(RunFolder(run), name, folder, date.today())
    except FirebitError as error:
        raise SystemExit(f"{error.problem}\n{error.remedy}") from error
    print(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:]))
