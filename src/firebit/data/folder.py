"""Image folders: one folder of PNG or JPEG pictures for each class.

`train/CLASS/*.png` and `test/CLASS/*.png` (or `val/`) are read as they are. Where the class folders lie directly in the
folder, a fifth of the pictures of each class becomes the test set, chosen by a fixed seed (:func:`firebit.data.split`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data.image_set import ImageSet, held_out
from firebit.data.picture import Header, read_header, read_pixels
from firebit.errors import DataError, UsageError

TEST_FRACTION = 0.2
SPLIT_SEED = 0
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"))
"""What pictures end in. Formats that are not read are among them: such a picture is refused, not silently left out."""


@dataclass(frozen=True)
class Listing:
    """The picture files of one split, sorted by class and name.

    Args:
        classes: sorted names of the class folders.
        files: one path for each picture.
        labels: int64, one for each picture.
    """

    classes: tuple[str, ...]
    files: tuple[Path, ...]
    labels: NDArray[np.int64]

    def chosen(self, mask: NDArray[np.bool_]) -> "Listing":
        files = tuple(file for file, wanted in zip(self.files, mask, strict=True) if wanted)
        return Listing(self.classes, files, self.labels[mask])


def read(folder: Path, split: str, name: str, size: int | None = None, on_bad_image: str = "fail") -> ImageSet:
    """Read one split of an image folder.

    Pictures are grey (one channel) where every picture of both splits is, otherwise RGB.

    Args:
        folder: laid out as the module says.
        split: "train" or "test".
        name: what to call the set.
        size: bring pictures to size × size: shorter side resized (bicubic), middle cut out. None: all pictures of both
            splits must have one size.
        on_bad_image: "fail", or "skip" to leave out pictures that cannot be read; they are listed in `skipped`.

    Raises:
        DataError: folders, classes or pictures are missing or broken, or pictures differ in size.
        UsageError: `on_bad_image` is something else.
    """
    if on_bad_image not in ("fail", "skip"):
        raise UsageError(f"on_bad_image={on_bad_image!r} is not known.", 'Use "fail" or "skip".')
    listings = _splits(folder)
    if split not in listings:
        raise DataError(
            f"There is no {'folder train' if split == 'train' else 'folder test or val'} in {folder}.",
            "Add it, or put the class folders directly into the folder to have them split.",
        )
    skip = on_bad_image == "skip"
    headers = _survey((file for listing in listings.values() for file in listing.files), skip)
    grey = all(header.grey for header in headers.values())
    if size is None:
        _check_sizes(headers)
    return _decode(listings[split], headers, grey, size, skip, folder, name)


def _splits(folder: Path) -> dict[str, Listing]:
    named = {"train": folder / "train", "test": folder / "test"}
    if not named["test"].is_dir():
        named["test"] = folder / "val"
    listings = {split: _listing(path) for split, path in named.items() if path.is_dir()}
    if not listings:
        whole = _listing(folder)
        mask = held_out(whole.labels, TEST_FRACTION, SPLIT_SEED)
        return {"train": whole.chosen(~mask), "test": whole.chosen(mask)}
    if len(listings) == 2 and listings["train"].classes != listings["test"].classes:
        differing = sorted(set(listings["train"].classes) ^ set(listings["test"].classes))
        raise DataError(
            f"{named['train']} and {named['test']} differ in their class folders: {differing[0]!r} is in one only.",
            "Give both the same class folders.",
        )
    return listings


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error}", "Give a folder that can be opened.") from error


def _listing(folder: Path) -> Listing:
    classes = [path for path in _entries(folder) if path.is_dir()]
    if len(classes) < 2:
        found = f"one class folder only ({classes[0].name!r})" if classes else "no class folders"
        raise DataError(
            f"{folder} holds {found}.",
            "Put the pictures of each class into a folder of their own, two classes or more.",
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, path in enumerate(classes):
        pictures = [file for file in _entries(path) if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not pictures:
            raise DataError(f"{path} holds no pictures.", "Put PNG or JPEG pictures there, or remove the folder.")
        files += pictures
        labels += [label] * len(pictures)
    return Listing(tuple(path.name for path in classes), tuple(files), np.array(labels, np.int64))


def _survey(files: Iterable[Path], skip: bool) -> dict[Path, Header]:
    headers: dict[Path, Header] = {}
    for file in files:
        try:
            headers[file] = read_header(file)
        except DataError as error:
            if not skip:
                raise _skippable(error) from error
    return headers


def _skippable(error: DataError) -> DataError:
    """The same refusal, with the way to go on without the picture."""
    return DataError(error.problem, f"{error.remedy} Or leave out such pictures with on_bad_image='skip'.")


def _check_sizes(headers: dict[Path, Header]) -> None:
    sizes = {file: (header.width, header.height) for file, header in headers.items()}
    if len(set(sizes.values())) < 2:
        return
    usual = Counter(sizes.values()).most_common(1)[0][0]
    file, other = next((file, size) for file, size in sizes.items() if size != usual)
    raise DataError(
        f"{file} is {other[0]} × {other[1]} pixels, other pictures are {usual[0]} × {usual[1]}.",
        f"Bring all pictures to one size, or give size={min(usual)} to have it done.",
    )


def _decode(
    listing: Listing, headers: dict[Path, Header], grey: bool, size: int | None, skip: bool, folder: Path, name: str
) -> ImageSet:
    readable = [file for file in listing.files if file in headers]
    if not readable:
        raise DataError(f"{folder}: none of {len(listing.files)} pictures can be read.", "Replace the pictures.")
    first = headers[readable[0]]
    images = _allocate((len(listing.files), 1 if grey else 3, size or first.height, size or first.width), folder)
    good = np.zeros(len(listing.files), bool)
    for position, file in enumerate(listing.files):
        try:
            images[position] = _pixels(file, headers, images.shape[1:], size)
            good[position] = True
        except DataError as error:
            if not skip:
                raise _skippable(error) from error
    if not good.any():
        raise DataError(f"{folder}: none of {len(good)} pictures can be read.", "Replace the pictures.")
    bad = listing.chosen(~good).files
    if bad:
        images = images[good]
    skipped = tuple(file.relative_to(folder).as_posix() for file in bad)
    return ImageSet(images, listing.labels[good], listing.classes, name, skipped)


def _pixels(file: Path, headers: dict[Path, Header], shape: tuple[int, ...], size: int | None) -> NDArray[np.uint8]:
    if file not in headers:
        raise DataError(f"{file} cannot be read.", "Replace or remove it.")
    pixels = read_pixels(file, shape[0] == 1, size)
    if pixels.shape != shape:
        raise DataError(
            f"{file} is {pixels.shape[2]} × {pixels.shape[1]} pixels, other pictures are {shape[2]} × {shape[1]}.",
            "Bring all pictures to one size, or give size= to have it done.",
        )
    return pixels


def _allocate(shape: tuple[int, ...], folder: Path) -> NDArray[np.uint8]:
    try:
        return np.empty(shape, np.uint8)
    except (MemoryError, ValueError) as error:
        raise DataError(
            f"The pictures of {folder} need {np.prod(shape, dtype=float) / 1e9:.1f} GB.",
            "Give a smaller size=, or use fewer pictures.",
        ) from error
