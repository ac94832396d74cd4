"""A head on features that are computed once: layers whose bits are the code, learned with labels in seconds."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.data import epoch_order
from firebit.errors import DivergedError, UsageError
from firebit.nn.centre import CentredDropout, CentredLinear
from firebit.nn.growth import SlopeGrowth, param_groups, rectifiers
from firebit.nn.harden import harden
from firebit.nn.noise import PreActivationNoise
from firebit.nn.rectifier import BoundedRectifier
from firebit.search.codes import pack
from firebit.search.evaluate import Balance, balance
from firebit.train.guide import guide, watched
from firebit.train.stage import Stage, make_growth
from firebit.train.standardised import Standardised
from firebit.zoo.block import CODE, CODE_BITS, stack

ACTIVATIONS = ("rectifier", "relu", "sigmoid")
_BATCH = 5_000


@dataclass(frozen=True)
class HeadOptions:
    """How a head is built and trained.

    Attributes:
        bits: length of the code, 12 … 4096.
        hidden: bits of a layer of rectifiers before the code; 0: none, the code is linear in the features.
        activation: "rectifier"; or what rectifiers are compared with: "relu", thresholded at 0, or "sigmoid", of fixed
            slope, thresholded at ½ (Lin et al. 2015).
        epochs: passes over the features.
        batch: pictures per step.
        lr: learning rate of AdamW at its start; it falls to 0 like a cosine.
        weight_decay: of the weights.
        dropout: share of the features that are dropped in training.
        slope_start: slope of the rectifiers at the start.
        slope_end: slope at 0.8 of the steps, after which nothing grows.
        noise: width of the noise on pre-activations of rectifiers at the start; it falls to 0.
        keep: weight of a pull on what the code adds up towards a linear code in which classes that nobody taught keep
            apart (:func:`firebit.search.evaluate.itq_within`), where it also begins; 0: none. 3 serves classes that are
            not trained, at the expense of those that are. Goes without a hidden layer.
        seed: of weights, order and dropout.
    """

    bits: int = 48
    hidden: int = 0
    activation: str = "rectifier"
    epochs: int = 10
    batch: int = 500
    lr: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.2
    slope_start: float = 0.7
    slope_end: float = 5.0
    noise: float = 0.5
    keep: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        shortest, longest = CODE_BITS
        if not shortest <= self.bits <= longest:
            raise UsageError(f"bits={self.bits} is no length of a code.", f"Give {shortest} to {longest}.")
        if self.activation not in ACTIVATIONS:
            raise UsageError(f"activation={self.activation!r} is not known.", f"Choose of {', '.join(ACTIVATIONS)}.")
        if self.epochs < 1 or self.batch < 2 or self.hidden < 0:
            raise UsageError(
                f"epochs={self.epochs}, batch={self.batch}, hidden={self.hidden} train no head.",
                "Give an epoch or more, batches of 2 or more, and 0 hidden bits or more.",
            )
        if not 0 <= self.keep < float("inf"):
            raise UsageError(f"keep={self.keep!r} is no weight.", "Give 0 or more, 3 for instance.")
        if self.keep and (self.hidden or self.activation != "rectifier"):
            raise UsageError("keep goes with a code of rectifiers that is linear in the features.", "Leave hidden out.")


def build_head(features: int, classes: int, options: HeadOptions) -> nn.Sequential:
    """The untrained head: standardised features, a hidden layer if asked for, the layer `code`, the classifier `fc`.

    Shape: (N, features) → (N, classes).
    """
    torch.manual_seed(options.seed)
    layers: list[tuple[str, nn.Module | None]] = [
        ("standard", Standardised(features)),
        ("drop", nn.Dropout(options.dropout) if options.dropout else None),
    ]
    inputs, kind = features, nn.Linear
    if options.hidden:
        layers += _layer("hidden", nn.Linear(inputs, options.hidden, bias=False), options)
        layers.append(("drop_hidden", CentredDropout(options.dropout) if options.dropout else None))
        inputs, kind = options.hidden, CentredLinear
    layers += _layer(CODE, kind(inputs, options.bits, bias=False), options)
    last = nn.Linear if options.activation == "relu" else CentredLinear
    return stack(*layers, ("fc", last(options.bits, classes)))


def train_head(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    options: HeadOptions | None = None,
    told: Callable[[str], None] | None = None,
) -> "Head":
    """Learn a head by cross entropy, its slopes growing until steps can take the place of its rectifiers.

    Args:
        features: (N, F), two rows or more.
        labels: (N,), 0 ≤ label < classes.
        classes: how many there are.
        options: None: the defaults, 48 bits.
        told: is given a line after each epoch: loss, bit balance and distinct codes.

    Raises:
        UsageError: features and labels do not fit each other.
        DivergedError: the loss is not finite.
    """
    options = options or HeadOptions()
    _check(features, labels, classes)
    with torch.random.fork_rng(devices=[]):
        led = guide(features, labels, options.bits, options.seed) if options.keep else None
        seen = features if led is None else led.metric.of(features)
        model = build_head(seen.shape[1], classes, options)
        inputs, wanted = torch.from_numpy(seen), torch.from_numpy(labels)
        standard = model.get_submodule("standard")
        assert isinstance(standard, Standardised)
        standard.fit(inputs)
        if led is not None:
            led.begin(model)
        _fit(model, inputs, wanted, options, told, None if led is None else led.aims(inputs))
        head = _hardened(model, inputs[:1], options)
        return head if led is None else Head(led.folded(head.model), options)


@dataclass(frozen=True)
class Head:
    """A trained head.

    Attributes:
        model: features to logits, in eval mode, with steps in place of rectifiers.
        options: what it was trained with.
    """

    model: nn.Module
    options: HeadOptions

    def codes(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Packed codes uint8 (N, ⌈bits / 8⌉) of features (N, F)."""
        at = 0.5 if self.options.activation == "sigmoid" else 0.0
        return pack(self._until_code(features) > at)

    def balance(self, features: NDArray[np.float32]) -> Balance:
        """How the codes of features use their length."""
        return balance(self.codes(features), self.options.bits)

    @torch.inference_mode()
    def logits(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the classifier says of features (N, F), float32 (N, classes)."""
        found: NDArray[np.float32] = self.model(torch.from_numpy(features)).numpy()
        return found

    def encoder(self) -> nn.Sequential:
        """The layers up to the code that compute something: features to bits."""
        found = nn.Sequential()
        for name, layer in self.model.named_children():
            if not isinstance(layer, nn.Dropout | CentredDropout | nn.Identity):
                found.add_module(name, layer)
            if name == CODE:
                break
        return found

    @torch.inference_mode()
    def _until_code(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        layers = self.encoder()
        starts = range(0, len(features), _BATCH)
        return np.concatenate([layers(torch.from_numpy(features[at : at + _BATCH])).numpy() for at in starts])


def _hardened(model: nn.Module, example: Tensor, options: HeadOptions) -> Head:
    """The head with steps in place of rectifiers; as it is, in eval mode, where it has none."""
    soft = model.eval()
    return Head(harden(soft, example) if rectifiers(soft) else soft, options)


def _layer(name: str, weights: nn.Module, options: HeadOptions) -> list[tuple[str, nn.Module | None]]:
    units = options.hidden if name == "hidden" else options.bits
    norm = nn.BatchNorm1d(units)
    norm.weight.requires_grad_(options.activation != "rectifier")
    return [(f"fc_{name}", weights), (f"norm_{name}", norm), (name, _activation(units, options))]


def _activation(units: int, options: HeadOptions) -> nn.Module:
    if options.activation == "rectifier":
        return BoundedRectifier(units, options.slope_start)
    return nn.ReLU() if options.activation == "relu" else nn.Sigmoid()


def _fit(
    model: nn.Sequential,
    inputs: Tensor,
    wanted: Tensor,
    options: HeadOptions,
    told: Callable[[str], None] | None,
    aims: Tensor | None,
) -> None:
    batch = min(options.batch, len(inputs))
    per_epoch = len(inputs) // batch
    steps = options.epochs * per_epoch
    stage = _stage(options)
    optimizer = torch.optim.AdamW(param_groups(model, options.weight_decay), lr=options.lr)
    growth = make_growth(stage, model, list(rectifiers(model)), steps)
    for epoch in range(options.epochs):
        model.train()
        order, total = torch.from_numpy(epoch_order(len(inputs), options.seed, epoch)), 0.0
        for at in range(per_epoch):
            chosen, step = order[at * batch : (at + 1) * batch], epoch * per_epoch + at
            with PreActivationNoise(model, stage.noise_width(step, steps)), watched(model) as sums:
                loss = F.cross_entropy(model(inputs[chosen]), wanted[chosen])
            if aims is not None:
                loss = loss + options.keep * F.mse_loss(sums[0], aims[chosen])
            total += _stepped(loss, optimizer, growth, stage.rate(step, steps), epoch)
        if told is not None:
            told(_line(model, inputs, options, epoch, total / per_epoch))


def _stage(options: HeadOptions) -> Stage:
    return Stage(
        "phase2",
        "rectifier",
        options.epochs,
        options.lr,
        "cosine",
        slope_start=options.slope_start,
        slope_end=options.slope_end,
        grown=0.8,
        noise=options.noise if options.activation == "rectifier" else 0.0,
    )


def _stepped(
    loss: Tensor, optimizer: torch.optim.Optimizer, growth: SlopeGrowth | None, rate: float, epoch: int
) -> float:
    value = loss.item()
    if not np.isfinite(value):
        raise DivergedError(f"The loss of the head is {value} in epoch {epoch + 1}.", "Lower its learning rate, lr.")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    if growth is not None:
        growth.step()
    return value


def _line(model: nn.Module, inputs: Tensor, options: HeadOptions, epoch: int, loss: float) -> str:
    found = _hardened(model, inputs[:1], options).balance(inputs[:_BATCH].numpy())
    return (
        f"epoch {epoch + 1}/{options.epochs}: loss {loss:.4f}, entropy of a bit {found.entropy:.3f}, "
        f"distinct codes {found.distinct:,} of {found.count:,}"
    )


def _check(features: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> None:
    fits = features.ndim == 2 and features.dtype == np.float32 and labels.shape == (len(features),)
    if not fits or len(features) < 2 or labels.dtype != np.int64:
        raise UsageError(
            f"Features {features.dtype} {features.shape} and labels {labels.dtype} {labels.shape} train no head.",
            "Give float32 (N, features) and int64 (N,), N at least 2.",
        )
    if not np.isfinite(features).all():
        raise UsageError("A feature is not a finite number.", "Look at the pictures or at the network they come from.")
    if labels.min() < 0 or labels.max() >= classes:
        raise UsageError(
            f"Labels reach from {labels.min()} to {labels.max()}; there are {classes} classes.",
            f"Give labels from 0 to {classes - 1}.",
        )
