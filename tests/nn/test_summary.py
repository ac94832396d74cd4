"""Bits, bytes and multiply-accumulates of small networks against arithmetic done by hand."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.nn.centre import CentredConv2d, CentredLinear
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.summary import LayerSummary, Summary, summary


def step(channels: int) -> Step:
    return Step(torch.zeros(channels), torch.ones(channels))


def row(result: Summary, name: str) -> LayerSummary:
    (found,) = [layer for layer in result.layers if layer.name == name]
    return found


def conv_net(activation: type[nn.Module] = BoundedRectifier) -> nn.Sequential:
    """2×9×7 → conv 3×3 / 2, padding 1: 4×5×4 → act → max 2, ceil: 4×3×2 → conv 3×1 in 2 groups: 6×1×2 → act → 5."""

    def act(channels: int) -> nn.Module:
        if activation is nn.ReLU:
            return nn.ReLU()
        return step(channels) if activation is Step else BoundedRectifier(channels)

    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        act(4),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(4, 6, (3, 1), groups=2, bias=False),
        nn.BatchNorm2d(6),
        act(6),
        nn.Flatten(),
        nn.Linear(12, 5),
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_a_conv_net_with_padding_stride_and_groups(batch: int) -> None:
    result = summary(conv_net(), torch.rand(batch, 2, 9, 7))
    assert [(layer.name, layer.kind, layer.output) for layer in result.layers] == [
        ("0", "conv", (4, 5, 4)),
        ("1", "rectifier", (4, 5, 4)),
        ("2", "max pool", (4, 3, 2)),
        ("3", "conv", (6, 1, 2)),
        ("4", "batch norm", (6, 1, 2)),
        ("5", "rectifier", (6, 1, 2)),
        ("7", "linear", (5,)),
    ]
    assert result.input == (2, 9, 7)
    # 4 channels × 20 positions × (2 × 3 × 3); 6 × 2 × (2 of the group × 3 × 1); 12 × 5.
    assert result.layers[0].macs == {"pixel × real": 1440}
    assert result.layers[3].macs == {"real × real": 72}
    assert result.layers[3].hardened_macs == {"bit × real": 72}
    assert result.macs == {"pixel × real": 1440, "real × real": 72 + 60}
    assert result.hardened_macs == {"pixel × real": 1440, "bit × real": 72 + 60}


def test_parameters_and_weight_bytes() -> None:
    result = summary(conv_net(), torch.rand(1, 2, 9, 7))
    counts = [4 * 2 * 9 + 4, 4, 0, 6 * 2 * 3, 12, 6, 12 * 5 + 5]
    assert [layer.parameters for layer in result.layers] == counts
    assert [layer.weight_bytes for layer in result.layers] == [4 * count for count in counts]
    assert [layer.weight_bits for layer in result.layers] == [32, 0, 0, 32, 0, 0, 32]
    assert result.parameters == sum(counts)
    assert result.weight_bytes == result.float_weight_bytes == 4 * sum(counts)


def test_hidden_activations_are_what_the_next_weights_read() -> None:
    result = summary(conv_net(), torch.rand(1, 2, 9, 7))
    # 4×3×2 after max pooling and 6×1×2: 24 and 12 values.
    assert [layer.name for layer in result.hidden] == ["2", "5"]
    assert (result.hidden_units, result.hidden_bits) == (36, 36 * 32)
    assert (result.activation_bytes, result.hardened_bytes) == (36 * 4, 24 // 8 + 2)
    assert result.relu_bytes == 36 * 4
    assert (result.peak_bytes, result.hardened_peak_bytes) == (24 * 4, 3)
    assert result.activation_saving == 144 / 5
    assert (row(result, "1").activation_bytes, row(result, "1").hardened_bytes) == (80 * 4, 80 // 8)


def test_a_hardened_net_has_bits_now() -> None:
    result = summary(conv_net(Step), torch.rand(1, 2, 9, 7))
    assert [(layer.kind, layer.bits) for layer in result.layers] == [
        ("conv", 32),
        ("step", 1),
        ("max pool", 1),
        ("conv", 32),
        ("batch norm", 32),
        ("step", 1),
        ("linear", 32),
    ]
    assert all(layer.bits == layer.hardened_bits and layer.macs == layer.hardened_macs for layer in result.layers)
    assert result.macs == {"pixel × real": 1440, "bit × real": 132}
    assert (result.hidden_units, result.hidden_bits, result.activation_bytes) == (36, 36, 5)


def test_a_relu_net_stays_real() -> None:
    result = summary(conv_net(nn.ReLU), torch.rand(1, 2, 9, 7))
    assert result.hardened_macs == {"pixel × real": 1440, "real × real": 132}
    assert result.activation_bytes == result.hardened_bytes == result.relu_bytes == 144
    assert result.activation_saving == 1
    assert row(result, "1").kind == "relu"


@pytest.mark.parametrize(
    ("layer", "channels", "shape"),
    [
        (nn.Linear(5, 4), 0, (1, 5)),
        (nn.Conv2d(5, 4, 3), 0, (1, 5, 6, 6)),
        (nn.ConvTranspose2d(5, 4, 3), 1, (1, 5, 6, 6)),
    ],
)
def test_weights_of_one_size_per_output_channel_have_one_bit(
    layer: nn.Linear | nn.Conv2d, channels: int, shape: tuple[int, ...]
) -> None:
    """Each is ±1 times a scale of its channel; where they differ within a channel, or are 0, they are real."""
    signs, size = torch.where(layer.weight < 0, -1.0, 1.0), layer.weight.numel()
    scales = torch.arange(1.0, 5).view(*(4 if dim == channels else 1 for dim in range(signs.dim())))
    layer.weight.data = signs * scales
    (found,) = summary(layer, torch.zeros(shape)).layers
    assert (found.weight_bits, found.weight_bytes) == (1, math.ceil((size + 4 * 32) / 8))
    for other in (signs * torch.arange(1.0, 6).view(*(5 if n == 5 else 1 for n in signs.shape)), signs * scales * 0):
        layer.weight.data = other
        (found,) = summary(layer, torch.zeros(shape)).layers
        assert (found.weight_bits, found.weight_bytes) == (32, (size + 4) * 4)


def test_a_linear_net_with_sign_weights() -> None:
    net = nn.Sequential(nn.Linear(10, 9), BoundedRectifier(9), nn.Linear(9, 3))
    net[2].weight.data = torch.where(torch.rand(3, 9) < 0.5, -1.0, 1.0)
    result = summary(net, torch.rand(2, 10))
    assert result.macs == {"pixel × real": 90, "real × ±1": 27}
    assert result.hardened_macs == {"pixel × real": 90, "bit × ±1": 27}
    last = row(result, "2")
    # 27 weights of one bit and 3 biases of 32: 123 bits.
    assert (last.weight_bits, last.parameters, last.weight_bytes) == (1, 30, 16)
    net[2].weight.data *= 0.5
    assert row(summary(net, torch.rand(2, 10)), "2").weight_bits == 1
    net[2].weight.data[1, 3] *= 0.5
    assert row(summary(net, torch.rand(2, 10)), "2").weight_bits == 32


def test_a_row_of_features_per_position() -> None:
    net = nn.Sequential(nn.Linear(4, 6, bias=False), BoundedRectifier(6, dim=-1), nn.Linear(6, 2))
    result = summary(net, torch.rand(2, 5, 4))
    assert row(result, "0").output == (5, 6)
    assert result.hardened_macs == {"pixel × real": 5 * 4 * 6, "bit × real": 5 * 6 * 2}


def test_average_pooling_makes_counts_of_bits() -> None:
    net = nn.Sequential(step(1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(4, 3))
    result = summary(net, torch.rand(1, 1, 4, 4))
    assert [(layer.kind, layer.bits, layer.kept) for layer in result.layers] == [
        ("step", 1, False),
        ("average pool", 32, True),
        ("linear", 32, False),
    ]
    assert result.macs == {"real × real": 12}


class Moved(nn.Module):
    """Bits through everything that only moves them."""

    def __init__(self) -> None:
        super().__init__()
        self.fire = step(4)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(4 * 5 * 5, 2)

    def forward(self, x: Tensor) -> Tensor:
        bits = F.dropout(self.drop(self.fire(x)), training=self.training)
        bits = torch.cat(bits.flip(1).chunk(2, dim=1), dim=1).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        bits = F.max_pool2d(F.pad(bits, (1, 1, 1, 1), value=1.0), 2, stride=1)
        return self.last(bits.reshape(len(x), -1))


def test_moving_selecting_and_padding_keep_bits() -> None:
    result = summary(Moved(), torch.rand(2, 4, 4, 4))
    assert result.macs == {"bit × real": 200}
    assert [layer.name for layer in result.layers] == ["fire", "max_pool", "last"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda bits: bits - 0.5,
        lambda bits: bits + bits,
        lambda bits: F.avg_pool2d(bits, 1),
        lambda bits: F.pad(bits, (1, -1), value=0.5),
        lambda bits: torch.cat([bits[:, :3], torch.full((2, 1, 4, 4), 0.5)], 1),
        lambda bits: bits.sigmoid(),
    ],
)
def test_arithmetic_does_not_keep_bits(spoil: object) -> None:
    class Spoiled(Moved):
        def forward(self, x: Tensor) -> Tensor:
            return self.last(F.pad(spoil(self.fire(x)), (0, 1, 0, 1)).flatten(1))  # type: ignore[operator]

    assert summary(Spoiled(), torch.rand(2, 4, 4, 4)).macs == {"real × real": 200}


class Functional(nn.Module):
    """No torch.fx trace: the flow depends on a value; activations, pooling and weights are function calls."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.rand(3, 1, 3, 3))
        self.matrix = nn.Parameter(torch.rand(2, 3 * 2 * 2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.kernel)
        y = F.relu(y) if y.sum() > 0 else (y >= 0).float()
        return F.linear(F.max_pool2d(y, 2).flatten(1), self.matrix)


def test_functional_and_untraceable_networks() -> None:
    result = summary(Functional(), torch.ones(1, 1, 6, 6))
    assert [(layer.name, layer.kind, layer.parameters) for layer in result.layers] == [
        ("conv", "conv", 27),
        ("relu", "relu", 0),
        ("max_pool", "max pool", 0),
        ("linear", "linear", 24),
    ]
    assert result.macs == {"pixel × real": 3 * 16 * 9, "real × real": 24}


def test_a_comparison_gives_bits() -> None:
    result = summary(Functional(), -torch.ones(1, 1, 6, 6))
    assert result.macs == {"pixel × real": 3 * 16 * 9, "bit × real": 24}


class Block(nn.Module):
    """The shortcut adds the block's input bits, or their projection, before the rectifier."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, outputs, 3, padding=1, bias=False)
        self.act1 = step(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.project = nn.Conv2d(channels, outputs, 1, bias=False) if channels != outputs else nn.Identity()
        self.act2 = step(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.act2(self.conv2(self.act1(self.conv1(x))) + self.project(x))


def test_a_residual_sum_is_real_and_bits_leave_the_block() -> None:
    net = nn.Sequential(step(2), Block(2, 2), Block(2, 4), nn.Flatten(), nn.Linear(36, 2))
    result = summary(net, torch.rand(1, 2, 3, 3))
    assert (row(result, "1.sum").kind, row(result, "1.sum").bits) == ("sum", 32)
    assert row(result, "2.project").macs == {"bit × real": 9 * 2 * 4}
    assert [(layer.name, layer.bits) for layer in result.hidden] == [
        ("0", 1),
        ("1.act1", 1),
        ("1.act2", 1),
        ("2.act1", 1),
        ("2.act2", 1),
    ]
    assert result.macs == {"bit × real": 9 * 9 * (2 * 2 + 2 * 2 + 2 * 4 + 4 * 4) + 72 + 72}


class RealStream(nn.Module):
    """A real-valued shortcut around a binary convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 1)
        self.act = step(2)
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        stream = self.first(x)
        return stream + self.conv(self.act(stream))


def test_a_real_stream_beside_bits_is_not_hidden_from_the_sum() -> None:
    result = summary(RealStream(), torch.rand(1, 1, 2, 2))
    assert [(layer.name, layer.bits) for layer in result.hidden] == [("first", 32), ("act", 1)]
    assert result.activation_bytes == 8 * 4 + 1


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


def test_a_shared_layer_has_a_row_per_call_and_its_weights_once() -> None:
    result = summary(Shared(), torch.rand(1, 3))
    assert [(layer.name, layer.parameters) for layer in result.layers] == [("layer", 12), ("layer (2)", 0)]
    assert result.weight_bytes == 48
    assert result.macs == {"pixel × real": 9, "real × real": 9}


def test_centred_layers_cost_what_plain_ones_do() -> None:
    net = nn.Sequential(CentredConv2d(1, 2, 2), BoundedRectifier(2), nn.Flatten(), CentredLinear(8, 3))
    result = summary(net, torch.rand(1, 1, 3, 3))
    assert [(layer.name, layer.kind, layer.parameters) for layer in result.layers] == [
        ("0", "conv", 10),
        ("1", "rectifier", 2),
        ("3", "linear", 27),
    ]
    assert result.hardened_macs == {"pixel × real": 4 * 4 * 2, "bit × real": 24}


def test_parametrized_weights_count_as_what_is_multiplied() -> None:
    class Sign(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return torch.where(weight < 0, -1.0, 1.0)

    net = nn.Sequential(step(8), nn.Linear(8, 4, bias=False))
    torch.nn.utils.parametrize.register_parametrization(net[1], "weight", Sign())
    last = row(summary(net, torch.rand(1, 8)), "1")
    assert (last.parameters, last.weight_bits, last.weight_bytes) == (32, 1, 4)
    assert last.macs == {"bit × ±1": 32}


def test_pixels_may_be_scaled_or_normalised() -> None:
    class Normalised(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.full((1, 3, 1, 1), 0.4))
            self.first = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.first((x.float() / 255 - self.mean) / 0.2)

    assert summary(Normalised(), torch.zeros(1, 3, 2, 2, dtype=torch.uint8)).macs == {"pixel × real": 24}


def test_layers_known_only_by_their_parameters_have_a_row() -> None:
    result = summary(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 2)), torch.rand(1, 4))
    assert [(layer.name, layer.kind, layer.parameters) for layer in result.layers] == [
        ("0", "LayerNorm", 8),
        ("1", "linear", 10),
    ]


def test_attention_is_counted_in_evaluation_mode() -> None:
    fused = torch.backends.mha.get_fastpath_enabled()
    result = summary(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), torch.rand(2, 5, 8))
    # Per picture: projections of 5 tokens to q, k, v and out; scores and their use in 2 heads of 4; the two layers.
    attention = 5 * 8 * 8 * 4 + 2 * (2 * 5 * 5 * 4)
    assert sum(result.macs.values()) == attention + 2 * 5 * 8 * 16
    assert result.parameters == 4 * (64 + 8) + (8 * 16 + 16) + (16 * 8 + 8) + 4 * 8
    assert torch.backends.mha.get_fastpath_enabled() == fused


def test_the_model_is_left_as_it_was() -> None:
    net = conv_net().train()
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    summary(net, torch.rand(2, 2, 9, 7))
    assert [module.training for module in net] == [True, False, *[True] * 6]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_bad_examples_are_refused() -> None:
    with pytest.raises(UsageError, match="no batch"):
        summary(conv_net(), torch.rand(0, 2, 9, 7))
    with pytest.raises(UsageError, match="no batch"):
        summary(conv_net(), torch.tensor(1.0))
    with pytest.raises(UsageError, match=r"does not run on an example of shape \(1, 3, 9, 7\)") as error:
        summary(conv_net(), torch.rand(1, 3, 9, 7))
    assert "\n" not in error.value.problem


def test_the_record_is_json_and_the_text_has_every_layer() -> None:
    result = summary(conv_net(), torch.rand(1, 2, 9, 7))
    record = json.loads(json.dumps(result.to_dict()))
    assert record["hidden_bits"] == 36 * 32
    assert record["layers"][1]["output"] == [4, 5, 4]
    assert record["layers"][2]["hardened_bytes"] == math.ceil(24 / 8)
    lines = str(result).splitlines()
    (pool,) = [line for line in lines if "max pool" in line]
    assert [cell.strip() for cell in pool.split("│")[1:-1]] == [
        *("2", "max pool", "4×3×2", "32 → 1", "", "", "96 B → 3 B", ""),
    ]
