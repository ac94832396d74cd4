"""firebit.compile: a hardened network as a plan of integers."""

import copy
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from firebit.compiler.agreement import agreement, rounding
from firebit.compiler.assemble import assemble
from firebit.compiler.call import is_hooked
from firebit.compiler.lower import lower
from firebit.compiler.report import Report
from firebit.compiler.value import Reals, Stored
from firebit.engine.cost import cost
from firebit.engine.plan import INPUT, PRECISIONS, Plan
from firebit.engine.quantise import quantise
from firebit.errors import ModelFileError, UsageError
from firebit.nn.graph import as_inputs
from firebit.nn.trace import trace

Numbers = float | Sequence[float]


def compile(
    model: nn.Module,
    example: Tensor,
    precision: str = "exact",
    *,
    classes: Sequence[str] = (),
    mean: Numbers = 0.0,
    std: Numbers = 1.0,
    report: bool = True,
) -> Plan:
    """Turn a hardened network into a plan: integers that run without torch, and save as one file.

    Weights snap to signed 16-bit grids, one per channel, as fine as they allow; batch norms, slopes, biases, divisors
    of averages and the scaling of the input become integer thresholds and directions. No integer sum can overflow. A
    network that ends in a linear layer gives logits; one that ends in a step is an encoder, whose last bits are codes.

    Understood are convolutions (stride, padding, dilation, groups), linear layers, batch norm, max and average pooling
    before and behind a step, additions, joining of bits along the channels, zero padding, flattening, dropout (as
    identity) and constant factors and shifts per channel, as modules or as functions.

    Args:
        model: a network in which :func:`firebit.nn.harden` has put steps; untouched.
        example: a batch as the model receives it, (N, C, H, W) or (N, F). Where it holds real pictures, the report
            says how many of their bits and predictions snapping changed.
        precision: "exact": all sums are those of 16-bit weights. "fast": large layers have weights of about a byte (see
            :func:`firebit.engine.quantise.quantise`): up to twice as quick, half as large, and what that changed is
            in the report.
        classes: names of the classes in the order of the logits, kept in the plan.
        mean: what the model expects: its input is (pixel / 255 − mean) / std, pixels being 0 … 255. A number, or one
            per channel. Where the first layer pads, 255 · mean must be whole.
        std: see `mean`.
        report: print what was made: layers, bits, memory, what snapping changed.

    Returns:
        The plan; `plan.save("model.firebit")` writes it, :func:`firebit.load` reads it.

    Raises:
        UsageError: the network is not hardened, or has a layer that a plan cannot hold: the layer, its line in the
            model's forward, and what to do about it.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), fb.nn.BoundedRectifier(2), nn.Linear(2, 3))
        >>> blank = torch.zeros(1, 1, 2, 2)
        >>> plan = fb.compile(fb.nn.harden(net, blank), blank, report=False)
        >>> [layer.name for layer in plan.layers]
        ['2']
    """
    plan, found = compile_with_report(model, example, precision, classes=classes, mean=mean, std=std)
    if report:
        print(found, end="")
    return plan


def compile_with_report(
    model: nn.Module,
    example: Tensor,
    precision: str = "exact",
    *,
    classes: Sequence[str] = (),
    mean: Numbers = 0.0,
    std: Numbers = 1.0,
) -> tuple[Plan, Report]:
    """The plan and its report; arguments and errors are those of :func:`compile`, which prints the report."""
    if precision not in PRECISIONS:
        raise UsageError(f"precision={precision!r} is not known.", f"Choose one of: {', '.join(PRECISIONS)}.")
    seen = _example(example)
    channels = seen.shape[1]
    centre, width = _numbers("mean", mean, channels), _numbers("std", std, channels)
    if not (width >= np.finfo(np.float64).tiny).all():
        raise UsageError(f"std={std!r} is not positive.", "Give the standard deviation that pictures are divided by.")
    private = _private(model)
    pictures = Stored.of(INPUT, tuple(seen.shape[1:]), Fraction(1, 255)).affine(1 / width, -centre / width)
    outline = lower(_traced(private, seen), pictures)
    try:
        plan, changes = assemble(outline, tuple(classes))
    except ModelFileError as error:
        problem = error.problem.removeprefix("The plan is not valid: ")
        raise UsageError(
            f"The network makes no plan: {problem}", "Change that layer, or compile the network without it."
        ) from error
    pixels = _pixels(seen, centre, width)
    exact = None
    if precision == "fast":
        exact, plan = plan, quantise(plan)
    return plan, Report(
        cost(plan),
        changes,
        agreement=None if pixels is None else agreement(private, plan, pixels, lambda part: seen[part]),
        precision=precision,
        exact=exact,
        rounding=None if pixels is None or exact is None else rounding(exact, plan, pixels),
    )


def _private(model: object) -> nn.Module:
    """A copy on the CPU, in eval mode."""
    if not isinstance(model, nn.Module):
        raise UsageError(f"The model is a {type(model).__name__}, no network.", "Give a hardened torch.nn.Module.")
    if is_hooked(model):
        raise UsageError(
            f"{type(model).__name__} has a forward hook, or a forward of its own.",
            "Write that into the model's forward.",
        )
    try:
        return copy.deepcopy(model).cpu().eval()
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be copied: {(str(error).splitlines() or [type(error).__name__])[0]}",
            "Remove what cannot be deep-copied from the model (weight_norm: use the parametrization).",
        ) from error


def _traced(model: nn.Module, seen: Tensor) -> fx.GraphModule:
    """The network as a graph, once it is certain that its forward draws no numbers."""
    graph = trace(model, seen)
    with torch.random.fork_rng(devices=[]):
        torch.rand(1)
        again = trace(model, seen)
    constants, others = (dict(traced.named_buffers()) for traced in (graph, again))
    drawn = any(not torch.equal(value.nan_to_num(), others[name].nan_to_num()) for name, value in constants.items())
    if str(graph.graph) != str(again.graph) or drawn:
        raise UsageError(
            f"The forward of {type(model).__name__} draws random numbers.",
            "Draw them once, when the model is made, and keep them in a buffer.",
        )
    return graph


def _example(example: object) -> Tensor:
    inputs = as_inputs(example)  # type: ignore[arg-type]
    shape = tuple(inputs[0].shape)
    if len(inputs) != 1 or len(shape) not in (2, 4) or not inputs[0].is_floating_point():
        shapes = ", ".join(f"{tuple(x.shape)} {x.dtype}" for x in inputs)
        raise UsageError(
            f"The example is {shapes}; a plan takes one batch of pictures (N, C, H, W) or vectors (N, F).",
            "Give one floating-point tensor, e.g. example=torch.zeros(1, 1, 28, 28).",
        )
    if not shape[0]:
        raise UsageError("The example is a batch of no pictures.", "Give one picture or more.")
    return inputs[0].detach().cpu()


def _numbers(name: str, given: Numbers, channels: int) -> Reals:
    found = np.asarray(given, np.float64)
    if found.shape not in ((), (1,), (channels,)) or not np.isfinite(found).all():
        raise UsageError(
            f"{name}={given!r} does not fit an input of {channels} channels.",
            "Give a finite number, or one per channel.",
        )
    return np.broadcast_to(found, (channels,))


def _pixels(seen: Tensor, mean: Reals, std: Reals) -> NDArray[np.uint8] | None:
    """The pixels of the example; None where it is blank, or holds no pixels."""
    wide = (1, -1, *(1,) * (seen.dim() - 2))
    pixels = (seen.double().numpy() * std.reshape(wide) + mean.reshape(wide)) * 255
    whole = np.rint(pixels)
    if not seen.any() or (np.abs(pixels - whole) > 1e-3).any() or whole.min() < 0 or whole.max() > 255:
        return None
    return whole.astype(np.uint8)
