"""Recipes: everything that decides what a training run does, validated before anything starts."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from firebit.errors import UsageError
from firebit.train.refusal import refusal
from firebit.train.toml import set_value, to_toml

Schedule = Literal["constant", "linear", "cosine", "step"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class _Scheduled(_Table):
    """A stage's way to lower its learning rate."""

    schedule: Schedule = "cosine"
    drops: tuple[Annotated[FiniteFloat, Field(gt=0, lt=1)], ...] = Field(
        (), description="shares of the steps at which the schedule step lowers the rate to a tenth"
    )

    @model_validator(mode="after")
    def _drops_of_steps(self) -> Self:
        if (self.schedule == "step") != bool(self.drops):
            raise ValueError('the schedule "step" goes with drops, and drops go with no other schedule')
        if list(self.drops) != sorted(set(self.drops)):
            raise ValueError(f"drops {list(self.drops)} do not rise")
        return self


class Net(_Table):
    """The network: a name of the zoo and its options (:class:`firebit.zoo.NetOptions`)."""

    name: str = "lenet"
    activation: Literal["rectifier", "straight-through"] = "rectifier"
    rectified: Literal["all", "last"] = "all"
    batch_norm: bool = True
    centred: bool = False
    centred_pixels: bool = False
    order: Literal["pool-first", "act-first"] = "pool-first"
    max_pooling: bool = Field(False, description="in place of average pooling")
    width: FiniteFloat = Field(1.0, gt=0)
    slope_init: FiniteFloat | Literal["normal"] = 0.5
    shift_init: FiniteFloat = Field(0.0, description="where the shift of batch norm before a rectifier starts")
    dropout: FiniteFloat = Field(0.0, ge=0, lt=1)
    dropped: Literal["all", "first"] = "all"
    lrn: bool = Field(False, description="of AlexNet alone, behind ReLUs")
    code: int = Field(0, ge=0, le=4096, description="bits of a layer of codes, 12 or more; 0: none")

    @model_validator(mode="after")
    def _long_enough(self) -> "Net":
        if 0 < self.code < 12:
            raise ValueError(f"a code of {self.code} bits is too short: give 12 to 4096, or 0 for no layer of codes")
        return self

    @property
    def is_soft(self) -> bool:
        """Whether activations are real numbers while it trains; straight-through steps are bits from the start."""
        return self.activation == "rectifier"

    def options(self) -> dict[str, Any]:
        """Options of the zoo's network."""
        return self.model_dump(exclude={"name"} if self.lrn else {"name", "lrn"})


class Baseline(_Scheduled):
    """The ReLU network of the same architecture, trained first for comparison."""

    enabled: bool = True
    epochs: int | None = Field(None, ge=1, description="None: as many as both phases together")
    width: FiniteFloat | None = Field(None, gt=0, description="None: that of the network")
    dropout: FiniteFloat | None = Field(None, ge=0, lt=1, description="None: that of the network")
    lr: FiniteFloat = Field(0.02, gt=0)
    optimizer: Literal["sgd", "adamw"] | None = Field(None, description="None: that of the phases")
    weight_decay: FiniteFloat | None = Field(None, ge=0, description="None: that of the phases")


class Phase(_Scheduled):
    """One of the two phases (§3.3)."""

    epochs: int = Field(1, ge=0)
    lr: FiniteFloat = Field(0.02, gt=0)
    growth: FiniteFloat = Field(0.0, ge=0, description="λ of the slope growth, per optimizer step")
    growth_end: FiniteFloat | None = Field(None, ge=0, description="λ at the end of the phase; None: as at the start")
    front: FiniteFloat = Field(0.0, ge=0, le=1000, description="how far layers near the input are ahead on that way")
    hold: FiniteFloat = Field(0.0, ge=0, description="relative rise of the loss at which growth waits; 0: never")
    law: Literal["log", "inverse", "inverse_square"] = "log"
    slope_start: FiniteFloat = Field(1.0, gt=0, description="where the course of slopes begins")
    slope_end: FiniteFloat | None = Field(None, gt=0, description="where it ends; None: growth as above, no course")
    grown: FiniteFloat = Field(1.0, gt=0, le=1, description="share of the steps by which the course is at its end")
    sharp_end: FiniteFloat | None = Field(None, gt=0, description="where slopes go on to at the end; None: no further")
    sharp_from: FiniteFloat = Field(0.9, ge=0, lt=1, description="share of the steps at which that begins")
    settle: bool = Field(False, description="layers learn no more once their course of slopes has ended")
    noise: FiniteFloat = Field(0.0, ge=0, description="width of noise on pre-activations at the start")
    noise_end: FiniteFloat = Field(0.0, ge=0, description="and at the end of the phase, with a straight line between")
    entropy: FiniteFloat = Field(0.0, ge=0, description="weight of the entropy of activations in the loss; 0: none")

    @model_validator(mode="after")
    def _one_way_to_grow(self) -> "Phase":
        if self.slope_end is None:
            if self.sharp_end is not None:
                raise ValueError("sharp_end goes on from slope_end, which is not set")
            if self.settle:
                raise ValueError("settle waits for the end of a course of slopes, and slope_end is not set")
            return self
        if self.growth_end is not None or self.law != "log":
            raise ValueError("slope_end goes with neither growth_end nor another law than log")
        if self.slope_end < self.slope_start:
            raise ValueError(f"slopes do not fall from slope_start {self.slope_start} to slope_end {self.slope_end}")
        if self.sharp_end is not None and self.sharp_end < self.slope_end:
            raise ValueError(f"slopes do not fall from slope_end {self.slope_end} to sharp_end {self.sharp_end}")
        if self.sharp_end is not None and self.sharp_from <= self.grown:
            raise ValueError(f"sharp_from {self.sharp_from} is not behind the end of the course, grown {self.grown}")
        return self


class Classifier(_Scheduled):
    """Fine-tuning of the last layer on binary features, after hardening (0 epochs: none)."""

    epochs: int = Field(0, ge=0)
    lr: FiniteFloat = Field(0.005, gt=0)


class Weights(_Scheduled):
    """Weights of ±1 times a scale, in a stage of their own after the phases (§4.4); "real": none."""

    kind: Literal["real", "thresholded", "learned"] = "real"
    epochs: int = Field(4, ge=1)
    lr: FiniteFloat = Field(0.01, gt=0)
    slope: FiniteFloat = Field(10.0, gt=0, description="κ of learned weights at the end of the stage")
    growth: FiniteFloat = Field(0.0, ge=0, description="λ of the growth of rectifiers meanwhile, per step")
    soften: FiniteFloat | None = Field(None, gt=0, description="slopes of rectifiers are at most this at the start")
    scaled: bool = Field(True, description="false: thresholded to ±1 without a scale, as in the paper")
    first: bool = Field(False, description="also the layer that reads pixels")
    last: bool = Field(True, description="also the layer that gives logits")
    exclude: tuple[str, ...] = Field((), description="names or patterns of layers that stay real")
    others: Literal["trained", "fixed"] = Field("trained", description="what becomes of weights that stay real")


class Optimizer(_Table):
    """SGD with momentum or AdamW; weight decay spares slopes, biases and norms."""

    name: Literal["sgd", "adamw"] = "sgd"
    momentum: FiniteFloat = Field(0.9, ge=0, lt=1)
    weight_decay: FiniteFloat = Field(1e-4, ge=0)
    weight_decay_end: FiniteFloat | None = Field(None, ge=0, description="at the end of each stage; None: as at first")


class Loss(_Table):
    """The training loss: cross entropy with labels, and the divergence from a teacher."""

    label_smoothing: FiniteFloat = Field(0.0, ge=0, lt=1)
    distillation: FiniteFloat = Field(0.0, ge=0, le=1, description="share of the teacher in the loss")
    temperature: FiniteFloat = Field(4.0, gt=0, description="what teacher's and student's logits are divided by")
    teacher: str | None = Field(None, description="directory of a run; None: this run's own ReLU baseline")


class Average(_Table):
    """Exponential moving average of the network over the steps of each stage (decay 0: none)."""

    decay: FiniteFloat = Field(0.0, ge=0, lt=1)
    start: FiniteFloat = Field(0.5, ge=0, lt=1, description="share of a stage's steps before averaging begins")


class Augment(_Table):
    """Deterministic augmentation by (seed, epoch, index)."""

    flip: bool = False
    crop: int = Field(0, ge=0)


class Input(_Table):
    """How pictures are read that are not held in memory, and what is cut out of them."""

    stream: bool = Field(False, description="also folders that fit into memory")
    workers: int | None = Field(None, ge=0, le=256, description="processes that decode, per rank; None: all cores")
    classes: str | None = Field(None, description="file with the order of the classes; None: the data's own, or sorted")
    test: str | None = Field(None, description="shards of the test set, where data is a pattern of shards")
    resize: int | None = Field(None, ge=8, description="shorter side before the middle is cut out; None: the size")
    area: tuple[FiniteFloat, FiniteFloat] = Field((0.08, 1.0), description="share of a picture that training cuts out")
    aspect: FiniteFloat = Field(4 / 3, ge=1, description="width / height of the widest cut; its inverse: the tallest")
    bad_pictures: Literal["skip", "fail"] = "skip"
    bad_shards: Literal["fail", "skip"] = "fail"

    @model_validator(mode="after")
    def _shares(self) -> "Input":
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"area {list(self.area)} is no pair of shares: give two numbers, 0 < first ≤ second ≤ 1")
        return self


class Recipe(_Table):
    """A training run. Every field can be set in TOML and overridden as ``table.key=value``."""

    data: str = "digits"
    net: Net = Net()
    layers: Literal["all", "last"] | Annotated[tuple[str, ...], Field(min_length=1)] = "all"
    seed: int = Field(0, ge=0, lt=2**31)
    batch: int = Field(100, ge=2, description="pictures per optimizer step, over all ranks and micro-batches")
    accumulate: int = Field(1, ge=1, description="micro-batches that each rank's part of a batch is computed in")
    validation: FiniteFloat = Field(0.0, ge=0, lt=1, description="share of the training set held out; 0: test set")
    init: Literal["xavier", "he"] = "xavier"
    threads: int | None = Field(None, ge=1, description="None: all cores")
    size: int | None = Field(None, ge=8, description="side pictures of a folder are resized to; None: the network's")
    recalibrate: bool = True
    channels_last: bool = Field(True, description="memory format of the pictures; the same functions, faster on CPUs")
    autocast: bool = Field(False, description="convolutions and linear layers in bfloat16 while training")
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?)$", description="cpu, cuda (a GPU per rank) or cuda:N")
    compile: bool = Field(False, description="torch.compile around the network while it trains")
    sync_batch_norm: bool = Field(False, description="batch norms see the whole batch of all ranks; GPUs only")
    checkpoint_steps: int = Field(200, ge=1)
    measure_every: int = Field(1, ge=1, description="epochs from one measurement to the next; a stage's last is one")
    optimizer: Optimizer = Optimizer()
    loss: Loss = Loss()
    average: Average = Average()
    augment: Augment = Augment()
    input: Input = Input()
    baseline: Baseline = Baseline()
    phase1: Phase = Phase(epochs=4, lr=0.03, growth=2e-4)
    phase2: Phase = Phase(epochs=3, lr=0.01, growth=2e-3)
    classifier: Classifier = Classifier()
    weights: Weights = Weights()

    @model_validator(mode="after")
    def _goes_together(self) -> "Recipe":
        if self.batch % self.accumulate:
            raise ValueError(f"a batch of {self.batch} does not divide into accumulate = {self.accumulate} parts")
        if self.sync_batch_norm and not self.device.startswith("cuda"):
            raise ValueError(f"sync_batch_norm works on GPUs only, and device is {self.device}")
        if self.compile and any(
            phase.noise or phase.noise_end or phase.entropy for phase in (self.phase1, self.phase2)
        ):
            raise ValueError("compile goes with neither noise nor entropy, which hook into the network at every step")
        return self

    @property
    def of_training(self) -> "Recipe":
        """The same without what does not reach the weights: how often they are saved and measured."""
        fields = type(self).model_fields
        return self.model_copy(update={name: fields[name].default for name in ("checkpoint_steps", "measure_every")})

    @property
    def has_phases(self) -> bool:
        """Whether rectifiers are trained, or else a ReLU baseline alone: with epochs of its own, and no other stage."""
        behind = self.classifier.epochs > 0 or self.weights.kind != "real"
        alone = self.baseline.enabled and self.baseline.epochs is not None
        return behind or self.phase1.epochs + self.phase2.epochs > 0 or not alone

    @property
    def baseline_optimizer(self) -> Optimizer:
        """The optimizer of the ReLU baseline: that of the phases, but for what the baseline has of its own."""
        own = {"name": self.baseline.optimizer, "weight_decay": self.baseline.weight_decay}
        return self.optimizer.model_copy(update=_given(own))

    @property
    def baseline_epochs(self) -> int:
        """Epochs of the ReLU baseline: its own figure, or the budget of both phases."""
        return self.baseline.epochs or self.phase1.epochs + self.phase2.epochs

    @property
    def baseline_net(self) -> Net:
        """The network of the ReLU baseline: ours, but for what the baseline has of its own."""
        own = {"width": self.baseline.width, "dropout": self.baseline.dropout}
        return self.net.model_copy(update=_given(own))

    def options(self, network: str) -> dict[str, Any]:
        """Options of the zoo's network; of the baseline, `network` "relu", all activations are ReLUs."""
        return {**self.baseline_net.options(), "activation": "relu"} if network == "relu" else self.net.options()

    def to_toml(self) -> str:
        """The whole recipe as TOML; reading it gives the same recipe."""
        return to_toml(self.model_dump(exclude_none=True))


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    folder = resources.files("firebit.train") / "recipes"
    return tuple(sorted(Path(item.name).stem for item in folder.iterdir() if item.name.endswith(".toml")))


def load_recipe(source: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by name or path and apply overrides.

    Args:
        source: a name of :func:`recipe_names`, or a TOML file.
        overrides: strings ``key=value`` or ``table.key=value``; the value is TOML, bare words are text.

    Raises:
        UsageError: no such recipe, invalid TOML, an unknown key (the nearest is suggested) or a value out of range.
    """
    text, where = _read(source)
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where} is not valid TOML: {error}.", "Mend the line it names.") from error
    for override in overrides:
        set_value(tree, override)
    return make_recipe(tree, where)


def make_recipe(tree: Mapping[str, Any], where: str = "The recipe") -> Recipe:
    """Validate a nested mapping as a recipe; `where` names it in errors."""
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise refusal(error, where, Recipe) from error


def _read(source: str | Path) -> tuple[str, str]:
    if str(source) in recipe_names():
        text = (resources.files("firebit.train") / "recipes" / f"{source}.toml").read_text("utf-8")
        return text, f"The recipe {source}"
    path = Path(source)
    try:
        return path.read_text("utf-8"), str(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"There is no recipe {str(source)!r} that can be read.",
            f"Give a TOML file, or one of: {', '.join(recipe_names())}.",
        ) from error
