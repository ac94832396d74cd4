"""Weights of ±1 times a scale: thresholded (§4.4), or learned with slopes that grow, as activations are."""

import copy
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.parametrize import is_parametrized, register_parametrization, remove_parametrizations

from firebit.errors import UsageError
from firebit.nn.graph import Example, module_at
from firebit.nn.growth import Growth
from firebit.nn.rectifier import BoundedRectifier, Step, per_channel
from firebit.nn.strength import Points, check_patterns
from firebit.nn.trace import trace

BINARY = "layer whose weights can be binary"

_SMALLEST = 1e-20
"""Keeps quotients of a channel of nothing but zeros finite."""


class BoundedWeight(nn.Module):
    """A rectifier for weights: w ↦ s · clip(κ·w/m, −1, 1) with a slope κ per output channel, as a parametrization.

    m is the mean of the channel's ``|w|``, so that κ has no unit: at slope κ, weights from m/κ on are clipped. The
    scale s is such that the mean of the ``|weights|`` stays m, s = m / mean ``|clip(κ·w/m, −1, 1)|``. The slope starts
    where only the channel's largest weight reaches 1: the weights are then what they were. As κ grows
    (:class:`WeightGrowth`), they go to sign(w) · m, which is what :func:`binarize` gives; s depends on w, so that
    gradients move the scale of a channel all of whose weights are clipped.

    Args:
        weight: what will be parametrised, (O, …), output channels first.
        shared: one mean, slope and scale for all channels (the logits, which must stay comparable).

    Attributes:
        slope: buffer of shape (O,), or (1,) if shared; > 0, of the dtype of the weight. It has no gradient, and only
            growth moves it.

    Shape:
        (O, …) → the same.
    """

    slope: Tensor

    def __init__(self, weight: Tensor, *, shared: bool = False) -> None:
        super().__init__()
        self.shared = shared
        rows = _rows(weight.detach(), shared).abs()
        largest = rows.amax(1)
        self.register_buffer("slope", torch.where(largest > 0, rows.mean(1) / largest.clamp_min(_SMALLEST), 1))

    def forward(self, weight: Tensor) -> Tensor:
        rows = _rows(weight, self.shared)
        mean = rows.abs().mean(1)
        clipped = (rows * per_channel(self.slope / mean.clamp_min(_SMALLEST), rows, 0)).clamp(-1, 1)
        scale = mean / clipped.abs().mean(1).clamp_min(_SMALLEST)
        return (clipped * scale[:, None]).view_as(weight)

    def hardened(self, weight: Tensor) -> Tensor:
        """sign(w) · m, where :meth:`forward` goes as the slopes grow; sign(0) is +1."""
        return thresholded(weight, shared=self.shared)

    def extra_repr(self) -> str:
        return f"{self.slope.numel()}" + (", shared" if self.shared else "")


@torch.no_grad()
def thresholded(weight: Tensor, *, shared: bool = False, scaled: bool = True) -> Tensor:
    """sign(w) · mean ``|w|`` per output channel: of all ±s, the nearest in least squares. sign(0) is +1.

    All weights of a channel have the same magnitude, bit for bit. A channel of nothing but zeros stays 0.

    Args:
        weight: (O, …), output channels first.
        shared: one mean for all channels.
        scaled: times the mean; if not, ±1 as they are.
    """
    rows = _rows(weight.detach(), shared)
    mean = rows.abs().mean(1)[:, None] if scaled else rows.new_ones(1)
    return torch.where(rows >= 0, mean, -mean).view_as(weight)


def binarize(
    model: nn.Module,
    example: Example,
    *,
    first: bool = False,
    last: bool = True,
    exclude: str | Sequence[str] = (),
    scaled: bool = True,
) -> nn.Module:
    """A copy of the model whose weights are thresholded to ±1 times a scale, and fixed (§4.4).

    In each chosen convolution or linear layer w becomes sign(w) · s, with sign(0) = +1 and s > 0 the mean of the
    ``|w|`` of an output channel; layers with no rectifier or step behind them (the logits) have one s for all channels.
    Compiled, a scale disappears into the thresholds, and each weight takes one bit. Biases, slopes and batch norms stay
    as they are and can be trained on; the weights need no gradient any more. Statistics of batch norm fit the old
    weights: train on, or recalibrate when hardening.

    Args:
        model: a network with bounded rectifiers or steps, not yet hardened if its thresholds shall fit; untouched.
        example: one batch as the model receives it.
        first: also the layers that read pixels or other real values: no rectifier or step is before them. The paper
            leaves them real.
        last: also the layers that give logits.
        exclude: names or patterns (fnmatch) of layers that stay real.
        scaled: with the scale s. Without, weights are ±1, as the paper has them: all that follows has to be trained to
            sums of another size, where s keeps their size as it was.

    Raises:
        UsageError: no layer is left, a pattern matches no layer, or the model cannot be traced
            (:func:`firebit.nn.rectify` says when). Layers whose weights are parametrised already are passed over.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2), nn.Linear(2, 1))
        >>> net[2].weight.data = torch.tensor([[0.5, -1.5]])
        >>> binarize(net, torch.zeros(1, 2))[2].weight.tolist()
        [[1.0, -1.0]]
    """
    chosen = _chosen(model, example, first, last, exclude)
    binary = copy.deepcopy(model)
    for name, shared in chosen.items():
        _fix(_weighted(binary, name), thresholded(_weighted(binary, name).weight, shared=shared, scaled=scaled))
    return binary


def bound_weights(
    model: nn.Module, example: Example, *, first: bool = False, last: bool = True, exclude: str | Sequence[str] = ()
) -> nn.Module:
    """A copy of the model whose weights can be pushed to ±1 times a scale: each chosen layer has a
    :class:`BoundedWeight`.

    The copy computes what the model computes. Train it, calling :meth:`WeightGrowth.step` after each optimizer step,
    and end with :func:`harden_weights`. Layers that read bits should read them already: make activations binary first.
    The parameters are new ones, so make a new optimizer.

    Args, but for `scaled`, and errors are those of :func:`binarize`.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), BoundedRectifier(2), nn.Linear(2, 1))
        >>> soft = bound_weights(net, torch.zeros(1, 2))
        >>> soft[2].parametrizations.weight[0]
        BoundedWeight(1, shared)
    """
    chosen = _chosen(model, example, first, last, exclude)
    bounded = copy.deepcopy(model)
    for name, shared in chosen.items():
        layer = _weighted(bounded, name)
        register_parametrization(layer, "weight", BoundedWeight(layer.weight, shared=shared))
    return bounded


def bounded_weights(model: nn.Module) -> dict[str, BoundedWeight]:
    """The bounded weights of a model by the path of their layer, each once, in the order of definition."""
    return {name: found for name, module in model.named_modules() if (found := _bound_of(module)) is not None}


def harden_weights(model: nn.Module) -> nn.Module:
    """A copy of the model whose bounded weights are exactly ±s, in plain layers, and fixed.

    Do it before :func:`firebit.nn.harden`, which then estimates the statistics of batch norm with the final weights,
    and which makes ordinary layers of centred ones.

    Args:
        model: a network that :func:`bound_weights` made; untouched.

    Raises:
        UsageError: the model has no bounded weights.
    """
    if not bounded_weights(model):
        raise _nothing_bounded()
    hardened = copy.deepcopy(model)
    for name, bounded in bounded_weights(hardened).items():
        layer = _weighted(hardened, name)
        _own_class(layer)
        remove_parametrizations(layer, "weight", leave_parametrized=False)
        _fix(layer, bounded.hardened(layer.weight))
    return hardened


@torch.no_grad()
def weight_census(model: nn.Module) -> dict[str, float]:
    """How binary the weights are: of every convolution and linear layer, the share of weights at ±scale.

    A weight is at ±scale if its magnitude is the largest of its output channel, bit for bit. A layer of share 1 has
    weights of ±1 times a scale per channel; one of n real weights per channel has a share of about 1/n.

    Args:
        model: any network.

    Returns:
        Shares, 0 … 1, by module path, in the order of definition.
    """
    shares = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            rows = module.weight.detach().flatten(1).abs()
            shares[name] = (rows == rows.amax(1, keepdim=True)).double().mean().item()
    return shares


class WeightGrowth(Growth):
    """Grows the slopes of bounded weights after each optimizer step, outside the learning rate.

    As :class:`firebit.nn.SlopeGrowth` does it for rectifiers: the same laws, schedules, patterns of layer names and
    state. Slopes start at mean ``|w|`` / max ``|w|``, 0.2 to 0.5 for fresh weights; with the law "log" n steps of
    strength λ bring them to about √(2nλ). At slope 10, 6 % of normally distributed weights are not clipped, and fewer
    after training, which moves them: gradients of those weights are ten times those of plain ones.

    Args:
        model: a network that :func:`bound_weights` made.
        strength: λ per step; one number for all layers, or a mapping from a pattern of layer names (fnmatch) to a
            number, where the last matching pattern counts and layers that match nothing do not grow.
        law: "log", "inverse" or "inverse_square".
        schedule: factors on the strength as points (step, factor), linear in between and constant outside; one list
            for all layers, or a mapping from patterns of layer names to lists.

    Raises:
        UsageError: no bounded weight in the model, a pattern without a match, a negative strength, an unknown law, or a
            schedule whose steps do not increase.
    """

    kind = BINARY

    def __init__(
        self,
        model: nn.Module,
        strength: float | Mapping[str, float] = 1e-2,
        *,
        law: str = "log",
        schedule: Points | Mapping[str, Points] | None = None,
    ) -> None:
        super().__init__(model, strength, law=law, schedule=schedule)

    def slopes(self) -> dict[str, Tensor]:
        """Those of the model's bounded weights."""
        if not (found := bounded_weights(self.model)):
            raise _nothing_bounded()
        return {name: bounded.slope for name, bounded in found.items()}


def _nothing_bounded() -> UsageError:
    return UsageError(
        "The model has no bounded weights.", "Bound them first: model = fb.nn.bound_weights(model, example)."
    )


def _rows(weight: Tensor, shared: bool) -> Tensor:
    """Weights that share a scale as rows: (O, n), or (1, O·n)."""
    return weight.reshape(1, -1) if shared else weight.flatten(1)


def _bound_of(module: nn.Module) -> BoundedWeight | None:
    if not (isinstance(module, nn.Conv2d | nn.Linear) and is_parametrized(module, "weight")):
        return None
    rules = list(module.parametrizations["weight"])  # type: ignore[index]
    return rules[0] if len(rules) == 1 and isinstance(rules[0], BoundedWeight) else None


def _weighted(model: nn.Module, name: str) -> nn.Conv2d | nn.Linear:
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    return layer


def _own_class(layer: nn.Module) -> None:
    """Give a parametrised layer a class of its own.

    Copies of a layer share the class that torch made for it. Removing a parametrization takes `weight` from the class,
    so that it would break the layer that was copied.
    """
    shared = type(layer)
    members = {name: value for name, value in vars(shared).items() if name not in ("__dict__", "__weakref__")}
    layer.__class__ = type(shared.__name__, shared.__bases__, members)


@torch.no_grad()
def _fix(layer: nn.Conv2d | nn.Linear, weight: Tensor) -> None:
    layer.weight.copy_(weight)
    layer.weight.requires_grad_(False)
    layer.weight.grad = None


def _chosen(
    model: nn.Module, example: Example, first: bool, last: bool, exclude: str | Sequence[str]
) -> dict[str, bool]:
    """Module paths of the layers to make binary, and whether their channels share a scale."""
    graph = trace(model, example)
    layers = [node for node in graph.graph.nodes if isinstance(module_at(graph, node), nn.Conv2d | nn.Linear)]
    names = list(dict.fromkeys(str(node.target) for node in layers))
    patterns = [exclude] if isinstance(exclude, str) else list(exclude)
    check_patterns(patterns, names, BINARY)
    bits, hidden = _behind(graph), _before(graph)
    real = {str(node.target) for node in layers if not any(source in bits for source in node.all_input_nodes)}
    logits = {str(node.target) for node in layers if node not in hidden}
    chosen = {
        name: name in logits
        for name in names
        if (first or name not in real)
        and (last or name not in logits)
        and not any(fnmatchcase(name, pattern) for pattern in patterns)
        and not is_parametrized(model.get_submodule(name), "weight")
    }
    if not chosen:
        raise UsageError(
            f"{type(model).__name__} has no convolution or linear layer whose weights can be made binary.",
            "Layers that read bits can: rectify the model first. first=True takes those that read pixels too.",
        )
    return chosen


def _behind(graph: fx.GraphModule) -> set[fx.Node]:
    """Rectifiers and steps, and all that depends on them."""
    found: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if _is_bits(graph, node) or any(source in found for source in node.all_input_nodes):
            found.add(node)
    return found


def _before(graph: fx.GraphModule) -> set[fx.Node]:
    """Rectifiers and steps, and all that they depend on."""
    found: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if _is_bits(graph, node) or any(user in found for user in node.users):
            found.add(node)
    return found


def _is_bits(graph: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(module_at(graph, node), BoundedRectifier | Step)
