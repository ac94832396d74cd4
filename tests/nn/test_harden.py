"""Hardened networks against the definition of the step, computed by hand from the soft network's parts."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, CentredLinear, Scale, Step, harden, rectify
from firebit.nn.harden import estimate_statistics, fold, select
from firebit.zoo import build, example


def small() -> nn.Sequential:
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.MaxPool2d(2), nn.BatchNorm2d(4), BoundedRectifier(4, [1.0, -2.0, 0.0, 0.5]),
        nn.Flatten(), nn.Linear(36, 5), BoundedRectifier(5, "normal"), nn.Linear(5, 2),
    ).double()  # fmt: skip
    norm = net[2]
    norm.running_mean.copy_(torch.randn(4))
    norm.running_var.copy_(torch.rand(4) + 0.1)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    return net.eval()


def step_of(y: Tensor, slope: Tensor) -> Tensor:
    k = slope.view([1, -1] + [1] * (y.dim() - 2))
    return torch.where(k > 0, y >= 0, torch.where(k < 0, y <= 0, True)).to(y.dtype)


def test_every_bit_equals_the_definition() -> None:
    net = small()
    hard = harden(net, torch.zeros(1, 1, 8, 8, dtype=torch.float64))
    x = torch.randn(50, 1, 8, 8, dtype=torch.float64)
    bits = step_of(net[2](net[1](net[0](x))), net[3].slope)
    assert torch.equal(hard[3](hard[1](hard[0](x))), bits)
    more = step_of(net[5](net[4](bits)), net[6].slope)
    assert torch.equal(hard(x), net[7](more))
    assert isinstance(hard[2], nn.Identity)


def test_the_original_is_untouched() -> None:
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    harden(net, torch.zeros(1, 1, 8, 8, dtype=torch.float64), recalibrate=[torch.randn(9, 1, 8, 8).double()])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert isinstance(net[3], BoundedRectifier)


@given(
    st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 4), st.sampled_from([-2.0, -1e-3, 0.0, 0.7]),
    st.sampled_from([1.0, -1.0, 0.0, 5.0]), st.floats(-5, 5),
)  # fmt: skip
def test_folding_equals_normalise_then_compare(
    mean: float, beta: float, variance: float, gamma: float, slope: float, x: float
) -> None:
    norm = nn.BatchNorm1d(1).double().eval()
    norm.running_mean.fill_(mean)  # type: ignore[union-attr]
    norm.running_var.fill_(variance)  # type: ignore[union-attr]
    nn.init.constant_(norm.weight, gamma)
    nn.init.constant_(norm.bias, beta)
    step = Step.from_rectifier(BoundedRectifier(1, slope))
    inputs = torch.tensor([[x]], dtype=torch.float64)
    normalised = norm(inputs)
    if 0 < abs(normalised.item()) < 1e-9:
        return  # closer to the threshold than rounding can tell
    if gamma == 0 or normalised.item() != 0:
        assert torch.equal(fold(norm, step)(inputs), step(normalised))


def test_a_zero_batch_norm_scale_gives_a_constant_unit() -> None:
    norm = nn.BatchNorm1d(4).eval()
    nn.init.zeros_(norm.weight)
    norm.bias.data = torch.tensor([1.0, -1.0, 1.0, -1.0])
    step = Step.from_rectifier(BoundedRectifier(4, [2.0, 2.0, -2.0, -2.0]))
    x = torch.randn(20, 4) * 1e6
    assert fold(norm, step)(x).unique(dim=0).tolist() == [[1.0, 0.0, 0.0, 1.0]]


def test_selection_by_execution_order() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.second, self.first = BoundedRectifier(2), BoundedRectifier(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.second(self.first(x))

    model, x = Backwards(), torch.zeros(1, 2)
    assert select(model, x) == ["first", "second"]
    assert select(model, x, "last") == ["second"]
    assert select(model, x, ["f*"]) == ["first"]
    hard = harden(model, x, layers="last")
    assert isinstance(hard.second, Step) and isinstance(hard.first, BoundedRectifier)


def test_a_pattern_without_a_match_is_refused() -> None:
    with pytest.raises(UsageError, match="conv9"):
        harden(small(), torch.zeros(1, 1, 8, 8).double(), layers=["conv9"])


def test_a_model_without_rectifiers_is_refused() -> None:
    with pytest.raises(UsageError, match="rectify"):
        harden(nn.Linear(2, 2), torch.zeros(1, 2))


def test_a_batch_norm_with_other_readers_stays() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.act = nn.BatchNorm1d(3), BoundedRectifier(3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.norm(x)
            return self.act(y) + y

    model = Shared().eval()
    hard = harden(model, torch.zeros(1, 3))
    x = torch.randn(30, 3)
    assert isinstance(hard.norm, nn.BatchNorm1d)
    assert torch.equal(hard(x), (model.norm(x) >= 0) + model.norm(x))


def test_what_cannot_be_traced_keeps_its_batch_norm() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.act = nn.BatchNorm1d(3), BoundedRectifier(3, -1.0)
            nn.init.normal_(self.norm.bias)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.norm(x)) if x.sum() > 0 else self.act(self.norm(-x))

    model = Branching().eval()
    hard = harden(model, torch.zeros(1, 3))
    x = torch.randn(1, 3)
    expected = (model.norm(x if x.sum() > 0 else -x) <= 0).float()
    assert isinstance(hard.act, Step) and torch.equal(hard(x), expected)


def test_nothing_of_centring_remains() -> None:
    net = nn.Sequential(nn.Linear(3, 4), BoundedRectifier(4), CentredLinear(4, 2)).double()
    hard = harden(net, torch.zeros(1, 3).double())
    x = torch.randn(20, 3, dtype=torch.float64)
    bits = step_of(net[0](x), net[1].slope)
    torch.testing.assert_close(hard(x), (bits - 0.5) @ net[2].weight.T + net[2].bias, atol=1e-12, rtol=0)
    assert not any(isinstance(module, CentredLinear) for module in hard.modules())


def test_recalibration_gives_the_statistics_of_the_hardened_network() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(3, 4), BoundedRectifier(4), nn.Linear(4, 2), nn.BatchNorm1d(2), nn.Dropout(0.9), nn.Tanh()
    ).double().eval()  # fmt: skip
    x = torch.randn(40, 3, dtype=torch.float64)
    hard = harden(net, x[:1], recalibrate=[x[:20], (x[20:], None)])
    y = net[2](step_of(net[0](x), net[1].slope))
    halves = torch.stack([y[:20], y[20:]])
    torch.testing.assert_close(hard[3].running_mean, halves.mean((0, 1)), atol=1e-12, rtol=0)
    torch.testing.assert_close(hard[3].running_var, halves.var(1).mean(0), atol=1e-12, rtol=0)


def test_an_empty_loader_is_refused() -> None:
    with pytest.raises(UsageError, match="no batch"):
        harden(small(), torch.zeros(1, 1, 8, 8).double(), recalibrate=[])


@pytest.mark.parametrize("name", ["lenet", "cifar10_quick"])
@pytest.mark.parametrize(
    "options", [{"batch_norm": True}, {"centred": True, "centred_pixels": True}, {"order": "act-first"}]
)
def test_the_zoo_hardens(name: str, options: dict[str, object]) -> None:
    net = build(name, width=0.1, **options).eval()
    hard = harden(net, example(name))
    x = torch.rand_like(example(name, batch=3))
    activations = []
    for module in hard.modules():
        if isinstance(module, Step):
            module.register_forward_hook(lambda _m, _i, output: activations.append(output))
    hard(x)
    assert activations and all(set(a.unique().tolist()) <= {0.0, 1.0} for a in activations)
    assert not any(isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d) for module in hard.modules())


def test_a_scale_folds_too() -> None:
    net = nn.Sequential(
        nn.Linear(3, 4), Scale(torch.tensor([2.0, -1.0, 0.0, 0.0]), torch.tensor([0.5, 1.0, 1.0, -1.0])),
        BoundedRectifier(4),
    ).double()  # fmt: skip
    hard = harden(net, torch.zeros(1, 3).double())
    x = torch.randn(50, 3, dtype=torch.float64)
    y = net[0](x)
    expected = torch.stack([2 * y[:, 0] + 0.5 >= 0, 1 - y[:, 1] >= 0, y[:, 2] == y[:, 2], y[:, 3] != y[:, 3]], 1)
    assert isinstance(hard[1], nn.Identity)
    assert torch.equal(hard(x), expected.double())


def test_what_rectify_makes_exactly_can_be_hardened() -> None:
    relu = build("cifar10_quick", activation="relu", width=0.2).double().eval()
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    soft = rectify(relu, x[:1], exact=x)
    hard = harden(soft, x[:1])
    steps = {name: module for name, module in hard.named_modules() if isinstance(module, Step)}
    assert list(steps) == ["act1", "act2", "act3", "act4"]
    seen: dict[str, Tensor] = {}
    soft.get_submodule("act1").register_forward_hook(lambda _m, inputs, _o: seen.update(y=inputs[0]))
    steps["act1"].register_forward_hook(lambda _m, _i, output: seen.update(bits=output))
    soft(x), hard(x)
    assert torch.equal(seen["bits"], (seen["y"] >= 0).double())


def test_recalibration_that_fails_leaves_modes_and_momenta_as_they_were() -> None:
    def broken() -> Iterator[Tensor]:
        yield torch.randn(4, 3)
        raise OSError("the disk is gone")

    net = nn.Sequential(nn.BatchNorm1d(3, momentum=0.3), nn.Sequential(nn.Dropout()))
    net[1].eval()
    with pytest.raises(OSError, match="gone"):
        estimate_statistics(net, broken())
    assert net[0].momentum == 0.3
    assert [module.training for module in net.modules()] == [True, True, False, False]
