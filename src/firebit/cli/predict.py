"""firebit predict: the classes of pictures, by a compiled network, without torch."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.cli.error import print_problem, printable
from firebit.cli.model import compiled_file, load_classifier
from firebit.errors import DataError

if TYPE_CHECKING:
    from firebit.engine.network import Network
    from firebit.engine.pixels import Pixels

_MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Guess:
    """A class that a picture may show: its index, its name (None where the network has none), its probability."""

    index: int
    name: str | None
    probability: float

    def __str__(self) -> str:
        return f"{printable(self.name or str(self.index))} {100 * self.probability:.2f} %"

    def to_dict(self) -> dict[str, Any]:
        """The guess as JSON-able values."""
        return {"index": self.index, "class": self.name, "probability": self.probability}


@dataclass(frozen=True)
class Answer:
    """What the network says to a picture, or why the picture cannot be read.

    Attributes:
        file: the picture.
        guesses: most probable first; none where the picture cannot be read.
        seconds: to read the picture, and its share of what pictures take that are computed at once.
        error: why the picture cannot be read.
    """

    file: Path
    guesses: tuple[Guess, ...] = ()
    seconds: float = 0.0
    error: DataError | None = None

    def __str__(self) -> str:
        return f"{printable(str(self.file))}  {', '.join(map(str, self.guesses))}  {1000 * self.seconds:.2f} ms"

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-able values."""
        if self.error is not None:
            return {"file": str(self.file), "error": self.error.problem, "remedy": self.error.remedy}
        guesses = [guess.to_dict() for guess in self.guesses]
        return {"file": str(self.file), "predictions": guesses, "seconds": self.seconds}


def command(
    model: Annotated[Path, typer.Argument(help="A .firebit file, a run that has one, or a pretrained network's name.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="PNG or JPEG files, and folders of them.")],
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Show the N most probable classes.")] = 1,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what IMAGES show. Pictures of any size are brought to the network's, as in training."""
    import json

    path = compiled_file(model)
    network = load_classifier(path)
    answers = []
    for answer in _answers(network, images, top):
        answers.append(answer)
        _show(answer, json_)
    good = [answer for answer in answers if answer.error is None]
    seconds = sum(answer.seconds for answer in good)
    if json_:
        pictures = [answer.to_dict() for answer in answers]
        values = {"model": str(path), "fingerprint": network.fingerprint, "pictures": pictures, "seconds": seconds}
        typer.echo(json.dumps(values, indent=2))
    elif len(good) > 1:
        typer.echo(f"{len(good):,} pictures in {seconds:.3f} s, {1000 * seconds / len(good):.2f} ms each")
    if len(good) < len(answers):
        raise DataError(
            f"{len(answers) - len(good)} of {len(answers)} images cannot be read.", "Replace them, or leave them out."
        )


def _show(answer: Answer, json_: bool) -> None:
    if answer.error is not None:
        print_problem(answer.error)
    elif not json_:
        typer.echo(str(answer))


def _answers(network: "Network", images: Iterable[Path], top: int) -> Iterator[Answer]:
    """An answer for every picture, in order; many are computed at once."""
    files = chain.from_iterable(map(_pictures, images))
    while part := list(islice(files, min(network.batch, _MOST_AT_ONCE))):
        yield from _answered(network, part, top)


def _pictures(image: Path) -> list[Path]:
    """The picture itself, or those below a folder, sorted; of a folder without pictures, the folder.

    Files and folders below whose names begin with a dot are left out.
    """
    from firebit.data.folder import SUFFIXES

    if not _is_folder(image):
        return [image]
    below = (path.relative_to(image) for path in image.rglob("*") if path.suffix.lower() in SUFFIXES)
    seen = sorted(path for path in below if not any(part.startswith(".") for part in path.parts))
    return [image / path for path in seen if (image / path).is_file()] or [image]


def _is_folder(image: Path) -> bool:
    try:
        return image.is_dir()
    except OSError:  # a name too long, or a folder closed to us: reading it says so
        return False


def _answered(network: "Network", files: list[Path], top: int) -> Iterator[Answer]:
    """Answers for some pictures, computed at once."""
    import numpy as np

    read = [_read(network, file) for file in files]
    pixels = [seen for seen, _ in read if not isinstance(seen, DataError)]
    start = time.perf_counter()
    shares = iter(network.probabilities(np.concatenate(pixels)) if pixels else ())
    each = (time.perf_counter() - start) / max(1, len(pixels))
    for file, (seen, seconds) in zip(files, read, strict=True):
        if isinstance(seen, DataError):
            yield Answer(file, error=seen)
        else:
            yield Answer(file, _guesses(network, next(shares), top), seconds + each)


def _read(network: "Network", file: Path) -> "tuple[Pixels | DataError, float]":
    """The pixels of a picture or what is wrong with it, and the seconds that took."""
    start = time.perf_counter()
    seen: Pixels | DataError
    try:
        seen = _no_picture(file) if _is_folder(file) else network.pixels(file)
    except DataError as error:
        seen = error
    return seen, time.perf_counter() - start


def _no_picture(folder: Path) -> DataError:
    return DataError(f"There is no picture in {folder}.", "Give pictures, or a folder that has some.")


def _guesses(network: "Network", shares: Any, top: int) -> tuple[Guess, ...]:
    names = network.classes or (None,) * len(shares)
    # Stable, so that of equal shares the smaller index comes first, as in predict.
    order = (-shares).argsort(kind="stable")[:top]
    return tuple(Guess(int(index), names[index], float(shares[index])) for index in order)
