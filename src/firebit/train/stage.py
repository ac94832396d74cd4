"""The stages of a run: the ReLU baseline, the two phases, and the classifier on binary features."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from firebit import zoo
from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.nn.growth import SlopeGrowth, param_groups, rectifiers
from firebit.nn.harden import harden, select
from firebit.nn.rectifier import Step
from firebit.train.initialise import initialise
from firebit.train.recipe import Optimizer, Recipe
from firebit.train.settle import by_arrival

# Of a course, between which growth is linear: it stays within 0.1 % of the slopes asked for.
_POINTS = 64
# Steps in which growth sets in and ends.
_EDGE = 1e-3


@dataclass(frozen=True)
class Stage:
    """One stretch of training with one optimizer and one schedule.

    Attributes:
        name: "relu", "phase1", "phase2", "classifier" or "weights".
        network: which network it trains: "relu", "rectifier" (whatever activations the recipe has) or "hardened".
        epochs: how many.
        lr: learning rate at its start.
        schedule: how the rate falls over the stage: to 0, or by "step" to a tenth at each of the drops.
        growth: slope growth λ per step, 0 for none.
        law: the growth law.
        growth_end: λ at the stage's end; None: `growth` throughout.
        front: how far the layers near the input are ahead of the others on the way to `growth_end`, ≥ 0.
        hold: relative rise of the loss at which growth waits, 0 for never.
        entropy: weight of the mean entropy of every rectifier's activations in the loss.
        slope_start: where the course of slopes begins.
        slope_end: where it ends; None: growth follows `growth` and `growth_end`, no course.
        grown: share of the steps by which the last layer's course is at its end, after which nothing grows.
        sharp_end: where slopes go on to in a last stretch, all layers at once; None: there is none.
        sharp_from: share of the steps at which that stretch begins.
        settle: whether layers learn no more once their course has ended (:mod:`firebit.train.settle`).
        noise: width of the noise on pre-activations at the start.
        noise_end: and at the end, with a straight line between.
        drops: shares of the steps at which the schedule "step" lowers the rate.
    """

    name: str
    network: str
    epochs: int
    lr: float
    schedule: str
    growth: float = 0.0
    law: str = "log"
    growth_end: float | None = None
    front: float = 0.0
    hold: float = 0.0
    entropy: float = 0.0
    slope_start: float = 1.0
    slope_end: float | None = None
    grown: float = 1.0
    sharp_end: float | None = None
    sharp_from: float = 0.9
    settle: bool = False
    noise: float = 0.0
    noise_end: float = 0.0
    drops: tuple[float, ...] = ()

    def rate(self, step: int, steps: float) -> float:
        """The learning rate at `step` of `steps`."""
        share = step / max(1, steps)
        factor = {
            "constant": 1.0,
            "linear": 1 - share,
            "cosine": 0.5 + 0.5 * math.cos(math.pi * share),
            "step": 0.1 ** sum(share >= drop for drop in self.drops),
        }
        return self.lr * factor[self.schedule]

    def noise_width(self, step: int, steps: float) -> float:
        """The width of the noise at `step` of `steps`."""
        share = step / max(1, steps)
        return self.noise * (1 - share) + self.noise_end * share

    def ramp(self, depth: float, steps: int) -> list[tuple[float, float]]:
        """Growth of a layer from `growth` to `growth_end` as points (step, λ), linear in between, constant outside.

        At the share u of the stage's steps the layer is min(1, max(0, u·(1 + front) − front·depth)) of the way.

        Args:
            depth: 0 for the layer nearest to the input … 1 for the last.
            steps: steps of the stage.
        """
        assert self.growth_end is not None
        first, last = self._way(depth, steps)
        return [(first, self.growth), (last, self.growth_end)]

    def course(self, depth: float, steps: int) -> list[tuple[float, float]]:
        """Growth as points (step, λ) that takes a slope from `slope_start` to `slope_end` in a geometric course.

        By λ = k·dk/dt, the flow of −log|k|, a slope k₀·(k₁/k₀)^u needs λ = k²·log(k₁/k₀) per length of the course.
        Before it and behind it nothing grows, but for the last stretch to `sharp_end`, which is a course of its own.
        `front` delays layers as in :meth:`ramp`.

        Args:
            depth: 0 for the layer nearest to the input … 1 for the last.
            steps: steps of the stage.
        """
        assert self.slope_end is not None
        points = _geometric(self.slope_start, self.slope_end, *self._way(depth, steps, self.grown))
        if self.sharp_end is None:
            return points
        return points + _geometric(self.slope_end, self.sharp_end, max(1, steps) * self.sharp_from, max(1, steps))

    def arrivals(self, layers: Sequence[str], steps: int) -> dict[str, float]:
        """The step at which the course of each layer ends; empty where layers do not settle.

        Args:
            layers: names of the rectifiers that grow, from the input on.
            steps: steps of the stage.
        """
        if not self.settle:
            return {}
        return {name: self._way(depth, steps, self.grown)[1] for name, depth in _depths(layers).items()}

    def _way(self, depth: float, steps: int, share: float = 1.0) -> tuple[float, float]:
        """The steps at which a layer of that depth sets out and arrives, the last one at that share of all."""
        scale = max(1, steps) * share / (1 + self.front)
        lag = self.front * depth
        return lag * scale, (1 + lag) * scale


def _depths(layers: Sequence[str]) -> dict[str, float]:
    """0 for the layer nearest to the input … 1 for the last."""
    return {name: at / max(1, len(layers) - 1) for at, name in enumerate(layers)}


def _geometric(start: float, end: float, first: float, last: float) -> list[tuple[float, float]]:
    """Growth as points (step, λ) that takes a slope from `start` to `end` between two steps, and is 0 outside."""
    fold = math.log(end / start)
    shares = [at / _POINTS for at in range(_POINTS + 1)]
    size = [(start * math.exp(fold * share)) ** 2 * fold / (last - first) for share in shares]
    between = [(first + share * (last - first), value) for share, value in zip(shares, size, strict=True)]
    return [(first - _EDGE, 0.0), *between, (last + _EDGE, 0.0)]


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages that a recipe asks for, in order."""
    found = []
    if recipe.baseline.enabled:
        base = recipe.baseline
        found.append(Stage("relu", "relu", recipe.baseline_epochs, base.lr, base.schedule, drops=base.drops))
    if recipe.has_phases:
        for name, phase in (("phase1", recipe.phase1), ("phase2", recipe.phase2)):
            found.append(Stage(name, "rectifier", **phase.model_dump()))
    if recipe.classifier.epochs:
        last = recipe.classifier
        found.append(Stage("classifier", "hardened", last.epochs, last.lr, last.schedule, drops=last.drops))
    if recipe.weights.kind != "real":
        own = recipe.weights
        found.append(Stage("weights", "rectifier", own.epochs, own.lr, own.schedule, own.growth, drops=own.drops))
    return tuple(found)


def build_network(recipe: Recipe, data: ImageSet, network: str) -> nn.Sequential:
    """The recipe's network for these pictures, initialised from the recipe's seed.

    Args:
        recipe: what to build.
        data: pictures and classes.
        network: "relu" for the baseline, "rectifier" for the network with the recipe's own activations.
    """
    torch.manual_seed(recipe.seed)
    channels = data.images.shape[1]
    net = zoo.build(recipe.net.name, classes=len(data.classes), channels=channels, **recipe.options(network))
    initialise(net, recipe.init)
    return net.to(memory_format=torch.channels_last) if recipe.channels_last else net  # type: ignore[call-overload]


def example_of(data: ImageSet) -> Tensor:
    """A blank batch of one picture, float32 (1, C, H, W)."""
    return torch.zeros(1, *data.images.shape[1:])


def check_layers(recipe: Recipe, data: ImageSet) -> None:
    """See that the layers which the recipe makes binary exist, before anything is trained.

    Raises:
        UsageError: a name or pattern matches no rectifier, or layers are to stay real that are bits by their nature.
    """
    if recipe.layers != "all" and recipe.net.rectified == "all" and not recipe.net.is_soft:
        raise UsageError(
            f"layers = {recipe.layers!r} does not go with straight-through steps, all of which are bits.",
            "Set layers=all, or net.rectified=last to have ReLUs before the last.",
        )
    if not isinstance(recipe.layers, str):
        select(build_network(recipe, data, "rectifier"), example_of(data), recipe.layers)


def harden_outline(recipe: Recipe, data: ImageSet) -> nn.Module:
    """A hardened network of the recipe's structure, to load a state into."""
    net = build_network(recipe, data, "rectifier")
    return harden(net, example_of(data), layers=recipe.layers)


def make_growth(stage: Stage, model: nn.Module, layers: Sequence[str], steps: int = 1) -> SlopeGrowth | None:
    """The stage's slope growth, or None where it trains no rectifiers.

    Args:
        stage: the stage.
        model: its network; where it has no rectifiers, but straight-through steps, nothing grows.
        layers: names of the rectifiers that grow, from the input on.
        steps: steps of the stage, over which growth goes to `growth_end`.
    """
    if stage.network != "rectifier" or not rectifiers(model):
        return None
    if stage.growth_end is None and stage.slope_end is None:
        return SlopeGrowth(model, dict.fromkeys(layers, stage.growth), law=stage.law)
    points = stage.ramp if stage.slope_end is None else stage.course
    # Factors on a strength of 1 are the strengths themselves.
    schedule = {name: points(depth, steps) for name, depth in _depths(layers).items()}
    return SlopeGrowth(model, dict.fromkeys(layers, 1.0), law=stage.law, schedule=schedule)


def options_of(recipe: Recipe, stage: Stage) -> Optimizer:
    """The optimizer's options in a stage."""
    return recipe.baseline_optimizer if stage.network == "relu" else recipe.optimizer


def make_optimizer(
    stage: Stage, model: nn.Module, options: Optimizer, arrivals: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The recipe's optimizer over what the stage trains.

    Args:
        stage: the stage.
        model: its network.
        options: of the optimizer.
        arrivals: steps at which layers settle, by which parameters are in groups of their own; None: none do.
    """
    if stage.network == "hardened":
        freeze_features(model)
    groups = param_groups(model, options.weight_decay)
    if arrivals:
        groups = by_arrival(groups, model, arrivals)
    if options.name == "sgd":
        return torch.optim.SGD(groups, lr=stage.lr, momentum=options.momentum)
    return torch.optim.AdamW(groups, lr=stage.lr)


def set_rates(optimizer: torch.optim.Optimizer, stage: Stage, options: Optimizer, step: int, steps: int) -> None:
    """Set learning rate and weight decay for `step` of the stage's `steps`; of layers that settle, until they do."""
    for group in optimizer.param_groups:
        end = group.get("arrival", steps)
        group["lr"] = 0.0 if step > end else stage.rate(step, end)
        if options.weight_decay_end is not None and group["name"] == "weights":
            share = step / max(1, steps)
            group["weight_decay"] = options.weight_decay + (options.weight_decay_end - options.weight_decay) * share


def freeze_features(model: nn.Module) -> None:
    """Leave only the layers after the last step trainable: the classifier on binary features."""
    frozen = set(_features(model))
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(module not in frozen)


def begin_training(stage: Stage, model: nn.Module) -> None:
    """Training mode for what the stage trains; the features of a classifier, batch norms included, stay as they are."""
    model.train()
    if stage.network == "hardened":
        for module in _features(model):
            module.training = False


def _features(model: nn.Module) -> list[nn.Module]:
    """The modules up to the last step, in the order of definition."""
    modules = list(model.modules())
    last = max((at for at, module in enumerate(modules) if isinstance(module, Step)), default=-1)
    return modules[: last + 1]
