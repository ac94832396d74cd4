"""Exact rectification against the ReLU network itself, in float64."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.measure import clipped_units
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.rectify import rectify
from firebit.nn.scale import Scale

TOLERANCE = 1e-9


def batch_norm(channels: int, kind: type[nn.Module] = nn.BatchNorm2d, affine: bool = True) -> nn.Module:
    norm = kind(channels, affine=affine)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    return norm


class Call(nn.Module):
    """A function as a module with named submodules."""

    def __init__(self, function: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def scales(model: nn.Module) -> list[str]:
    return [name for name, m in model.named_modules() if isinstance(m, Scale)]


def check(net: nn.Module, x: Tensor, visible: int | None = 0, **options: object) -> nn.Module:
    """Both constructions agree with `net`, nothing clips, and `visible` scales are needed."""
    net, x = net.double().eval(), x.double()
    model = rectify(net, x[:2], exact=[x], **options)  # type: ignore[arg-type]
    bounded = rectify(net, x[:2], exact="bound", input_range=(-1.0, 1.0), **options)  # type: ignore[arg-type]
    beyond = (torch.rand_like(x) * 2 - 1).sign()
    with torch.no_grad():
        expected = net(x)
        assert (model(x) - expected).abs().max() < TOLERANCE
        assert torch.equal(model(x).flatten(1).argmax(1), expected.flatten(1).argmax(1))
        assert (bounded(x) - expected).abs().max() < TOLERANCE
        assert (bounded(beyond) - net(beyond)).abs().max() < TOLERANCE
    assert not any(clipped_units(model, [x]).values()) and not any(clipped_units(bounded, [beyond]).values())
    assert all(bool((m.slope > 0).all()) for m in model.modules() if isinstance(m, BoundedRectifier))
    if visible is not None:
        assert len(scales(model)) == len(scales(bounded)) == visible, scales(model)
    return model


def images(channels: int = 3, size: int = 9, n: int = 12) -> Tensor:
    return torch.rand(n, channels, size, size) * 2 - 1


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_slope_and_bias_are_those_of_the_construction() -> None:
    net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[2.0], [-1.0]]))
        net[0].bias.copy_(torch.tensor([1.0, -5.0]))
        net[2].weight.copy_(torch.tensor([[3.0, 7.0]]))
        net[2].bias.fill_(0.25)
    model = rectify(net, torch.zeros(1, 1).double(), exact=torch.tensor([[0.5], [1.5]]), margin=0.0)
    # Channel 0 reaches M = 2·1.5 + 1 = 4; channel 1 never fires, so that M = 1.
    assert model.get_submodule("1").slope.tolist() == [0.25, 1.0]
    assert model.get_submodule("0").bias.tolist() == [-1.0, -5.5]
    assert model.get_submodule("2").weight.tolist() == [[12.0, 7.0]]
    assert model.get_submodule("2").bias.tolist() == [0.25]
    over = torch.tensor([[2.5]], dtype=torch.float64)
    assert clipped_units(model, [over, (over - 2, 1)]) == {"1": 1}


def test_the_printed_recipe_gives_a_linear_network() -> None:
    first, second = nn.Linear(4, 8).double(), nn.Linear(8, 3).double()
    x = torch.randn(200, 4).double()
    with torch.no_grad():
        z = first(x)
        m = z.abs().max()
        f = (z / (2 * m) + 0.5).clamp(0, 1)
        printed = F.linear(f, 2 * m * second.weight, second.bias - m * second.weight.sum(1))
        assert (printed - second(z)).abs().max() < TOLERANCE
        assert (printed - second(z.relu())).abs().max() > 0.1
    net = nn.Sequential(first, nn.ReLU(), second)
    assert (rectify(net, x, exact=x)(x) - second(z.relu())).abs().max() < TOLERANCE


def test_lenet_like() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3), nn.MaxPool2d(2, 2, 1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(6, 5, 3, padding=1, bias=False), nn.ReLU(), nn.AvgPool2d(3, 2, 1, ceil_mode=True)),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(45, 10), nn.ReLU(), nn.Dropout(), nn.Linear(10, 4)),
    )
    check(net, images())


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_before_and_behind(affine: bool) -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, bias=False), batch_norm(6, affine=affine), nn.ReLU()),
        *(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.MaxPool2d(2), batch_norm(4, affine=affine), nn.Conv2d(4, 2, 2)),
    )
    check(net, images())


def test_batch_norm_before_is_exact_in_training_too() -> None:
    net = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3)).double()
    x = torch.randn(32, 4).double()
    model = rectify(net, x, exact=x, margin=5.0)
    assert (model(x) - net(x)).abs().max() < TOLERANCE


def test_batch_norm_of_the_batch_itself_gets_a_visible_scale() -> None:
    norm = nn.BatchNorm1d(6, track_running_stats=False)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), norm, nn.Linear(6, 3)).double().eval()
    x = torch.randn(32, 4).double()
    model = rectify(net, x, exact=x)
    assert scales(model) == ["1_scale"]
    assert (model(x) - net(x)).abs().max() < TOLERANCE


def test_relu6_needs_no_data() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU6(), nn.Linear(8, 3)).double()
    nn.init.normal_(net[0].weight, std=20)
    x = torch.randn(64, 4).double()
    for exact in (iter(()), "bound"):
        model = rectify(net, x, exact=exact)
        assert torch.equal(model.get_submodule("1").slope, torch.full((8,), 6.0).double().reciprocal())
        assert (model(x) - net(x)).abs().max() < TOLERANCE
        assert clipped_units(model, [x]) == {}


def test_shared_relu_reused_layers_and_tied_weights() -> None:
    def function(net: nn.Module, x: Tensor) -> Tensor:
        x = net.act(net.stem(x))
        x = net.act(net.conv(x))
        x = net.act(net.conv(x))
        x = net.act(net.tied(x))
        return net.head(x)

    conv, tied = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3)
    tied.weight = conv.weight
    net = Call(function, stem=nn.Conv2d(3, 4, 3), act=nn.ReLU(), conv=conv, tied=tied, head=nn.Conv2d(4, 2, 1))
    model = check(net, images())
    assert [n for n, m in model.named_modules() if isinstance(m, BoundedRectifier)] == [
        *("act", "act_1", "act_2", "act_3")
    ]


def test_weights_read_by_a_function_are_left_alone() -> None:
    def function(net: nn.Module, x: Tensor) -> Tensor:
        x = F.relu(net.fc(x))
        return F.relu(F.linear(x, net.fc.weight, net.fc.bias)) + net.fc(x)

    check(Call(function, fc=nn.Linear(4, 4)), torch.rand(9, 4) * 2 - 1, visible=None)


def test_dead_huge_and_small_channels() -> None:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 2, 3))
    with torch.no_grad():
        net[0].weight[0] = 0
        net[0].bias[0] = -3
        net[0].weight[1] *= 1e4
        net[2].weight[:, 1] *= 1e-4
        net[0].weight[2] *= 1e-7
        net[0].bias[2] = 0
        net[0].weight[3] = 0
        net[0].bias[3] = 0
    model = check(net, images())
    assert model.get_submodule("1").slope[0] == 1 and model.get_submodule("1").slope[3] == 1


def test_grouped_and_depthwise() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 12, 3, groups=6), nn.ReLU()),
        *(nn.Conv2d(12, 8, 3, groups=4), nn.ReLU(), nn.Conv2d(8, 2, 1)),
    )
    check(net, images())


@pytest.mark.parametrize("groups", [1, 2])
def test_transposed_convolution(groups: int) -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.ConvTranspose2d(4, 6, 2, 2, groups=groups), nn.ReLU()),
        nn.ConvTranspose2d(6, 2, 2),
    )
    check(net, images())


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate"])
def test_padding_modes(mode: str) -> None:
    first = nn.Conv2d(3, 4, 3, padding=1, padding_mode=mode)
    net = nn.Sequential(first, nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1, padding_mode=mode))
    check(net, images())


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = batch_norm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = batch_norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x
        return self.relu(out)


def test_residual_blocks_have_one_visible_scale_per_identity() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), Residual(4), Residual(4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    model = check(net, images(), visible=2)
    assert set(scales(model)) == {"1_scale", "2.relu_1_scale"}


def test_inception_block() -> None:
    def function(net: nn.Module, x: Tensor) -> Tensor:
        x = F.relu(net.stem(x))
        parts = [F.relu(net.a(x)), F.relu(net.b(x)), net.c(x), F.max_pool2d(x, 3, 1, 1)]
        return net.head(F.dropout(torch.cat(parts, 1), training=net.training))

    modules = {
        "stem": nn.Conv2d(3, 4, 3),
        "a": nn.Conv2d(4, 2, 1),
        "b": nn.Conv2d(4, 3, 3, padding=1),
        "c": nn.Conv2d(4, 2, 1),
        "head": nn.Conv2d(11, 2, 2),
    }
    check(Call(function, **modules), images())


def test_vectors_sequences_and_volumes() -> None:
    check(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), torch.rand(9, 3) * 2 - 1)
    sequence = nn.Sequential(
        *(nn.Conv1d(3, 4, 3), batch_norm(4, nn.BatchNorm1d), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 2, 2)),
    )
    check(sequence, torch.rand(9, 3, 9) * 2 - 1)
    volume = nn.Sequential(nn.Conv3d(2, 3, 2), nn.ReLU(), nn.AvgPool3d(2), nn.Conv3d(3, 2, 1))
    check(volume, torch.rand(4, 2, 5, 5, 5) * 2 - 1)
    tokens = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    check(tokens, torch.rand(4, 6, 3) * 2 - 1, dim=-1)


def test_channels_of_another_dimension_than_the_layer_are_exact_with_scales() -> None:
    check(nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)), torch.rand(4, 6, 3) * 2 - 1, visible=2)


def test_channels_last() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3)).to(memory_format=torch.channels_last)
    model = check(net, images().to(memory_format=torch.channels_last))
    assert model.get_submodule("2").weight.is_contiguous(memory_format=torch.channels_last)


def test_centred_layers() -> None:
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), CentredConv2d(4, 4, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), CentredLinear(196, 5), nn.ReLU(), CentredLinear(5, 2)),
    )
    check(net, images())


def test_only_some_activations() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    model = check(net, torch.rand(9, 3) * 2 - 1, include="1")
    assert isinstance(model.get_submodule("3"), nn.ReLU)


def test_parametrised_weights_keep_their_meaning() -> None:
    norm = nn.utils.parametrizations.weight_norm
    net = nn.Sequential(norm(nn.Linear(3, 5)), nn.ReLU(), norm(nn.Linear(5, 2))).double()
    x = torch.rand(9, 3).double()
    model = rectify(net, x, exact=x)
    assert sorted(scales(model)) == ["1_scale", "1_shift"]
    assert (model(x) - net(x)).abs().max() < TOLERANCE


def test_frozen_parameters_stay_frozen_and_others_learn() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
    net[0].requires_grad_(False)
    model = rectify(net, torch.zeros(1, 3), exact=torch.rand(9, 3))
    learns = {name: p.requires_grad for name, p in model.named_parameters()}
    assert learns == {"0.weight": False, "0.bias": False, "1.slope": True, "2.weight": True, "2.bias": True}


def test_float32_stays_float32_and_close() -> None:
    net, x = nn.Sequential(nn.Linear(3, 50), nn.ReLU(), nn.Linear(50, 2)), torch.rand(9, 3)
    model = rectify(net, x, exact=x)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    torch.testing.assert_close(model(x), net(x), rtol=1e-5, atol=1e-6)


@st.composite
def networks(draw: st.DrawFn) -> nn.Sequential:
    torch.manual_seed(draw(st.integers(0, 2**16)))
    layers: list[nn.Module] = []
    channels = 2
    for _ in range(draw(st.integers(1, 3))):
        groups = draw(st.sampled_from([1, 2]))
        width = 2 * draw(st.integers(1, 3))
        layers.append(nn.Conv2d(channels, width, 3, padding=1, groups=groups, bias=draw(st.booleans())))
        middle = [
            *(nn.Identity(), batch_norm(width), nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(2, 1), nn.Dropout()),
            *(nn.AvgPool2d(3, 1, 1), Residual(width)),
        ]
        layers += draw(st.lists(st.sampled_from(middle), max_size=2, unique=True))
        layers.append(draw(st.sampled_from([nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()])))
        layers += draw(st.lists(st.sampled_from(middle), max_size=2, unique=True).map(copy.deepcopy))
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3))


@settings(max_examples=15, deadline=None)
@given(net=networks())
def test_random_networks_keep_their_function(net: nn.Sequential) -> None:
    net.double()
    x = images(2, 7, 6).double()
    net.eval()(x)
    check(net, x, visible=None)
