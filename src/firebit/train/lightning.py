"""A callback for Lightning: growth, phases and census in anyone's LightningModule, and steps at its end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from firebit.errors import UsageError
from firebit.extras import MissingExtraError
from firebit.nn.census import counting
from firebit.nn.growth import SlopeGrowth
from firebit.nn.harden import harden
from firebit.nn.strength import Points

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ModuleNotFoundError as error:
    raise MissingExtraError("lightning", "firebit.train.lightning") from error

_STATE, _PHASE = "growth", "phase"
_NOWHERE = -1


@dataclass(frozen=True)
class GrowthPhase:
    """One phase of training (§3.3): how long, and how strongly slopes grow.

    Attributes:
        epochs: how many, ≥ 1.
        strength: λ of :class:`firebit.nn.SlopeGrowth` per optimizer step, or λ by patterns of layer names.
        law: "log", "inverse" or "inverse_square".
        schedule: factors on the strength by optimizer steps of the phase; see :class:`firebit.nn.SlopeGrowth`.
    """

    epochs: int
    strength: float | dict[str, float]
    law: str = "log"
    schedule: Points | None = field(default=None)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise UsageError(f"epochs={self.epochs} is no length of a phase.", "Give at least 1.")


class GrowthCallback(Callback):  # type: ignore[misc]
    """Grows the slopes of a LightningModule's bounded rectifiers once per optimizer step, phase by phase.

    Growth follows every step of the optimizer, so with gradient accumulation once per accumulated batch, and depends on
    slopes alone, so that replicas stay the same. A step that a gradient scaler skips is grown after: use bfloat16. The
    module optimizes by itself or leaves it to Lightning; with several optimizers growth follows the first. Checkpoints
    of Lightning hold the growth's state, so that resumed training goes on where it was.

    During validation the census of the pictures is taken, and logged as `binary` (level of the whole network) and
    `binary/LAYER`. At the end of training :attr:`hardened` is the network with steps.

    Args:
        phases: one after the other; behind the last nothing grows.
        example: one batch of pictures as the network receives it, for hardening; None: nothing is hardened.
        network: the name of the attribute that holds the network with rectifiers; "" for the LightningModule itself.
        census: whether to count while validating.
        recalibrate: batches of x or (x, …) for batch-norm statistics with the steps in place; see
            :func:`firebit.nn.harden`.

    Attributes:
        growth: the :class:`firebit.nn.SlopeGrowth` of the present phase; None before the first
            and behind the last.
        hardened: the network with steps, in eval mode, once training has ended; else None.

    Raises:
        UsageError: no phase, or (when training starts) no such attribute or no rectifier.

    Example:
        >>> callback = GrowthCallback([GrowthPhase(4, 2e-3), GrowthPhase(4, 3e-2)])
        >>> len(callback.phases)
        2
    """

    def __init__(
        self,
        phases: Sequence[GrowthPhase],
        *,
        example: Tensor | None = None,
        network: str = "",
        census: bool = True,
        recalibrate: Iterable[Any] | None = None,
    ) -> None:
        if not phases:
            raise UsageError("There is no phase of growth.", "Give one or two: GrowthCallback([GrowthPhase(4, 2e-3)]).")
        self.phases = tuple(phases)
        self.example = example
        self.network = network
        self.census = census
        self.recalibrate = recalibrate
        self.growth: SlopeGrowth | None = None
        self.hardened: nn.Module | None = None
        self._at: int | None = _NOWHERE
        self._restored: dict[str, Any] | None = None
        self._steps = 0
        self._counting: Any = None
        self._counters: Any = None

    @property
    def epochs(self) -> int:
        """Epochs of all phases, to give to the trainer."""
        return sum(phase.epochs for phase in self.phases)

    def phase_at(self, epoch: int) -> int | None:
        """The number of the phase that `epoch`, from 0 on, belongs to; None behind the last."""
        for number, phase in enumerate(self.phases):
            if epoch < phase.epochs:
                return number
            epoch -= phase.epochs
        return None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count steps."""
        self.hardened, self._steps, self._at = None, trainer.global_step, _NOWHERE
        self._enter(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set in a new phase's growth where one begins."""
        self._enter(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Grow, if the optimizer has made a step."""
        if trainer.global_step > self._steps and self.growth is not None:
            self.growth.step()
        self._steps = trainer.global_step

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to count how binary every unit is."""
        if self.census:
            self._counting = counting(self._network(pl_module))
            self._counters = self._counting.__enter__()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the census of the validation pictures."""
        if self._counting is None:
            return
        self._counting.__exit__(None, None, None)
        self._counting = None
        census = self._counters.census()
        figures = {"binary": census.level, **{f"binary/{name}": layer.level for name, layer in census.layers.items()}}
        pl_module.log_dict(figures, sync_dist=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.__exit__(None, None, None)
            self._counting = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put steps in, in a copy."""
        if self.example is not None:
            network = self._network(pl_module)
            self.hardened = harden(network, self.example.to(pl_module.device), recalibrate=self.recalibrate)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint of Lightning keeps."""
        return {} if self.growth is None else {_PHASE: self._at, _STATE: self.growth.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what a checkpoint kept, when training starts; a phase that begins then begins anew."""
        self._restored = dict(state_dict) or None

    def _enter(self, trainer: Trainer, pl_module: LightningModule) -> None:
        number, network = self.phase_at(trainer.current_epoch), self._network(pl_module)
        if number == self._at:
            return
        self._at, self.growth = number, None
        if number is not None:
            phase = self.phases[number]
            self.growth = SlopeGrowth(network, phase.strength, law=phase.law, schedule=phase.schedule)
        if self.growth is not None and self._restored and self._restored[_PHASE] == number:
            self.growth.load_state_dict(self._restored[_STATE])
        self._restored = None

    def _network(self, pl_module: LightningModule) -> nn.Module:
        found: nn.Module | None = dict(pl_module.named_modules()).get(self.network)
        if found is None:
            raise UsageError(
                f"{type(pl_module).__name__} has no network {self.network!r}.",
                'Name the attribute that holds it, e.g. network="model", or "" for the module itself.',
            )
        return found
