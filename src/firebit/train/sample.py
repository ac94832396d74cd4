"""Some pictures as training shows them, to estimate batch-norm statistics with."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from firebit.data import ImageSet
from firebit.train.evaluate import Batches, as_input
from firebit.train.feed import make_feed
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
    if make_feed(data, recipe).still:
        return Batches(data, limit=pictures)
    return _Changed(data, recipe, pictures)


@dataclass(frozen=True)
class _Changed:
    data: ImageSet
    recipe: Recipe
    pictures: int

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        left = self.pictures
        for batch in make_feed(self.data, self.recipe).epoch(self.recipe.seed, 0):
            yield as_input(batch.images[:left]), batch.labels[:left]
            left -= len(batch)
            if left <= 0:
                return
