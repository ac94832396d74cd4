"""One door to every data set: known names, and folders of IDX, CIFAR or picture files."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from firebit.data import cifar, digits, folder, idx
from firebit.data.image_set import ImageSet
from firebit.data.picture import resized
from firebit.data.stream import Streaming, is_streamed_name, open_folder, open_named
from firebit.data.streamed import StreamedSet
from firebit.errors import DataError, UsageError

SPLITS = ("train", "test")
_LARGEST_SIZE = 8192
FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Known:
    """A data set that is known by name.

    Args:
        folder: its folder below the root; None for the one inside the package.
        counts: pictures of the training and the test set.
        classes: names of the classes, for IDX files, which do not name them.
    """

    folder: str | None
    counts: tuple[int, int]
    classes: tuple[str, ...] | None = None


KNOWN = {
    "digits": Known(None, (6000, 2000), digits.CLASSES),
    "mnist": Known("mnist", (60000, 10000), digits.CLASSES),
    "fashion-mnist": Known("fashion-mnist", (60000, 10000), FASHION_CLASSES),
    "cifar10": Known("cifar-10-batches-bin", (50000, 10000)),
    "cifar100": Known("cifar-100-binary", (50000, 10000)),
}


def names() -> tuple[str, ...]:
    """The names that :func:`load` knows without a path."""
    return tuple(KNOWN)


def data_root(root: Path | None = None) -> Path:
    """Where data sets lie: `root`, else the environment variable FIREBIT_DATA, else ~/.cache/firebit/data."""
    return Path(root or os.environ.get("FIREBIT_DATA") or "~/.cache/firebit/data").expanduser()


def folder_of(name: str, root: Path | None = None) -> Path | None:
    """The folder of a known data set, whether it is there or not; None for the one inside the package.

    Raises:
        DataError: the name is not known.
    """
    if name not in KNOWN:
        raise _unknown(name)
    below = KNOWN[name].folder
    return None if below is None else data_root(root) / below


def load(
    name_or_path: str | Path,
    split: str = "train",
    root: Path | None = None,
    size: int | None = None,
    on_bad_image: str = "fail",
    streaming: Streaming | None = None,
) -> ImageSet:
    """Load one split of a data set, into memory where it fits.

    Tar shards, data sets of Hugging Face and folders whose pictures would take more than 2 GiB give a
    :class:`firebit.data.streamed.StreamedSet`, which decodes pictures when they are asked for. It needs `size`.

    Args:
        name_or_path: "digits" (inside the package), "mnist", "fashion-mnist", "cifar10" or "cifar100" (brought by
            `firebit data fetch`), or a folder, by its path or by its name below the root: of IDX files
            (`{train,t10k}-{images-idx3,labels-idx1}-ubyte`, gzipped or not), of CIFAR files, or of pictures
            (`train/CLASS/*.png` and `test/CLASS/*.png` or `val/CLASS/*.png`; with class folders directly in the
            folder, a fifth of each class is the test set, always the same). A name of these five wins over a folder of
            that name; write "./mnist" or pass a Path for the folder. Or tar shards in WebDataset layout: a folder of
            them, or a pattern as "DIR/train-{000000..000146}.tar"; or "hf:NAME", "hf:PATH" for Hugging Face's library.
        split: "train" or "test".
        root: where named data sets lie; None: FIREBIT_DATA, else ~/.cache/firebit/data.
        size: bring pictures to size × size: shorter side resized (bicubic), middle cut out.
        on_bad_image: image folders only: "fail", or "skip" pictures that cannot be read.
        streaming: how pictures are streamed; None: as it is by default.

    Returns:
        The pictures, uint8 (N, C, H, W), checked.

    Raises:
        DataError: the data set is missing, incomplete or corrupt.
        UsageError: an argument is none of the above.

    Example:
        >>> train, test = load("digits"), load("digits", "test")
    """
    if split not in SPLITS:
        raise UsageError(f"split={split!r} is not known.", 'Use "train" or "test".')
    if size is not None and not 1 <= size <= _LARGEST_SIZE:
        raise UsageError(f"size={size} is out of range.", f"Give a number of pixels from 1 to {_LARGEST_SIZE}.")
    if isinstance(name_or_path, str) and name_or_path in KNOWN:
        data = _load_known(name_or_path, split, root)
    elif is_streamed_name(name_or_path):
        return open_named(str(name_or_path), split, size, streaming or Streaming())
    else:
        data = _load_folder(_existing(name_or_path, root), split, size, on_bad_image, streaming or Streaming())
    return data if size is None or isinstance(data, StreamedSet) else _with_size(data, size)


def _load_known(name: str, split: str, root: Path | None) -> ImageSet:
    known, where = KNOWN[name], folder_of(name, root)
    if where is None:
        return digits.read(split)
    if not where.is_dir():
        raise DataError(
            f"The data set {name} is not in {where}.",
            f"Get it with `firebit data fetch {name}`, or take files on the disk with --from DIR.",
        )
    if known.classes:
        data = idx.read(where, split, known.classes, f"{name}-{split}")
    else:
        layout = cifar.CIFAR10 if name == "cifar10" else cifar.CIFAR100
        data = cifar.read(where, layout, split, f"{name}-{split}")
    expected = known.counts[SPLITS.index(split)]
    if len(data) != expected:
        raise DataError(
            f"{where} holds {len(data)} {split} pictures; {name} has {expected}.",
            f"Get it again with `firebit data fetch {name}`, or load a part of it by the path of its folder.",
        )
    return data


def _load_folder(path: Path, split: str, size: int | None, on_bad_image: str, streaming: Streaming) -> ImageSet:
    name = f"{path.resolve().name}-{split}"
    if any(idx.find(path, part, kind) for part in SPLITS for kind in ("images-idx3", "labels-idx1")):
        return idx.read(path, split, None, name)
    if layout := cifar.recognise(path):
        return cifar.read(path, layout, split, name)
    if (found := open_folder(path, split, size, streaming)) is not None:
        return found
    return folder.read(path, split, name, size, on_bad_image)


def found_folder(name_or_path: str | Path, root: Path | None = None) -> Path | None:
    """The folder of that path, or of that name below the root of the data sets; None where there is none.

    Args:
        name_or_path: a path; or a plain name, for which a folder here comes first.
        root: as for :func:`load`.
    """
    path = Path(name_or_path).expanduser()
    named = [data_root(root) / path] if isinstance(name_or_path, str) and path.name == name_or_path else []
    return next((place for place in (path, *named) if place.is_dir()), None)


def _existing(name_or_path: str | Path, root: Path | None) -> Path:
    path = Path(name_or_path).expanduser()
    if (there := found_folder(name_or_path, root)) is not None:
        return there
    if isinstance(name_or_path, str) and not path.exists():
        raise _unknown(name_or_path)
    raise DataError(
        f"{path} is {'no folder' if path.exists() else 'not there'}.", "Give a folder of IDX, CIFAR or picture files."
    )


def _unknown(name: str) -> DataError:
    near = get_close_matches(name, KNOWN, 1)
    return DataError(
        f"There is no data set or folder {name!r}.",
        (f"Did you mean {near[0]!r}? " if near else "") + f"Give one of {', '.join(KNOWN)}, or a folder.",
    )


def _with_size(data: ImageSet, size: int) -> ImageSet:
    return ImageSet(resized(data.images, size), data.labels, data.classes, data.name, data.skipped)
