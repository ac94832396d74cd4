"""Sets that are decoded when they are asked for, beside the same pictures in memory."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from firebit.data import ImageSet, load, split
from firebit.data.crop import CentreCrop, RandomCrop
from firebit.data.stream import Streaming
from firebit.data.streamed import StreamedSet, decoded, streamed
from firebit.data.tree import open_tree
from firebit.errors import DataError, UsageError


@pytest.fixture(scope="module")
def memory(few_photos: Path) -> ImageSet:
    return load(few_photos, size=28)


@pytest.fixture(scope="module")
def stream(few_photos: Path) -> StreamedSet:
    return streamed(open_tree(few_photos, "train", "few-train"), CentreCrop(28))


def test_the_same_pictures_as_in_memory(memory: ImageSet, stream: StreamedSet) -> None:
    assert (stream.classes, stream.labels.tolist(), len(stream)) == (memory.classes, memory.labels.tolist(), 60)
    assert (stream.images.shape, stream.images.dtype, stream.images.ndim) == ((60, 3, 28, 28), np.uint8, 4)
    # Those in memory are grey where all are; these are always in colour.
    grey = np.repeat(memory.images, 3, 1) if memory.images.shape[1] == 1 else memory.images
    for which in (slice(3, 9), np.array([59, 0, 0]), [1], slice(None), slice(50, 99), memory.labels == 2):
        assert np.array_equal(stream.images[which], grey[which])
    assert np.array_equal(stream.images[-1], grey[-1])
    assert np.array_equal(stream.images[2, :, :5], grey[2, :, :5])
    assert np.array_equal(stream.images[3:5, 0], grey[3:5, 0])
    assert np.array_equal(np.asarray(stream.images), grey)


def test_parts_are_subsets_of_positions(memory: ImageSet, stream: StreamedSet) -> None:
    part = stream.subset([5, 30, 2])
    assert isinstance(part, StreamedSet) and part.members.tolist() == [5, 30, 2]
    assert part.labels.tolist() == memory.labels[[5, 30, 2]].tolist()
    assert np.array_equal(part.images[1], stream.images[30])
    again = part.subset(np.array([False, True, True]))
    assert again.members.tolist() == [30, 2]
    with pytest.raises(UsageError, match="do not choose"):
        part.subset([3])
    kept, held = split(stream, 0.2, 0)
    assert isinstance(kept, StreamedSet) and isinstance(held, StreamedSet)
    assert sorted([*kept.members, *held.members]) == list(range(60)) and len(held) == 12
    assert len({each.fingerprint() for each in (stream, part, again, kept, held)}) == 5


def test_a_part_is_visited_in_the_order_of_the_whole(stream: StreamedSet) -> None:
    part = stream.subset(np.arange(0, 60, 3))
    whole = stream.order(4, 2).tolist()
    assert part.order(4, 2).tolist() == [at for at in whole if at % 3 == 0]


def test_decoding_has_no_state(stream: StreamedSet) -> None:
    view = RandomCrop(20)
    together = decoded(stream.source, view, 1, 2, np.array([7, 50, 7]))
    assert together.images.shape == (3, 3, 20, 20) and together.bad == {}
    assert np.array_equal(together.images[0], together.images[2])
    alone = decoded(stream.source, view, 1, 2, np.array([50]))
    assert np.array_equal(alone.images[0], together.images[1])
    other = decoded(stream.source, view, 1, 3, np.array([50]))
    assert not np.array_equal(other.images[0], alone.images[0])


def test_classes_in_another_order(memory: ImageSet, stream: StreamedSet) -> None:
    classes = ("n01484850", "n01440764", "n01443537")
    for data in (memory, stream):
        moved = data.ordered(classes)
        assert moved.classes == classes and data.ordered(data.classes) is data
        assert [classes[label] for label in moved.labels] == [data.classes[label] for label in data.labels]
        with pytest.raises(DataError, match="other classes"):
            data.ordered(("a", "b", "c"))
    part = stream.subset([50, 3]).ordered(classes)
    assert part.labels.tolist() == [0, 1] and isinstance(part, StreamedSet)
    assert decoded(part.source, part.view, 0, 0, part.members).labels.tolist() == [0, 1]
    # Files lie where they lay: their folders are named by classes.
    assert np.array_equal(part.images[0], stream.images[50])


@pytest.fixture
def damaged(few_photos: Path, tmp_path: Path) -> StreamedSet:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    found = streamed(open_tree(tree, "train", "few-train"), CentreCrop(28))
    for index, content in ((3, b""), (41, b"\xff\xd8\xffjunk")):
        Path(found.source.called(index)).write_bytes(content)
    return found


def test_what_cannot_be_read_is_named_and_left_out(damaged: StreamedSet) -> None:
    part = decoded(damaged.source, CentreCrop(28), 0, 0, np.array([2, 3, 4]))
    assert len(part.images) == 2 and part.labels.tolist() == [0, 0] and [*part.bad] == [3]
    with pytest.raises(DataError, match=r"Not a whole PNG or JPEG picture: .*n01440764"):
        damaged.images[2:5]
    assert damaged.bad == ()
    good = damaged.readable()
    assert len(good) == 58 and len(damaged.bad) == 2 and good.bad == ()
    assert good.images[:].shape == (58, 3, 28, 28)
    assert damaged.subset([0, 1]).readable().members.tolist() == [0, 1]
    with pytest.raises(DataError, match="none of 2 pictures can be read"):
        damaged.subset([3, 41]).readable()


def test_loading_a_folder_to_be_streamed(few_photos: Path) -> None:
    options = Streaming(always=True, workers=0)
    found = load(few_photos, "test", size=32, streaming=options)
    assert isinstance(found, StreamedSet) and found.name == "few-test" and found.workers == 0
