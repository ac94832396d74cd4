"""ResNet-18 against the paper's table, counted by hand; what its blocks compute; compiled without loss."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from firebit import zoo
from firebit.compiler.agreement import agreement
from firebit.compiler.compile import compile_with_report
from firebit.nn import Step, harden, snap, summary
from firebit.nn.growth import rectifiers
from firebit.zoo.block import NetOptions, NormedOptions
from firebit.zoo.resnet18 import Block

# Per stage: channels in, channels out, cells a side.
STAGES = ((64, 64, 56), (64, 128, 28), (128, 256, 14), (256, 512, 7))


def weights(before: int, after: int) -> int:
    projection = before * after if before != after else 0
    return 9 * before * after + 3 * 9 * after * after + projection


WEIGHTS = 49 * 3 * 64 + sum(weights(before, after) for before, after, _ in STAGES) + 512 * 1000 + 1000
MACS = 49 * 3 * 64 * 112**2 + sum(weights(b, a) * side**2 for b, a, side in STAGES) + 512 * 1000


def test_parameters_and_work_are_those_of_the_paper() -> None:
    channels = 64 + sum(4 * after for _, after, _ in STAGES)
    projected = 128 + 256 + 512
    assert WEIGHTS + 2 * (channels + projected) == 11_689_512  # what everyone's ResNet-18 has
    assert MACS == 1_814_073_344
    relu = zoo.build("resnet18", activation="relu")
    assert sum(parameter.numel() for parameter in relu.parameters()) == 11_689_512
    net = zoo.build("resnet18")
    # A slope in place of a scale; a projection has no batch norm of its own.
    assert sum(p.numel() for p in net.parameters() if p.requires_grad) == WEIGHTS + 2 * channels
    costs = summary(net, zoo.example("resnet18"))
    assert sum(costs.macs.values()) == MACS
    # Every value that is kept, but for the means over the last map, becomes a bit.
    assert [layer.output for layer in costs.hidden][:4] == [(64, 56, 56)] * 4


def test_layers_in_order() -> None:
    net = zoo.build("resnet18", width=0.05, dropout=0.1)
    assert [name for name, _ in net.named_children()] == [
        *("conv1", "pool1", "norm1", "act1", "stage1", "stage2", "stage3", "stage4", "mean", "flatten", "drop", "fc"),
    ]
    expected = ["act1", *(f"stage{s}.{b}.act{a}" for s in range(1, 5) for b in (0, 1) for a in (1, 2))]
    assert list(rectifiers(net)) == expected
    assert list(rectifiers(zoo.build("resnet18", width=0.05, rectified="last"))) == ["stage4.1.act2"]
    assert "bias" not in dict(net.stage2[0].conv1.named_parameters())  # type: ignore[index, union-attr]


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


@pytest.mark.parametrize(
    "options", [{}, pytest.param({"batch_norm": False, "centred": True, "order": "act-first"}, marks=pytest.mark.slow)]
)
def test_plans_compute_what_torch_computes_and_keep_bits_only(options: dict[str, object]) -> None:
    torch.manual_seed(0)
    net = zoo.build("resnet18", width=0.06, classes=7, **options).double()
    pictures = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    example = pictures.double() / 255
    net(example)
    hard = harden(snap(net.eval(), example), example)
    plan, report = compile_with_report(hard, example)
    # Also those of projections, which share a grid with what they are added to.
    assert all(change.largest == 0 for change in report.changes)
    found = agreement(hard, plan, pictures.numpy())
    assert (found.bits_differ, found.predictions_differ) == (0, 0)
    assert sum(isinstance(module, Step) for module in hard.modules()) == len(plan.layers) == 17
    *hidden, last = (plan.values[layer.name] for layer in plan.layers)
    assert all(value.largest == 1 for value in hidden)
    # Means over 2 × 2 bits.
    assert (last.largest, last.shape) == (4, (31, 1, 1))
