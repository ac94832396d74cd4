"""What residual blocks compute, of bits and of real numbers, and how stages are made of them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from firebit.nn.rectifier import BoundedRectifier
from firebit.zoo.block import NetOptions, NormedOptions
from firebit.zoo.residual import Block, stages


def test_a_block_of_bits_adds_its_input_before_batch_norm_and_threshold() -> None:
    torch.manual_seed(0)
    block = Block(2, 2, 1, NormedOptions(), NormedOptions()).double().eval()
    block.norm2.running_mean.fill_(0.3)  # type: ignore[union-attr, operator]
    x = torch.randint(0, 2, (3, 2, 5, 5)).double()
    hidden = block.act1(block.norm1(F.conv2d(x, block.conv1.weight, padding=1)))
    sums = F.conv2d(hidden, block.conv2.weight, padding=1) + x
    scale = (1 + 1e-5) ** -0.5
    torch.testing.assert_close(block(x), block.act2((sums - 0.3) * scale), atol=1e-12, rtol=0)


def test_a_block_of_relus_normalises_each_branch_as_the_paper_does() -> None:
    torch.manual_seed(0)
    options = NormedOptions(activation="relu")
    block = Block(2, 4, 2, options, options).double().eval()
    for norm in (block.norm2, block.shortcut.norm):
        nn.init.constant_(norm.running_mean, 0.2)  # type: ignore[arg-type, union-attr]
    x = torch.rand(3, 2, 6, 6, dtype=torch.float64)
    scale = (1 + 1e-5) ** -0.5
    hidden = F.relu(F.conv2d(x, block.conv1.weight, stride=2, padding=1) * scale)
    branch = (F.conv2d(hidden, block.conv2.weight, padding=1) - 0.2) * scale
    beside = (F.conv2d(x, block.shortcut.conv.weight, stride=2) - 0.2) * scale  # type: ignore[union-attr, arg-type]
    torch.testing.assert_close(block(x), F.relu(branch + beside), atol=1e-12, rtol=0)


def test_without_batch_norm_convolutions_have_biases_and_projections_none() -> None:
    block = Block(2, 4, 2, NetOptions(), NetOptions())
    assert {name for name, _ in block.named_parameters() if name.endswith("bias")} == {"conv1.bias", "conv2.bias"}


@pytest.mark.parametrize("rectified", ["all", "last"])
def test_stages_halve_their_maps_but_for_the_first_and_end_in_the_last_activation(rectified: str) -> None:
    chain = nn.Sequential(*(stage for _, stage in stages((2, 3, 5), 2, NormedOptions(rectified=rectified))))
    shapes = []
    x = torch.rand(2, 2, 8, 8)
    for stage in chain:
        x = stage(x)
        shapes.append(tuple(x.shape))
    assert shapes == [(2, 2, 8, 8), (2, 3, 4, 4), (2, 5, 2, 2)]
    kinds = [isinstance(module, BoundedRectifier) for name, module in chain.named_modules() if "act" in name]
    assert kinds == [rectified == "all"] * 11 + [True]
