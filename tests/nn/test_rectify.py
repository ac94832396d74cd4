"""Fresh rectifiers: where they go, what they are called, what is refused."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.rectifier import BoundedRectifier, bounded_rectify
from firebit.nn.rectify import rectify
from firebit.zoo import build, example


def rectifiers(model: nn.Module) -> dict[str, int]:
    return {n: m.channels for n, m in model.named_modules() if isinstance(m, BoundedRectifier)}


class Everything(nn.Module):
    """One call of every activation that is converted, a module used twice and a shared one."""

    def __init__(self) -> None:
        super().__init__()
        act = nn.ReLU(inplace=True)
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3), act, nn.Conv2d(2, 3, 3), act, nn.ReLU6())
        self.body = Body()
        self.act = nn.ReLU()
        self.fc = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(self.body(self.features(x))).flatten(1)
        x = self.act(self.fc(x))
        x = self.act(x)
        x = torch.relu(x)
        x = x.relu()
        F.relu(x, inplace=True)
        x = F.relu6(x)
        return x.relu_()


class Body(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x)


def test_every_call_gets_a_rectifier_with_a_stable_name() -> None:
    model = rectify(Everything(), torch.zeros(2, 1, 6, 6))
    assert rectifiers(model) == {
        "features.1": 2,
        "features.3": 3,
        "features.4": 3,
        "body.relu": 3,
        "body.relu_1": 3,
        "act": 4,
        "act_1": 4,
        "relu": 4,
        "relu_1": 4,
        "relu_2": 4,
        "relu_3": 4,
        "relu_4": 4,
    }
    assert not any(isinstance(m, nn.ReLU | nn.ReLU6) for m in model.modules())


def test_fresh_rectifiers_compute_what_replacing_by_hand_computes() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5), nn.ReLU(inplace=True), nn.Linear(5, 2))
    model, x = rectify(net, torch.zeros(1, 3), slope_init=0.5), torch.randn(6, 3)
    h = bounded_rectify(net[0](x), torch.full((4,), 0.5))
    h = bounded_rectify(net[2](h), torch.full((5,), 0.5))
    assert torch.equal(model(x), net[4](h))
    model(x).sum().backward()
    assert model.get_submodule("1").slope.grad is not None


def test_original_is_not_modified() -> None:
    net = Everything()
    before, code = copy.deepcopy(net.state_dict()), repr(net)
    model = rectify(net, torch.zeros(2, 1, 6, 6), exact=torch.rand(8, 1, 6, 6))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert repr(net) == code and net.training
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_parameter_names_are_kept(training: bool) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).train(training)
    model = rectify(net, torch.zeros(2, 1, 6, 6))
    assert all(m.training is training for m in model.modules())
    assert set(model.state_dict()) == {*net.state_dict(), "2.slope"}


def test_include_and_exclude_choose_by_name() -> None:
    net, x = Everything(), torch.zeros(2, 1, 6, 6)
    assert set(rectifiers(rectify(net, x, include="features.*"))) == {"features.1", "features.3", "features.4"}
    assert set(rectifiers(rectify(net, x, include=["act*", "relu"], exclude="act_1"))) == {"act", "relu"}
    kept = rectify(net, x, exclude=["act", "relu*"])
    assert isinstance(kept.act, nn.ReLU) and isinstance(kept.act_1, BoundedRectifier)
    kept = rectify(net, x, include=["act"])
    assert isinstance(kept.act, BoundedRectifier) and isinstance(kept.act_1, nn.ReLU)


@pytest.mark.parametrize("option", ["include", "exclude"])
def test_a_pattern_that_matches_nothing_lists_the_names(option: str) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    with pytest.raises(UsageError) as caught:
        rectify(net, torch.zeros(1, 3), **{option: ["1", "layer9.*"]})  # type: ignore[arg-type]
    assert "layer9.*" in caught.value.problem and "activations are 1" in caught.value.remedy


def test_nothing_to_convert_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"has no nn\.ReLU"):
        rectify(nn.Sequential(nn.Linear(3, 3), nn.Tanh()), torch.zeros(1, 3))
    with pytest.raises(UsageError, match="leave no activation"):
        rectify(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.zeros(1, 3), exclude="*")


def test_channels_in_another_dimension() -> None:
    net = nn.Sequential(nn.Linear(3, 7), nn.ReLU())
    assert rectifiers(rectify(net, torch.zeros(1, 5, 3), dim=-1)) == {"1": 7}
    with pytest.raises(UsageError, match="no dimension 1 for channels"):
        rectify(net, torch.zeros(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exact": "bounds"}, "exact='bounds'"),
        ({"exact": []}, "no batches"),
        ({"exact": [{"x": 1}]}, "without 1 input tensors"),
        ({"exact": [torch.full((1, 3), float("nan"))]}, "not finite"),
        ({"exact": "bound", "input_range": (1.0, 0.0)}, "no range"),
        ({"margin": -0.1}, "margin=-0.1"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    with pytest.raises(UsageError, match=message):
        rectify(net, torch.zeros(1, 3), **options)  # type: ignore[arg-type]


def test_copies_and_state_dicts_round_trip() -> None:
    net, x = Everything(), torch.rand(8, 1, 6, 6)
    model = rectify(net, x[:2], exact=x).eval()
    again = rectify(net, x[:2], exact=torch.ones(1, 1, 6, 6)).eval()
    again.load_state_dict(model.state_dict())
    assert torch.equal(copy.deepcopy(model)(x), model(x))
    assert torch.equal(again(x), model(x))


def test_float64_models_get_float64_slopes_and_others_float32() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    assert rectify(net.double(), torch.zeros(1, 3).double()).get_submodule("1").slope.dtype == torch.float64
    half = net.bfloat16()
    assert rectify(half, torch.zeros(1, 3).bfloat16()).get_submodule("1").slope.dtype == torch.float32


def test_a_rectified_model_can_be_rectified_further() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.rand(9, 3)
    half = rectify(net, x, include="1", exact=x)
    assert rectifiers(half) == {"1": 4}
    both = rectify(half, x, exact=x)
    assert rectifiers(both) == {"1": 4, "3": 4}
    torch.testing.assert_close(both(x), net(x))
    with pytest.raises(UsageError, match=r"has no nn\.ReLU"):
        rectify(both, x)


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick"])
@pytest.mark.parametrize("order", ["pool-first", "act-first"])
@pytest.mark.parametrize("norm", [True, False])
def test_networks_of_the_zoo_keep_their_function(name: str, order: str, norm: bool) -> None:
    torch.manual_seed(0)
    net = build(name, activation="relu", order=order, batch_norm=norm, width=0.25).double()
    x = torch.rand(8, *example(name).shape[1:]).double()
    net(x)
    model = rectify(net.eval(), x[:1], exact=[x])
    assert set(rectifiers(model)) == {n for n, m in net.named_modules() if isinstance(m, nn.ReLU)}
    assert (model(x) - net(x)).abs().max() < 1e-9


def test_a_batch_norm_hands_its_scale_to_fresh_slopes() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU()).double().eval()
    gamma, beta = torch.tensor([2.0, -0.5, 0.0]), torch.tensor([1.0, 1.0, 3.0])
    net[1].weight.data, net[1].bias.data = gamma.double(), beta.double()
    rectified = rectify(net, torch.zeros(1, 2).double(), slope_init=0.1)
    norm, act = rectified.get_submodule("1"), rectified.get_submodule("2")
    assert norm.weight.tolist() == [1.0, 1.0, 0.0 + 1.0] and not norm.weight.requires_grad
    assert norm.bias.tolist() == [0.5, -2.0, 3.0] and norm.bias.requires_grad
    x = torch.randn(20, 2, dtype=torch.float64)
    normalised = (net[0](x) - net[1].running_mean) / (net[1].running_var + net[1].eps).sqrt()
    expected = (0.1 * (gamma * normalised + beta) + 0.5).clamp(0, 1)
    # A scale of zero has no slope to hand over: that unit starts afresh.
    torch.testing.assert_close(rectified(x)[:, :2], expected[:, :2], atol=1e-7, rtol=0)
    assert act.slope.tolist() == pytest.approx([0.2, -0.05, 0.1])
