"""Plans of generated networks: every bit and every logit is that of the torch network they came from, in float64.

Weights are drawn on 16-bit grids, so that nothing is lost to snapping and the torch network itself is the measure.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from firebit.compiler.compile import compile_with_report
from firebit.compiler.snapped import SnappedNetwork
from firebit.engine import reference
from firebit.engine.plan import Plan
from firebit.nn.harden import harden
from firebit.nn.rectifier import BoundedRectifier, Step
from firebit.nn.snap import snap

PICTURES = 3


@dataclass(frozen=True)
class Numbers:
    """Where parameters come from: multiples of powers of two, with many ties, or anything."""

    rng: np.random.Generator
    dyadic: bool

    def weights(self, shape: tuple[int, ...], signs: bool) -> Tensor:
        if signs:
            return torch.from_numpy(self.rng.choice([-0.5, 0.5], shape))
        if self.dyadic:
            return torch.from_numpy(self.rng.integers(-4, 5, shape) / 4)
        return torch.from_numpy(self.rng.normal(size=shape))

    def vector(self, count: int, size: float = 2.0) -> Tensor:
        values = self.rng.normal(size=count) * size
        return torch.from_numpy(np.rint(values) if self.dyadic else values)

    def scales(self, count: int) -> Tensor:
        """Also negative ones and zeros."""
        values = self.rng.choice([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0], count)
        return torch.from_numpy(values if self.dyadic else values * self.rng.uniform(0.5, 1.5, count))

    def deviations(self, count: int) -> Tensor:
        return torch.from_numpy(2.0 ** self.rng.integers(-1, 3, count))


def fill(model: nn.Module, numbers: Numbers, signs: bool) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data = numbers.weights(tuple(module.weight.shape), signs)
            if module.bias is not None:
                module.bias.data = numbers.vector(len(module.bias))
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            count = module.num_features
            module.eps = 2.0**-20
            module.weight.data, module.bias.data = numbers.scales(count), numbers.vector(count, 1.0)
            # The root of variance + ε is a power of two.
            module.running_mean = numbers.vector(count, 20.0)
            module.running_var = numbers.deviations(count) ** 2 - module.eps
        if isinstance(module, BoundedRectifier):
            module.slope.data = numbers.scales(module.channels)


class Shortcut(nn.Module):
    """One layer beside nothing, or beside a convolution of 1 × 1."""

    def __init__(self, layer: nn.Module, beside: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.beside = beside

    def forward(self, x: Tensor) -> Tensor:
        sums: Tensor = self.layer(x) + self.beside(x)
        return sums


class Branches(nn.Module):
    """The bits of a layer read twice: as they are, and pooled and brought back to size; joined or added up."""

    def __init__(self, pool: nn.Module, join: bool) -> None:
        super().__init__()
        self.pool = pool
        self.join = join

    def forward(self, x: Tensor) -> Tensor:
        other = self.pool(x)
        return torch.cat([x, other], 1) if self.join else x + other


@st.composite
def border_averages(draw: Any, dyadic: bool, size: tuple[int, int]) -> nn.Module:
    """Averages whose windows cover fewer cells at the border: padded, or in ceil mode on an odd side."""
    kernel = tuple(min(2, side) for side in size)
    odd = any(side % 2 and side > 1 for side in size)
    padding = tuple(k // 2 for k in kernel) if not odd or draw(st.booleans()) else (0, 0)
    divisor = draw(st.sampled_from([None, 4, 8] if dyadic else [None, 3, 7]))
    return nn.AvgPool2d(kernel, kernel, padding, True, draw(st.booleans()), divisor)


@st.composite
def pools(draw: Any, dyadic: bool, size: tuple[int, int]) -> nn.Module:
    if draw(st.integers(0, 2)) == 0:
        return draw(border_averages(dyadic, size))
    kernel = (draw(st.integers(1, min(3, size[0]))), draw(st.integers(1, min(3, size[1]))))
    stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    padding = (draw(st.integers(0, kernel[0] // 2)), draw(st.integers(0, kernel[1] // 2)))
    ceil = draw(st.booleans())
    if draw(st.booleans()):
        return nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    include = draw(st.booleans())
    if not dyadic:
        divisor = draw(st.sampled_from([None, None, 1, 7, 9]))
        return nn.AvgPool2d(kernel, stride, padding, ceil, include, divisor)
    two = tuple(min(k, 2) for k in kernel)
    half = tuple(min(p, k // 2) for p, k in zip(padding, two, strict=True))
    if draw(st.booleans()):
        return nn.AvgPool2d(two, stride, half, ceil, include, None)
    return nn.AvgPool2d(kernel, stride, padding, ceil, include, draw(st.sampled_from([1, 4, 8])))


@st.composite
def convolutions(draw: Any, channels: int, size: tuple[int, int]) -> nn.Conv2d:
    groups = draw(st.sampled_from([g for g in (1, 1, 2, 3) if channels % g == 0]))
    outputs = groups * draw(st.integers(1, 4 // groups if groups < 4 else 1))
    kernel, dilation, padding = [], [], []
    for side in size:
        pad = draw(st.integers(0, 2))
        k = draw(st.integers(1, min(3, side + 2 * pad)))
        fits = [d for d in (1, 2) if d * (k - 1) + 1 <= side + 2 * pad]
        kernel.append(k)
        padding.append(pad)
        dilation.append(draw(st.sampled_from(fits)))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    bias = draw(st.booleans())
    return nn.Conv2d(channels, outputs, tuple(kernel), stride, tuple(padding), tuple(dilation), groups, bias=bias)


@dataclass
class Spec:
    model: nn.Module
    numbers: Numbers
    shape: tuple[int, int, int]
    encoder: bool
    pixels_as_they_are: bool


@st.composite
def networks(draw: Any) -> Spec:
    """Blocks of convolution, pooling, batch norm, rectifier, pooling; shortcuts, joined maps; a head or none."""
    dyadic = draw(st.booleans())
    numbers = Numbers(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), dyadic)
    shape = (draw(st.integers(1, 3)), draw(st.integers(3, 8)), draw(st.integers(3, 8)))
    layers: list[nn.Module] = []
    seen = torch.zeros(1, *shape)

    def add(layer: nn.Module) -> None:
        nonlocal seen
        with torch.no_grad():
            seen = layer.eval()(seen)
        layers.append(layer)

    def sides() -> tuple[int, int]:
        return (seen.shape[2], seen.shape[3])

    bits = joined = False
    for _ in range(draw(st.sampled_from([2, 1, 3, 0]))):
        conv = draw(convolutions(seen.shape[1], sides()))
        after = conv(seen).shape
        beside = draw(st.sampled_from(["conv", "nothing", "identity"])) if bits else "nothing"
        if beside == "identity" and after == seen.shape:
            add(Shortcut(conv, nn.Identity()))
        elif beside == "conv" and dyadic and after[2:] == seen.shape[2:]:
            add(Shortcut(conv, nn.Conv2d(seen.shape[1], after[1], 1)))
        else:
            add(conv)
        # Sums of several layers, of which a plan pools none but those it has made bits of.
        several = isinstance(layers[-1], Shortcut) or joined
        norm = draw(st.booleans()) and (dyadic or not several)
        if norm and draw(st.booleans()) and not several:
            add(nn.BatchNorm2d(seen.shape[1]))
            norm = False
        if not several and draw(st.booleans()):
            add(draw(pools(dyadic, sides())))
        if norm:
            add(nn.BatchNorm2d(seen.shape[1]))
        add(BoundedRectifier(seen.shape[1]))
        bits = True
        kind = draw(st.sampled_from(["none", "join", "average", "pool", "dropout", "sum"]))
        joined = kind == "join"
        if kind == "pool":
            add(draw(pools(dyadic, sides())))
            bits = isinstance(layers[-1], nn.MaxPool2d)
        elif kind == "average":
            add(draw(border_averages(dyadic, sides())))
            bits = False
        elif kind == "dropout":
            add(nn.Dropout2d())
        elif kind in ("join", "sum"):
            add(Branches(nn.MaxPool2d(3, 1, 1), join=kind == "join"))
            if kind == "sum":
                add(BoundedRectifier(seen.shape[1]))
            bits = kind == "sum"
    if draw(st.booleans()) and isinstance(layers[-1] if layers else None, BoundedRectifier):
        add(nn.AdaptiveAvgPool2d(1) if not dyadic else nn.AvgPool2d(sides(), divisor_override=4))
    add(nn.Flatten())
    if not layers[:-1] or draw(st.booleans()):
        add(nn.Linear(seen.shape[1], draw(st.integers(1, 6))))
        if draw(st.booleans()):
            add(nn.BatchNorm1d(seen.shape[1]))
        add(BoundedRectifier(seen.shape[1]))
    encoder = draw(st.booleans()) and isinstance(layers[-1], BoundedRectifier)
    if not encoder:
        add(nn.Linear(seen.shape[1], draw(st.integers(1, 5)), bias=draw(st.booleans())))
    model = nn.Sequential(*layers).double()
    signs = draw(st.integers(0, 3)) == 0
    fill(model, numbers, signs)
    # Where sums often tie with thresholds, torch must not round: pixels of 0 … 255, not of 0 … 1.
    return Spec(model, numbers, shape, encoder, pixels_as_they_are=dyadic or signs or draw(st.booleans()))


def bits_of(model: nn.Module, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """What every step of a torch network gives, and its output."""
    found: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, output, name=name: found.update({name: output}))
        for name, module in model.named_modules()
        if isinstance(module, Step)
    ]
    with torch.no_grad():
        output = model(x)
    for hook in hooks:
        hook.remove()
    return found, output


def check(spec: Spec) -> Plan:
    example = torch.zeros(1, *spec.shape, dtype=torch.float64)
    model = harden(snap(spec.model, example), example)
    std = 1 / 255 if spec.pixels_as_they_are else 1.0
    plan, report = compile_with_report(model, example, std=std)
    assert [change.largest for change in report.changes] == [0.0] * len(report.changes)
    extremes = spec.numbers.rng.choice([0, 1, 255], (1, *spec.shape))
    pixels = np.concatenate([spec.numbers.rng.integers(0, 256, (PICTURES - 1, *spec.shape)), extremes]).astype(np.uint8)
    x = torch.from_numpy(pixels).double()
    expected, output = bits_of(model, x if spec.pixels_as_they_are else x / 255)
    twin = SnappedNetwork(plan)
    twin_output = twin(torch.from_numpy(pixels)).numpy()
    for state in reference.states(plan, pixels):
        name = state.layer.name
        assert np.array_equal(state.bits, twin.bits[name].numpy()), name
        if name in expected:
            assert np.array_equal(state.bits, expected.pop(name).numpy().reshape(state.bits.shape)), name
    assert not expected, "a step of the network is missing in the plan"
    assert (plan.logits is None) == spec.encoder
    if plan.logits is not None:
        ours = reference.logits(plan, pixels)
        assert np.array_equal(ours, twin_output)
        np.testing.assert_allclose(ours, output.numpy(), rtol=1e-12, atol=1e-10)
    return plan


ANY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}


def shares_of(spec: Spec, plan: Plan) -> dict[str, bool]:
    """What a network and its plan have of all that there is."""
    modules = list(spec.model.modules())
    norms = [m for m in modules if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]
    slopes = [m.slope for m in modules if isinstance(m, BoundedRectifier)]
    terms = [term for made in plan.sums_made for term in made.terms]
    return {
        "several classes of window": any(len(layer.threshold) > 1 for layer in plan.layers),
        "averages of bits at the border": any(
            layer.post is not None and layer.post.kind == "mean" for layer in plan.layers
        ),
        "groups": any(term.groups > 1 for term in terms),
        "shortcuts": any(term.is_shortcut for term in terms if term.source != "input"),
        "shortcuts with weights": any(isinstance(m, Shortcut) and isinstance(m.beside, nn.Conv2d) for m in modules),
        "joined maps": any(isinstance(m, Branches) and m.join for m in modules),
        "added maps": any(isinstance(m, Branches) and not m.join for m in modules),
        "an encoder": spec.encoder,
        "logits": not spec.encoder,
        "weights of one size": any(term.is_sign for term in terms),
        "negative slopes": any(bool((slope < 0).any()) for slope in slopes),
        "slopes of zero": any(bool((slope == 0).any()) for slope in slopes),
        "negative batch norms": any(bool((norm.weight < 0).any()) for norm in norms),
        "batch norms of zero": any(bool((norm.weight == 0).any()) for norm in norms),
        "the largest of sums": any(term.pool is not None and term.pool.kind == "max" for term in terms),
        "the largest of bits": any(layer.post is not None and layer.post.kind == "max" for layer in plan.layers),
        "dilation": any(max(term.dilation) > 1 for term in terms),
        "padding": any(max(term.padding) > 0 for term in terms),
    }


def test_plans_of_generated_networks_are_the_networks() -> None:
    seen: Counter[str] = Counter()

    @given(networks())
    @settings(max_examples=120, **ANY)
    def every_network(spec: Spec) -> None:
        found = shares_of(spec, check(spec))
        seen.update({name: int(there) for name, there in found.items()})

    every_network()
    assert [name for name, times in seen.items() if times == 0] == []


@pytest.mark.slow
@given(networks())
@settings(max_examples=1000, **ANY)
def test_plans_of_a_thousand_generated_networks_are_the_networks(spec: Spec) -> None:
    check(spec)
