"""The census against counts made by hand, and against itself for every way to cut the data."""

import json
import multiprocessing
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.census import Census, LayerCensus, census, counting
from firebit.nn.rectifier import BoundedRectifier, Step


def small_net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), BoundedRectifier(3, 8.0), nn.Flatten(), nn.Linear(48, 5), BoundedRectifier(5, 4.0)
    )


def two_units() -> Tensor:
    """Pre-activations of two units for four samples; with slope 1, saturation starts at ±½."""
    return torch.tensor([[-1.0, 0.5], [-0.5, 1.0], [0.25, 0.5], [0.0, 2.0]])


def test_counts_by_hand_with_the_boundary_counted_as_saturated() -> None:
    layer = census(nn.Sequential(BoundedRectifier(2)), [two_units()]).layers["0"]
    assert layer.zeros.tolist() == [2, 0]
    assert layer.ones.tolist() == [0, 4]
    assert layer.between.tolist() == [2, 0]
    assert layer.count == 4
    assert layer.level == 6 / 8
    assert layer.ones_share == 4 / 8
    assert (layer.always_zero, layer.always_one, layer.constant_units) == (0, 1, 1)


def test_negative_slopes_saturate_the_other_way() -> None:
    layer = census(nn.Sequential(BoundedRectifier(2, -1.0)), [two_units()]).layers["0"]
    assert layer.zeros.tolist() == [0, 4]
    assert layer.ones.tolist() == [2, 0]


def test_share_of_binary_units_at_exact_decimal_thresholds() -> None:
    # Units binary in 7, 9, 99 and 100 of 100 samples; 0.07 * 100 is above 7 in floating point.
    layer = LayerCensus(np.array([7, 4, 99, 0]), np.array([0, 5, 0, 100]), 100)
    assert layer.binary_share(0.07) == 1
    assert layer.binary_share(0.08) == 3 / 4
    assert layer.binary_share(0.09) == 3 / 4
    assert layer.binary_share(0.99) == 2 / 4
    assert layer.binary_share(0.999) == 1 / 4
    assert layer.binary_share(1) == 1 / 4
    with pytest.raises(UsageError, match="not a share"):
        layer.binary_share(90)


def test_units_are_channels_times_positions_in_execution_order() -> None:
    counts = census(small_net(), [torch.rand(4, 1, 6, 6)])
    assert {name: layer.zeros.shape for name, layer in counts.layers.items()} == {"1": (3, 4, 4), "4": (5,)}
    assert counts.units == 48 + 5


def test_the_channel_dimension_comes_first_in_the_counters() -> None:
    pre = torch.linspace(-1, 1, 2 * 3 * 4).view(2, 3, 4)
    layer = census(nn.Sequential(BoundedRectifier(4, dim=-1)), [pre]).layers["0"]
    activations = (pre + 0.5).clamp(0, 1)
    assert layer.zeros.tolist() == (activations == 0).sum(0).T.tolist()
    assert layer.ones.tolist() == (activations == 1).sum(0).T.tolist()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.booleans())
def test_every_split_into_batches_gives_the_same_counters(sizes: list[int], channels_last: bool) -> None:
    net = small_net()
    # Multiples of 1/8 and small sums: each picture's activations are the same bits in every batch.
    for parameter in net.parameters():
        parameter.data.mul_(8).round_().div_(8)
    pictures = torch.randint(0, 9, (sum(sizes), 1, 6, 6)) / 8
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
    whole = census(net, [pictures])
    assert census(net, pictures.split(sizes)) == whole
    parts = [census(net, [part]) for part in pictures.split(sizes)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged == whole


def test_more_than_a_byte_of_samples_in_one_batch() -> None:
    layer = census(nn.Sequential(BoundedRectifier(1)), [torch.ones(1000, 1)]).layers["0"]
    assert (layer.zeros.tolist(), layer.ones.tolist(), layer.count) == ([0], [1000], 1000)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_precisions(dtype: torch.dtype) -> None:
    layer = census(nn.Sequential(BoundedRectifier(2)).to(dtype), [two_units().to(dtype)]).layers["0"]
    assert (layer.zeros.tolist(), layer.ones.tolist()) == ([2, 0], [0, 4])


def test_what_is_not_a_number_counts_as_neither() -> None:
    layer = census(nn.Sequential(BoundedRectifier(1)), [torch.tensor([[float("nan")], [3.0]])]).layers["0"]
    assert (layer.zeros.tolist(), layer.ones.tolist(), layer.between.tolist()) == ([0], [1], [1])


def test_steps_are_always_saturated() -> None:
    step = Step(torch.tensor([0.0, 0.5]), torch.tensor([1, -1]))
    layer = census(nn.Sequential(step), [two_units()]).layers["0"]
    assert layer.ones.tolist() == [2, 2]
    assert layer.zeros.tolist() == [2, 2]
    assert layer.level == 1


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rectifier = BoundedRectifier(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.rectifier(-self.rectifier(x))


def test_a_module_called_twice_counts_both_calls() -> None:
    layer = census(Twice(), [two_units()]).layers["rectifier"]
    # Second call sees -f: f = [0, 0, ¾, ½] and [1, 1, 1, 1] become [½, ½, 0, 0] and [0, 0, 0, 0].
    assert layer.count == 8
    assert layer.zeros.tolist() == [2 + 2, 4]
    assert layer.ones.tolist() == [0, 4]


def test_positions_that_change_are_refused_by_name() -> None:
    net = nn.Sequential(BoundedRectifier(1))
    with pytest.raises(UsageError, match=r"'0' has outputs of shape \(1, 2, 2\) and of \(1, 3, 3\)"):
        census(net, [torch.rand(2, 1, 2, 2), torch.rand(2, 1, 3, 3)])
    assert not net[0]._forward_hooks


def test_training_flags_and_statistics_are_left_as_they_were() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), BoundedRectifier(2), nn.Dropout(0.5)).train()
    net[0].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    census(net, [two_units()])
    assert [module.training for module in net.modules()] == [True, False, True, True]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not net[1]._forward_hooks


def test_counting_leaves_the_passes_to_the_caller() -> None:
    net = nn.Sequential(BoundedRectifier(2))
    with counting(net) as counters:
        output = net(two_units().requires_grad_())
        net(two_units())
    output.sum().backward()
    net(two_units())
    assert counters.census().layers["0"].count == 8


def test_loaders_of_tuples_and_a_limit() -> None:
    net = nn.Sequential(BoundedRectifier(2))
    batches = [(two_units(), torch.zeros(4))] * 3
    assert census(net, batches).layers["0"].count == 12
    assert census(net, batches, max_batches=2).layers["0"].count == 8


def test_bad_input_is_refused() -> None:
    net = nn.Sequential(BoundedRectifier(2))
    with pytest.raises(UsageError, match="Sequential has no rectifiers"):
        census(nn.Sequential(nn.ReLU()), [two_units()])
    with pytest.raises(UsageError, match="No picture"):
        census(net, [])
    with pytest.raises(UsageError, match="batch of type dict"):
        census(net, [{"x": two_units()}])
    with pytest.raises(UsageError, match="max_batches=0"):
        census(net, [two_units()], max_batches=0)
    with pytest.raises(UsageError, match="dimension 0"):
        census(nn.Sequential(BoundedRectifier(4, dim=0)), [two_units()])


def by_hand() -> Census:
    """Three units, one of them constant, and one unit: levels 2/3 · … over 4 units and 10 samples."""
    first = LayerCensus(np.array([10, 4, 0]), np.array([0, 5, 1]), 10)
    second = LayerCensus(np.array([[[2]]]), np.array([[[8]]]), 10)
    return Census({"first": first, "second": second})


def test_figures_over_all_units() -> None:
    whole = by_hand()
    assert whole.level == pytest.approx((10 + 9 + 1 + 10) / 40)
    assert whole.ones_share == pytest.approx((0 + 5 + 1 + 8) / 40)
    assert whole.binary_share(0.9) == 3 / 4
    assert whole.binary_share(0.99) == 2 / 4
    assert whole.constant_units == 1


def test_merging_adds_counters_and_refuses_another_network() -> None:
    doubled = by_hand() + by_hand()
    assert doubled.layers["first"] == LayerCensus(np.array([20, 8, 0]), np.array([0, 10, 2]), 20)
    assert by_hand().all_reduce() == by_hand()
    other = Census({"first": by_hand().layers["first"]})
    for one, two in ((by_hand(), other), (other, by_hand())):
        with pytest.raises(UsageError, match="differ at layer 'second'"):
            one.merge(two)
    reshaped = Census({**by_hand().layers, "second": LayerCensus(np.array([2]), np.array([8]), 10)})
    with pytest.raises(UsageError, match="differ at layer 'second'"):
        by_hand().merge(reshaped)


def test_a_census_survives_json_exactly() -> None:
    text = json.dumps(by_hand().to_dict(counters=True))
    assert Census.from_dict(json.loads(text)) == by_hand()
    summary = by_hand().to_dict()
    assert summary["layers"]["first"]["binary_share"] == {"0.9": 2 / 3, "0.99": 1 / 3, "0.999": 1 / 3}
    assert summary["layers"]["first"]["always_zero"] == 1
    with pytest.raises(UsageError, match="no counters"):
        Census.from_dict(summary)


@pytest.mark.parametrize(
    "layer",
    [
        {"zeros": [0.5], "ones": [0], "count": 1},
        {"zeros": [0], "ones": [0, 1], "count": 1},
        {"zeros": [[0], [0, 1]], "ones": [0], "count": 1},
        {"zeros": [2], "ones": [0], "count": 1},
        {"zeros": [-1], "ones": [0], "count": 1},
        {"zeros": [1], "ones": [1], "count": 1},
        {"zeros": [0], "ones": [0], "count": 0},
        {"zeros": [0], "ones": [0], "count": 1.5},
        {"zeros": [], "ones": [], "count": 1},
        {"zeros": [2**70], "ones": [0], "count": 2**70},
    ],
)
def test_counters_that_cannot_be_are_refused(layer: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="no counters of a census"):
        Census.from_dict({"layers": {"layer": layer}})


def test_counters_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        by_hand().layers["first"].zeros[0] = 1


def test_the_table_has_a_row_per_layer_and_one_for_all() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(by_hand().table())
    rows = [line.split() for line in captured.get().splitlines()]
    cells = {row[1]: row[3::2] for row in rows if len(row) > 3 and row[1] in ("first", "second", "all")}
    assert cells == {
        "first": ["3", "66.7", "66.7", "33.3", "33.3", "20.0", "1"],
        "second": ["1", "100.0", "100.0", "100.0", "100.0", "80.0", "0"],
        "all": ["4", "75.0", "75.0", "50.0", "50.0", "35.0", "1"],
    }


def _rank(rank: int, store: str, counters: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    pictures = torch.rand(10, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    # Ranks see different numbers of pictures.
    mine = pictures[:7] if rank == 0 else pictures[7:]
    merged = census(small_net(), mine.split(1)).all_reduce()
    Path(counters, str(rank)).write_text(json.dumps(merged.to_dict(counters=True)))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_ranks_sum_to_the_census_of_all_pictures() -> None:
    pictures = torch.rand(10, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    expected = census(small_net(), pictures.split(1))
    context = multiprocessing.get_context("fork" if os.name == "posix" else "spawn")
    with tempfile.TemporaryDirectory() as folder:
        ranks = [context.Process(target=_rank, args=(rank, f"{folder}/store", folder)) for rank in (0, 1)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(120)
        found = [Census.from_dict(json.loads(Path(folder, str(rank)).read_text())) for rank in (0, 1)]
    assert found == [expected, expected]
