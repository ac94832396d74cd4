"""Metrics against figures worked out by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from firebit.data import ImageSet, to_float
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train.evaluate import Batches, as_input, evaluate, has_bits


def pictures(values: list[int], labels: list[int], classes: int) -> ImageSet:
    """Pictures of one pixel each."""
    images = np.array(values, np.uint8).reshape(-1, 1, 1, 1)
    return ImageSet(images, np.array(labels), tuple(map(str, range(classes))), "pixels")


class Table(nn.Module):
    """Looks the logits of a picture up by its only pixel."""

    def __init__(self, logits: list[list[float]]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        return self.logits[(x.flatten() * 255).round().long()]


def test_loss_and_accuracies() -> None:
    rows = [[5.0, 4.0, 3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]]
    # Right; fourth; sixth of six.
    metrics, census = evaluate(Table(rows).train(), pictures([0, 0, 1], [0, 3, 0], 6))
    total = math.log(sum(math.exp(value) for value in rows[0]))
    assert metrics.loss == pytest.approx(((total - 5) + (total - 2) + (total - 0)) / 3, rel=1e-6)
    assert (metrics.top1, metrics.top5, metrics.count) == (1 / 3, 2 / 3, 3)
    assert census is None


def test_fewer_than_five_classes_are_all_among_the_first_five() -> None:
    metrics, _ = evaluate(Table([[1.0, 0.0, 0.5]]), pictures([0, 0], [0, 1], 3))
    assert (metrics.top1, metrics.top5) == (0.5, 1.0)
    assert metrics.to_dict() == {"loss": metrics.loss, "top1": 0.5, "top5": 1.0, "count": 2}


def test_more_pictures_than_one_batch() -> None:
    metrics, _ = evaluate(Table([[1.0, 0.0], [0.0, 1.0]]), pictures([0, 1] * 600, [0, 0] * 600, 2))
    assert (metrics.top1, metrics.count) == (0.5, 1200)


def test_the_census_comes_from_the_same_pass() -> None:
    calls: list[int] = []
    net = nn.Sequential(nn.Flatten(), BoundedRectifier(1, 1.0), nn.Linear(1, 2))
    net.register_forward_hook(lambda _m, inputs, _o: calls.append(len(inputs[0])))
    # k·y + ½ with y = 0, 0.2, 1: one half, 0.7, and clipped to 1.
    metrics, census = evaluate(net, pictures([0, 51, 255], [0, 0, 1], 2))
    assert census is not None
    layer = census.layers["1"]
    assert (layer.zeros.tolist(), layer.ones.tolist(), layer.count) == ([0], [1], 3)
    assert calls == [3]
    assert metrics.count == 3


def test_the_training_flag_returns_to_what_it_was() -> None:
    for training in (True, False):
        net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1), nn.Linear(1, 2)).train(training)
        assert net[1].running_mean is not None
        before = net[1].running_mean.clone()  # type: ignore[operator]
        evaluate(net, pictures([0, 255], [0, 1], 2))
        assert net.training is training
        assert torch.equal(net[1].running_mean, before)  # type: ignore[arg-type]


def test_the_flags_of_single_layers_return_too() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1), nn.Linear(1, 2)).train()
    net[1].eval()
    evaluate(net, pictures([0, 255], [0, 1], 2))
    assert [layer.training for layer in net] == [True, False, True]


def test_what_has_bits() -> None:
    assert has_bits(nn.Sequential(BoundedRectifier(2)))
    assert has_bits(nn.Sequential(Step(torch.zeros(2), torch.ones(2))))
    assert not has_bits(nn.Sequential(nn.ReLU()))


def test_batches_cover_the_set_in_order_and_can_be_read_again() -> None:
    data = pictures(list(range(7)), [0, 1, 0, 1, 0, 1, 0], 2)
    batches = Batches(data, batch=3)
    for _ in range(2):
        found = list(batches)
        assert [len(labels) for _, labels in found] == [3, 3, 1]
        assert (torch.cat([x for x, _ in found]).flatten() * 255).round().tolist() == list(range(7))
    assert len(batches) == 3


@pytest.mark.parametrize(("limit", "sizes"), [(4, [3, 1]), (3, [3]), (100, [3, 3, 1]), (None, [3, 3, 1])])
def test_batches_with_a_limit(limit: int | None, sizes: list[int]) -> None:
    batches = Batches(pictures(list(range(7)), [0, 1, 0, 1, 0, 1, 0], 2), 3, limit)
    assert [len(labels) for _, labels in batches] == sizes
    assert len(batches) == len(sizes)


def test_networks_see_x_by_255() -> None:
    values = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    assert as_input(values).dtype == torch.float32
    assert as_input(values).numpy().tolist() == to_float(values.numpy()).tolist()
    assert as_input(values).flatten().tolist() == [float(np.float32(value) / np.float32(255)) for value in range(256)]
