"""The pictures of a run: what it trains on, what it is measured on, and whether they fit the network."""

from dataclasses import dataclass
from pathlib import Path

from firebit import zoo
from firebit.data import ImageSet, load, names, split
from firebit.data.stream import Streaming
from firebit.data.streamed import StreamedSet
from firebit.errors import DataError, UsageError
from firebit.train.recipe import Recipe


@dataclass(frozen=True)
class Pictures:
    """The data of a run: what it trains on, what it is measured on, and what that is called."""

    train: ImageSet
    held_out: ImageSet
    held_out_name: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth a line, of streamed pictures: where the order of classes comes from, shards cut short."""
        sets = (data for data in (self.train, self.held_out) if isinstance(data, StreamedSet))
        return tuple(dict.fromkeys(note for data in sets for note in data.source.notes))

    @property
    def unreadable(self) -> tuple[str, ...]:
        """What is wrong with each streamed picture that was met so far and cannot be read."""
        sets = (data for data in (self.train, self.held_out) if isinstance(data, StreamedSet))
        return tuple(dict.fromkeys(problem for data in sets for problem in data.bad))


def load_pictures(recipe: Recipe) -> Pictures:
    """Load the recipe's data set; with a validation share, measure on that part of the training set.

    Raises:
        DataError: the data set is missing or damaged, or its test set is of another kind than its training set.
        UsageError: the pictures do not fit the network, or are fewer than one batch.
    """
    size = picture_size(recipe)
    train = load(recipe.data, "train", size=size, streaming=streaming(recipe))
    if recipe.validation:
        kept, held_out = split(train, recipe.validation, recipe.seed)
        pictures = Pictures(kept, held_out, "validation")
    else:
        pictures = Pictures(train, load(recipe.data, "test", size=size, streaming=streaming(recipe)), "test")
    _check(recipe, pictures)
    return pictures


def streaming(recipe: Recipe) -> Streaming:
    """How the recipe wants pictures to be streamed."""
    options = recipe.input
    return Streaming(
        classes=Path(options.classes) if options.classes else None,
        test=options.test,
        shorter=options.resize,
        skip_bad=options.bad_shards == "skip",
        always=options.stream,
        workers=options.workers,
    )


def picture_size(recipe: Recipe) -> int | None:
    """The side that pictures are brought to: the recipe's, or for a folder the network's; None leaves them alone."""
    return recipe.size or (zoo.example(recipe.net.name).shape[-1] if recipe.data not in names() else None)


def _check(recipe: Recipe, pictures: Pictures) -> None:
    train, held_out = pictures.train, pictures.held_out
    expected, found = zoo.example(recipe.net.name).shape[2:], train.images.shape[2:]
    if tuple(expected) != tuple(found):
        raise UsageError(
            f"{recipe.net.name} takes pictures of {expected[0]}×{expected[1]}; {recipe.data}: {found[0]}×{found[1]}.",
            "Choose another network with --net, or for a folder leave the size to the network.",
        )
    if (held_out.images.shape[1:], held_out.classes) != (train.images.shape[1:], train.classes):
        raise DataError(
            f"{held_out.name} has {_kind(held_out)}; {train.name} has {_kind(train)}.",
            "Give a training and a test set of the same classes and size.",
        )
    if len(train) < recipe.batch:
        raise UsageError(
            f"{recipe.data} has {len(train)} training pictures, fewer than one batch of {recipe.batch}.",
            f"Set a smaller batch: --set batch={max(2, len(train) // 10)}.",
        )


def _kind(data: ImageSet) -> str:
    shape = "×".join(map(str, data.images.shape[1:]))
    return f"pictures of {shape} in {len(data.classes)} classes"
