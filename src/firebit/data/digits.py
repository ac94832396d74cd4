"""The digits that ship inside the package: a balanced part of MNIST, real handwriting, 28 × 28 grey.

6,000 training pictures from the training set of MNIST and 2,000 test pictures from its test set, the same number of
every digit, chosen by a fixed seed. MNIST is by Yann LeCun, Corinna Cortes and Christopher J. C. Burges, from data of
the National Institute of Standards and Technology; it is commonly stated to be under CC BY-SA 3.0, and so is this part.
"""

from importlib.resources import files

from firebit.data import idx
from firebit.data.image_set import ImageSet

CLASSES = tuple("0123456789")


def read(split: str) -> ImageSet:
    """Read the digits; needs no network and no other file.

    Args:
        split: "train" (6,000 pictures) or "test" (2,000 pictures).

    Returns:
        Pictures uint8 (N, 1, 28, 28), classes "0" … "9".

    Raises:
        DataError: the installed package is damaged.
    """
    return idx.read(files("firebit.data").joinpath("digits"), split, CLASSES, f"digits-{split}")
