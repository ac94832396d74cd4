"""Batches: every picture once per epoch, the same for any number of workers, ranks and stops."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from firebit.data import Augmentation, ImageSet
from firebit.data.crop import CentreCrop, RandomCrop
from firebit.data.shards import open_shards, shards_of
from firebit.data.streamed import StreamedSet, decoded, streamed
from firebit.data.tree import open_tree
from firebit.errors import DataError, FirebitError
from firebit.train import Recipe
from firebit.train.distributed import part_of
from firebit.train.feed import Batch, MemoryFeed, StreamedFeed, batches_per_epoch, make_feed, still_batches

VIEW = RandomCrop(16)


def photos(few_photos: Path, workers: int = 0) -> StreamedSet:
    return streamed(open_tree(few_photos, "train", "few"), CentreCrop(16), workers)


def shards(few_shards: Path, workers: int = 0) -> StreamedSet:
    return streamed(open_shards(shards_of(few_shards, "train"), "few"), CentreCrop(16), workers)


def same(left: list[Batch], right: list[Batch]) -> bool:
    pairs = list(zip(left, right, strict=True))
    return all(torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels) for a, b in pairs)


@pytest.mark.parametrize(("count", "parts"), [(60, 7), (3, 5), (0, 2), (1_281_167, 5005)])
def test_parts_are_even_and_cover_all(count: int, parts: int) -> None:
    slices = [part_of(count, part, parts) for part in range(parts)]
    assert slices[0].start == 0 and slices[-1].stop == count
    assert all(left.stop == right.start for left, right in pairwise(slices))
    sizes = [each.stop - each.start for each in slices]
    assert max(sizes) - min(sizes) <= 1


def test_pictures_that_are_not_augmented_say_which_they_are(train_set: ImageSet) -> None:
    for rank in range(2):
        feed = MemoryFeed(train_set, 20, Augmentation(), rank, 2)
        assert feed.still
        for batch in feed.epoch(3, 1):
            assert batch.members is not None
            assert np.array_equal(batch.images.numpy(), train_set.images[batch.members.numpy()])


@pytest.mark.parametrize("augmentation", [Augmentation(flip=True), Augmentation(crop=1)])
def test_pictures_that_are_augmented_are_never_the_same(train_set: ImageSet, augmentation: Augmentation) -> None:
    feed = MemoryFeed(train_set, 20, augmentation)
    assert not feed.still
    assert next(feed.epoch(3, 1)).members is None


@pytest.mark.parametrize(("count", "sizes"), [(1, [7]), (3, [3, 2, 2]), (9, [1] * 7)])
@pytest.mark.parametrize("members", [None, torch.arange(7) + 90])
def test_parts_of_a_batch(count: int, sizes: list[int], members: torch.Tensor | None) -> None:
    batch = Batch(torch.arange(7, dtype=torch.uint8).reshape(7, 1, 1, 1), torch.arange(7) + 50, members=members)
    parts = batch.parts(count)
    assert [len(part) for part in parts] == sizes
    assert torch.equal(torch.cat([part.images for part in parts]), batch.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), batch.labels)
    for part in parts:
        expected = None if members is None else (part.labels + 40).tolist()
        assert (part.members if part.members is None else part.members.tolist()) == expected


def test_every_picture_once_per_epoch_as_decoding_alone_gives_it(few_photos: Path) -> None:
    data = photos(few_photos)
    feed = StreamedFeed(data, 16, VIEW)
    found = list(feed.epoch(3, 1))
    assert feed.batches == len(found) == 4
    assert [len(each.labels) for each in found] == [15, 15, 15, 15]
    order = data.source.order(3, 1)
    alone = decoded(data.source, VIEW, 3, 1, order)
    assert np.array_equal(torch.cat([each.images for each in found]).numpy(), alone.images)
    assert torch.cat([each.labels for each in found]).tolist() == data.labels[order].tolist()
    assert found[0].images.dtype == torch.uint8 and feed.waited > 0


@pytest.mark.parametrize("make", [photos, shards])
def test_the_same_bytes_for_any_number_of_workers(
    few_photos: Path, few_shards: Path, make: Callable[[Path, int], StreamedSet]
) -> None:
    folder = few_photos if make is photos else few_shards
    expected = list(StreamedFeed(make(folder, 0), 16, VIEW).epoch(0, 2))
    state = torch.get_rng_state()
    for workers in (1, 3):
        assert same(list(StreamedFeed(make(folder, workers), 16, VIEW).epoch(0, 2)), expected)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_can_be_entered_anywhere(few_shards: Path, workers: int) -> None:
    expected = list(StreamedFeed(shards(few_shards), 7, VIEW).epoch(5, 3))
    for start in (0, 1, 4, 8, 9):
        assert same(list(StreamedFeed(shards(few_shards, workers), 7, VIEW).epoch(5, 3, start)), expected[start:])


@pytest.mark.parametrize("batch", [16, 17, 60])
@pytest.mark.parametrize("world", [2, 3, 4])
def test_ranks_share_the_steps_of_a_single_one(few_shards: Path, batch: int, world: int) -> None:
    data = shards(few_shards)
    alone = list(StreamedFeed(data, batch, VIEW).epoch(1, 0))
    ranks = [list(StreamedFeed(data, batch, VIEW, rank=rank, world=world).epoch(1, 0)) for rank in range(world)]
    assert {len(each) for each in ranks} == {len(alone)}
    for step, whole in enumerate(alone):
        parts = [each[step] for each in ranks]
        assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
        sizes = [len(part.labels) for part in parts]
        assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1
        assert [part.weight for part in parts] == [size * world / sum(sizes) for size in sizes]
        assert whole.weight == 1


def test_ranks_share_the_steps_of_pictures_in_memory(train_set: ImageSet, tiny: Callable[..., Recipe]) -> None:
    recipe = tiny(batch=50)
    alone = make_feed(train_set, recipe)
    ranks = [list(make_feed(train_set, recipe, rank, 4).epoch(2, 1, 1)) for rank in range(4)]
    assert isinstance(alone, MemoryFeed) and alone.batches == 2
    (whole,) = alone.epoch(2, 1, 1)
    assert torch.equal(torch.cat([each[0].images for each in ranks]), whole.images)
    assert [len(each[0].labels) for each in ranks] == [12, 13, 12, 13]
    # The mean over ranks of weighted means is the mean over pictures.
    means = [each[0].weight * each[0].labels.double().mean().item() for each in ranks]
    assert np.mean(means) == pytest.approx(whole.labels.double().mean().item(), abs=1e-12)


def test_batches_of_an_epoch_are_those_of_the_feed(
    few_photos: Path, train_set: ImageSet, tiny: Callable[..., Recipe]
) -> None:
    for batch in (2, 7, 20, 59, 60, 100, 120):
        for data in (photos(few_photos), train_set):
            recipe = tiny(batch=batch)
            assert batches_per_epoch(recipe, data) == make_feed(data, recipe).batches


def test_the_recipe_says_how_pictures_are_cut(few_photos: Path, tiny: Callable[..., Recipe]) -> None:
    cut = {"area": [0.25, 0.75], "aspect": 1.5, "bad_pictures": "fail"}
    feed = make_feed(photos(few_photos), tiny(input=cut, augment={"flip": True}))
    assert isinstance(feed, StreamedFeed)
    assert feed.view == RandomCrop(16, (0.25, 0.75), 1.5, True) and feed.bad_pictures == "fail"


def test_pictures_outside_of_training_in_their_order(few_photos: Path) -> None:
    found = list(still_batches(photos(few_photos, 1), 25, 0, 55))
    assert [len(each.labels) for each in found] == [25, 25, 5]
    assert np.array_equal(torch.cat([each.images for each in found]).numpy(), photos(few_photos).images[:55])
    (part,) = still_batches(photos(few_photos), 25, 40, 55)
    assert np.array_equal(part.images.numpy(), photos(few_photos).images[40:55])


@pytest.fixture
def damaged(few_photos: Path, tmp_path: Path) -> StreamedSet:
    tree = shutil.copytree(few_photos, tmp_path / "tree")
    data = photos(tree, 2)
    for index in (3, 41):
        Path(data.source.called(index)).write_bytes(b"\xff\xd8\xff")
    return data


def test_what_cannot_be_read_is_left_out_and_noted(damaged: StreamedSet) -> None:
    found = list(StreamedFeed(damaged, 10, VIEW).epoch(0, 0))
    assert sum(len(each.labels) for each in found) == 58 and len(damaged.bad) == 2
    assert all("Not a whole PNG or JPEG picture" in problem for problem in damaged.bad)
    assert sum(len(each.labels) for each in still_batches(damaged, 10, 0, 60)) == 58


def test_what_cannot_be_read_ends_training_where_asked(damaged: StreamedSet) -> None:
    with pytest.raises(DataError, match="Not a whole PNG or JPEG picture") as caught:
        list(StreamedFeed(damaged, 10, VIEW, "fail").epoch(0, 0))
    assert "input.bad_pictures=skip" in caught.value.remedy
    with pytest.raises(DataError, match="none of 1 pictures in a row can be read"):
        list(StreamedFeed(damaged.subset([3]), 10, VIEW).epoch(0, 0))


def test_a_worker_that_dies_is_one_line(few_photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr("firebit.train.feed.decoded", die)
    with pytest.raises(FirebitError, match="A process that decodes pictures has ended") as caught:
        list(StreamedFeed(photos(few_photos, 1), 10, VIEW).epoch(0, 0))
    assert "--resume" in caught.value.remedy


def test_a_worker_leaves_signals_to_the_process_that_trains(few_photos: Path) -> None:
    script = f"""
import os, signal, torch
from pathlib import Path
from firebit.data.crop import CentreCrop, RandomCrop
from firebit.data.streamed import streamed
from firebit.data.tree import open_tree
from firebit.train.feed import StreamedFeed
stopped = []
signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
data = streamed(open_tree(Path({str(few_photos)!r}), "train", "few"), CentreCrop(16), 2)
found = 0
for batch in StreamedFeed(data, 4, RandomCrop(16)).epoch(0, 0):
    found += len(batch.labels)
    os.killpg(0, signal.SIGINT)
print(found, len(stopped) > 0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, start_new_session=True)
    assert done.stdout == "60 True\n", done.stderr
