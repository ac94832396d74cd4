"""Some pictures as training shows them, to estimate batch-norm statistics with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from firebit.data import ImageSet
from firebit.train.evaluate import Batches, as_input
from firebit.train.feed import Feed, make_feed
from firebit.train.recipe import Recipe


def sample(data: ImageSet, recipe: Recipe, pictures: int) -> Iterable[tuple[Tensor, Tensor]]:
    """Batches of (input, label), the same whenever they are read.

    Where training changes pictures from epoch to epoch these are changed alike: networks of many steps lose accuracy by
    statistics of pictures that are easier than those they have learned from.

    Args:
        data: the training set.
        recipe: says how training changes its pictures.
        pictures: how many, > 0; fewer where the set is smaller.
    """
    feed = make_feed(data, recipe)
    return Batches(data, limit=pictures) if feed.still else _Changed(feed, recipe.seed, pictures)


@dataclass(frozen=True)
class _Changed:
    feed: Feed
    seed: int
    pictures: int

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        left = self.pictures
        for batch in self.feed.epoch(self.seed, 0):
            yield as_input(batch.images[:left]), batch.labels[:left]
            left -= len(batch)
            if left <= 0:
                return
