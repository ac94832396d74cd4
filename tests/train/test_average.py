"""The moving average of a network: by hand, against torch's own, and with what must not be averaged."""

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.train.average import Average


def of(average: Average) -> nn.Module:
    assert average.network is not None
    return average.network


def trained(model: nn.Module, average: Average, steps: int) -> None:
    """Take random steps and average after each."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().sum().backward()
        optimizer.step()
        average.update()


def test_by_hand() -> None:
    model = nn.Linear(1, 1)
    average = Average(model, 0.75)
    assert average.network is None
    assert average.state_dict() == {}
    found = []
    for value in (1.0, 3.0, -2.0):
        nn.init.constant_(model.weight, value)
        average.update()
        found.append(of(average).weight.item())  # type: ignore[operator,union-attr]
    assert found == [1.0, 0.75 * 1 + 0.25 * 3, 0.75 * 1.5 - 0.25 * 2]
    assert model.weight.item() == -2.0


def test_it_is_the_average_of_torch() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    reference = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    average = Average(model, 0.9)
    average.update = lambda: (Average.update(average), reference.update_parameters(model))[0]  # type: ignore[method-assign]
    trained(model, average, 20)
    expected = reference.module.state_dict()
    for name, value in of(average).state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, expected[name])
            assert not torch.equal(value, model.state_dict()[name]), name


def test_statistics_are_averaged_and_counts_are_the_latest() -> None:
    model = nn.BatchNorm1d(1)
    average = Average(model, 0.5)
    for mean, variance in ((0.0, 1.0), (4.0, 3.0)):
        nn.init.constant_(model.running_mean, mean)  # type: ignore[arg-type]
        nn.init.constant_(model.running_var, variance)  # type: ignore[arg-type]
        model.num_batches_tracked += 7  # type: ignore[operator]
        average.update()
    state = of(average).state_dict()
    assert (state["running_mean"].item(), state["running_var"].item()) == (2.0, 2.0)
    assert state["num_batches_tracked"].item() == 14


@pytest.mark.parametrize(
    ("slopes", "expected"), [((1.0, 3.0), 2.0), ((-1.0, -3.0), -2.0), ((1.0, -3.0), -2.0), ((-2.0, 2.0), 2.0)]
)
def test_slopes_keep_their_size_and_the_latest_sign(slopes: tuple[float, float], expected: float) -> None:
    model = nn.Sequential(BoundedRectifier(1))
    average = Average(model, 0.5)
    for value in slopes:
        nn.init.constant_(model[0].slope, value)  # type: ignore[arg-type]
        average.update()
    assert of(average).get_submodule("0").slope.item() == expected  # type: ignore[operator,union-attr]


def test_a_rectifier_by_itself_has_its_slope_averaged_the_same_way() -> None:
    model = BoundedRectifier(1)
    average = Average(model, 0.5)
    for value in (1.0, -3.0):
        nn.init.constant_(model.slope, value)
        average.update()
    assert of(average).slope.item() == -2.0  # type: ignore[operator,union-attr]


def test_what_does_not_change_keeps_every_bit() -> None:
    step = Step(torch.tensor([float("inf"), -float("inf"), 0.1]), torch.ones(3))
    model = nn.Sequential(nn.Linear(3, 3), step, nn.Linear(3, 1))
    average = Average(model, 0.9)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for value in range(5):
        nn.init.constant_(model[2].weight, float(value))  # type: ignore[arg-type]
        average.update()
    for name, value in of(average).state_dict().items():
        assert torch.equal(value, before[name]) is (name != "2.weight"), name


def test_the_state_returns_and_goes_on_with_the_same_numbers() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), BoundedRectifier(4), nn.Linear(4, 2))
    average = Average(model, 0.9)
    trained(model, average, 3)
    again = Average(model, 0.9)
    again.load_state_dict({name: value.clone() for name, value in average.state_dict().items()})
    average.update = lambda: (Average.update(average), again.update())[0]  # type: ignore[method-assign]
    trained(model, average, 3)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in average.state_dict().items())
    again.load_state_dict({})
    assert again.network is None
