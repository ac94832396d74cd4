import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from firebit.zoo.efficientnet_lite import SCALINGS, ConvNorm, EfficientNetLite, InvertedResidual, same


@given(st.integers(1, 300), st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 2, 3]))
def test_same_padding_gives_the_size_over_the_stride_rounded_up(size: int, kernel: int, stride: int) -> None:
    before, after = same(size, kernel, stride)
    assert 0 <= after - before <= 1
    assert (size + before + after - kernel) // stride + 1 == -(-size // stride)


def test_same_padding_puts_the_odd_cell_behind() -> None:
    assert (same(224, 3, 2), same(224, 5, 2), same(15, 3, 2), same(9, 5, 1)) == ((0, 1), (1, 2), (1, 1), (2, 2))


@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_padded_with_zeros(stride: int) -> None:
    torch.manual_seed(0)
    layer = ConvNorm(2, 3, 5, stride=stride, activated=False).eval()
    x = torch.randn(1, 2, 8, 8)
    before, after = same(8, 5, stride)
    expected = F.conv2d(F.pad(x, (before, after, before, after)), layer.conv.weight, stride=stride)
    torch.testing.assert_close(layer(x), expected / (1 + 1e-3) ** 0.5)


def test_a_block_adds_its_input_where_shapes_allow() -> None:
    assert InvertedResidual(8, 8, 3, 1, 6).is_added
    assert not InvertedResidual(8, 16, 3, 1, 6).is_added
    assert not InvertedResidual(8, 8, 3, 2, 6).is_added
    block = InvertedResidual(4, 4, 3, 1, 2).eval()
    torch.nn.init.zeros_(block.project.conv.weight)
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(block(x), x)


# Weights without the classifier's 1,281,000: published are 4.7, 5.4 and 6.1 million with it.
@pytest.mark.parametrize(
    ("name", "weights", "blocks"),
    [
        ("efficientnet_lite0", 3_371_008, 16),
        ("efficientnet_lite1", 4_135_680, 21),
        ("efficientnet_lite2", 4_811_072, 21),
    ],
)
def test_the_family_has_the_published_size(name: str, weights: int, blocks: int) -> None:
    with torch.device("meta"):
        net = EfficientNetLite(SCALINGS[name])
    assert len(net.blocks) == blocks
    assert sum(parameter.numel() for parameter in net.parameters()) == weights


def test_features_are_means_of_values_from_0_to_6() -> None:
    torch.manual_seed(0)
    net = EfficientNetLite(SCALINGS["efficientnet_lite0"]).eval()
    with torch.inference_mode():
        found = net(10 * torch.randn(2, 3, 32, 48))
    assert found.shape == (2, 1280)
    assert found.min() >= 0
    assert found.max() <= 6
