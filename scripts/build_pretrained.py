"""Puts a finished run into the package as a network that is loaded by name: its file and its model card.

    firebit train mnist --name mnist-lenet --set threads=1
    python scripts/build_pretrained.py runs/mnist-lenet mnist-lenet

A fast file is smaller, and measured anew on the run's test set:

    firebit train cifar10 --recipe cifar10-deep --name plain8 --set threads=1
    python scripts/build_pretrained.py runs/plain8 cifar10-plain8 --precision fast
"""

import argparse
from datetime import date
from pathlib import Path

from firebit.engine.plan import PRECISIONS
from firebit.errors import FirebitError
from firebit.train import RunFolder
from firebit.train.publish import publish

OUTPUT = Path(__file__).parents[1] / "src" / "firebit" / "pretrained"


def main() -> None:
    """Write both files, and say where."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run")
    parser.add_argument("name", help="what it is loaded by: lower-case letters, digits and hyphens")
    parser.add_argument("folder", type=Path, nargs="?", default=OUTPUT, help="default: the package")
    parser.add_argument("--precision", choices=PRECISIONS, default="exact", help="default: exact")
    given = parser.parse_args()
    try:
        file = publish(RunFolder(given.run), given.name, given.folder, date.today(), given.precision)
    except FirebitError as error:
        raise SystemExit(f"{error.problem}\n{error.remedy}") from error
    print(f"{file}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
