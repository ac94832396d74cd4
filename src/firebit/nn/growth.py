"""Pushing slopes to grow, so that rectifiers turn into steps (§3.2)."""

import bisect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from firebit.errors import UsageError
from firebit.nn.hooked import Hooked
from firebit.nn.rectifier import BoundedRectifier
from firebit.nn.strength import Points, plain, scheduled, strengths

RECTIFIER = "bounded rectifier"

# The exact flow of each growth loss over one unit of time, on |k| in float64.
_FLOWS: Mapping[str, Callable[[Tensor, float], Tensor]] = {
    "log": lambda k, strength: (k.square() + 2 * strength).sqrt(),
    "inverse": lambda k, strength: (k.pow(3) + 3 * strength).pow(1 / 3),
    "inverse_square": lambda k, strength: (k.pow(4) + 8 * strength).pow(1 / 4),
}


def rectifiers(model: nn.Module) -> dict[str, BoundedRectifier]:
    """The bounded rectifiers of a model by module path, each once, in the order of definition."""
    return {name: m for name, m in model.named_modules() if isinstance(m, BoundedRectifier)}


def grow(slope: Tensor, strength: float, law: str = "log") -> Tensor:
    """The slope after one growth step: the exact flow of the growth loss, so that no step size is too large.

    ===============  ========  ========================
    law              loss      update of ``|k|``
    ===============  ========  ========================
    log              −log|k|   √(k² + 2λ)
    inverse          1/|k|     ∛(\\|k\\|³ + 3λ)
    inverse_square   1/k²      (k⁴ + 8λ)^¼
    ===============  ========  ========================

    Args:
        slope: k, any shape. The sign is kept; k = 0 grows upwards.
        strength: λ ≥ 0 per step (§3.2, "outside of the learning rate").
        law: one of the table above.

    Returns:
        A new tensor of the same dtype; computed in float64, so that small growth of a large float32 slope is not
        rounded away twice.
    """
    grown = _FLOWS[law](slope.double().abs(), strength)
    return torch.where(slope < 0, -grown, grown).to(slope.dtype)


class Growth(ABC):
    """What grows slopes that have names, after each optimizer step and outside the learning rate (§3.2).

    :class:`SlopeGrowth` grows those of rectifiers, :class:`firebit.nn.WeightGrowth` those of weights.

    Args:
        model: the network.
        strength: λ per step; one number for all layers, or numbers by pattern of layer names.
        law: one of the laws of :func:`grow`.
        schedule: factors on the strength as points (step, factor), for all layers or by pattern of layer names.

    Attributes:
        model: the network.
        law: the growth law.
        strengths: λ by layer name.
        schedule: points for all layers, or by layer name.
        steps: growth steps so far.
    """

    kind = "layer"
    """What layers that grow are called in errors."""

    def __init__(
        self,
        model: nn.Module,
        strength: float | Mapping[str, float],
        *,
        law: str = "log",
        schedule: Points | Mapping[str, Points] | None = None,
    ) -> None:
        self.model = model
        self.law = checked_law(law)
        names = list(self.slopes())
        self.strengths = strengths(names, strength, self.kind)
        self.schedule = scheduled(names, schedule, self.kind)
        self.steps = 0

    @abstractmethod
    def slopes(self) -> Mapping[str, Tensor]:
        """The slopes of the model by layer name, to be changed in place.

        Raises:
            UsageError: it has none.
        """

    def factor(self, layer: str = "") -> float:
        """The schedule's factor at the present step; where layers have schedules of their own, that of `layer`."""
        points = self.schedule.get(layer, []) if isinstance(self.schedule, dict) else self.schedule
        if not points:
            return 1.0
        at = bisect.bisect_right([step for step, _ in points], self.steps)
        if at == 0:
            return points[0][1]
        if at == len(points):
            return points[-1][1]
        (left, low), (right, high) = points[at - 1], points[at]
        return low + (high - low) * (self.steps - left) / (right - left)

    @torch.no_grad()
    def step(self) -> None:
        """Grow every slope once and advance the schedule."""
        slopes = self.slopes()
        for name, strength in self.strengths.items():
            now = strength * self.factor(name)
            if now > 0:
                slopes[name].copy_(grow(slopes[name], now, self.law))
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs, as JSON-able values."""
        return {
            "law": self.law,
            "strengths": dict(self.strengths),
            "schedule": plain(self.schedule),
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave.

        Raises:
            UsageError: the state belongs to a model with other layers, or names an unknown law.
        """
        names = list(self.slopes())
        found, schedule = strengths(names, dict(state["strengths"]), self.kind), state["schedule"]
        points = scheduled(names, schedule, self.kind)
        self.law = checked_law(state["law"])
        self.strengths = found
        self.schedule = points
        self.steps = int(state["steps"])


class SlopeGrowth(Growth):
    """Grows the slopes of a model's bounded rectifiers after each optimizer step, outside the learning rate (§3.2).

    Call :meth:`step` right after ``optimizer.step()`` (with gradient accumulation: once per optimizer step; with a
    gradient scaler: not when the step was skipped). Growth depends on the slopes alone, so replicas stay identical.

    Args:
        model: a network with :class:`BoundedRectifier` layers.
        strength: λ per step; one number for all layers, or a mapping from a pattern of layer names (fnmatch) to a
            number, where the last matching pattern counts and layers that match nothing do not grow.
        law: "log" (the paper's choice, −log|k|), "inverse" (1/|k|) or "inverse_square" (1/k²).
        schedule: factors on the strength as points (step, factor), linear in between and constant outside; one list
            for all layers, or a mapping from patterns of layer names to lists, where the last matching pattern counts.
            None, or no match, means 1 throughout.

    Raises:
        UsageError: no rectifier in the model, a pattern without a match, a negative strength, an unknown law, or a
            schedule whose steps do not increase or whose factors are not numbers ≥ 0.

    Example:
        >>> growth = SlopeGrowth(nn.Sequential(BoundedRectifier(2)), strength=0.5)
        >>> growth.step()
        >>> growth.model[0].slope.tolist()
        [1.4142135381698608, 1.4142135381698608]
    """

    kind = RECTIFIER

    def __init__(
        self,
        model: nn.Module,
        strength: float | Mapping[str, float] = 4e-4,
        *,
        law: str = "log",
        schedule: Points | Mapping[str, Points] | None = None,
    ) -> None:
        super().__init__(model, strength, law=law, schedule=schedule)

    def slopes(self) -> dict[str, Tensor]:
        """Those of the model's bounded rectifiers."""
        layers = rectifiers(self.model)
        if not layers:
            raise UsageError(
                "The model has no bounded rectifier to grow.",
                "Convert it first: model = fb.nn.rectify(model, example).",
            )
        return {name: layer.slope for name, layer in layers.items()}


def checked_law(law: str) -> str:
    """The law, if :func:`grow` knows it.

    Raises:
        UsageError: it does not.
    """
    if law not in _FLOWS:
        raise UsageError(f"Unknown growth law {law!r}.", f"Choose one of: {', '.join(_FLOWS)}.")
    return law


def param_groups(model: nn.Module, weight_decay: float = 0.0) -> list[dict[str, Any]]:
    """Parameter groups for any torch optimizer: weights decay; slopes, biases and norms do not.

    Weight decay on a slope would fight its growth. Parameters that need no gradient are left out, shared ones appear
    once, empty groups are dropped.

    Args:
        model: the network.
        weight_decay: for parameters of two or more dimensions.

    Returns:
        Groups with the keys "name" ("weights", "shifts", "slopes"), "params" and "weight_decay".
    """
    slopes = {id(layer.slope) for layer in rectifiers(model).values()}
    groups: dict[str, list[nn.Parameter]] = {"weights": [], "shifts": [], "slopes": []}
    for parameter in model.parameters():
        if parameter.requires_grad:
            kind = "slopes" if id(parameter) in slopes else "weights" if parameter.dim() > 1 else "shifts"
            groups[kind].append(parameter)
    return [
        {"name": kind, "params": params, "weight_decay": weight_decay if kind == "weights" else 0.0}
        for kind, params in groups.items()
        if params
    ]


def entropy_penalty(activation: Tensor) -> Tensor:
    """Mean binary entropy in nats of activations in [0, 1], read as probabilities (§3.2).

    Values within 1e-6 of 0 or 1 count as decided and get no gradient (it would be infinite). Halves are computed with
    in float32, the result's type then: they have no number so near to 1.
    """
    wide = activation.to(torch.promote_types(activation.dtype, torch.float32))
    p = wide.clamp(1e-6, 1 - 1e-6)
    penalty: Tensor = (torch.special.entr(p) + torch.special.entr(1 - p)).mean()
    return penalty


class EntropyPenalty(Hooked):
    """Collects the entropy penalty of every rectifier's activations: the paper's other way to binary values (§3.2).

    Args:
        model: a network with bounded rectifiers.
        weights: one weight for all layers, or a mapping from patterns of layer names to weights ("may be tricky to
            choose the loss weights across different layers").

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), BoundedRectifier(3))
        >>> with EntropyPenalty(net, 0.1) as penalty:
        ...     loss = net(torch.zeros(2, 4)).sum() + penalty.total()
    """

    def __init__(self, model: nn.Module, weights: float | Mapping[str, float] = 1.0) -> None:
        self.layers = rectifiers(model)
        self.weights = strengths(self.layers, weights, RECTIFIER)
        self._terms: list[Tensor] = []

    def _attach(self) -> Iterable[RemovableHandle]:
        self._terms = []
        return [self.layers[name].register_forward_hook(self._recorder(each)) for name, each in self.weights.items()]

    def _recorder(self, weight: float) -> Callable[[nn.Module, Any, Tensor], None]:
        def record(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
            self._terms.append(weight * entropy_penalty(output))

        return record

    def total(self) -> Tensor:
        """Weighted sum of the mean entropies of all forward passes since the last call."""
        if not self._terms:
            raise UsageError(
                "No forward pass has run under this entropy penalty.",
                "Call the model inside the with statement first.",
            )
        terms, self._terms = self._terms, []
        return torch.stack(terms).sum()
