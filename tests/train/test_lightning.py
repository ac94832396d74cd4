"""Lightning's loop with the callback does what a plain loop with growth does, to the last bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import firebit as fb
from firebit.errors import UsageError
from firebit.nn import BoundedRectifier, SlopeGrowth, Step

pl = pytest.importorskip("lightning.pytorch")

from firebit.train.lightning import GrowthCallback, GrowthPhase  # noqa: E402

PHASES = (GrowthPhase(1, 1e-3), GrowthPhase(2, {"1": 2e-2}, law="inverse"))
BATCH = 10


class Module(pl.LightningModule):  # type: ignore[misc, name-defined]
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        self.model(batch[0])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer(self.model)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(fb.nn.param_groups(model, weight_decay=1e-4), lr=0.1, momentum=0.9)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 4), BoundedRectifier(4), nn.Linear(4, 6), BoundedRectifier(6), nn.Linear(6, 3))


@pytest.fixture(scope="module")
def loader() -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4 * BATCH, 5, generator=generator)
    return DataLoader(TensorDataset(x, x.abs().argmax(1) % 3), batch_size=BATCH)


@pytest.fixture
def fitted(loader: DataLoader[Any], tmp_path: Path) -> Callable[..., tuple[Module, Any]]:
    def fit(
        growth: GrowthCallback, *, epochs: int = 3, ckpt_path: Path | None = None, **options: Any
    ) -> tuple[Module, Any]:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        trainer = pl.Trainer(
            max_epochs=epochs, callbacks=[growth], logger=False, accelerator="cpu", default_root_dir=tmp_path,
            **quiet, **options,
        )  # fmt: skip
        module = Module(network())
        trainer.fit(module, loader, loader, ckpt_path=ckpt_path)
        return module, trainer

    return fit


def plain(loader: DataLoader[Any], accumulated: int = 1) -> nn.Module:
    """The same training without Lightning."""
    model = network()
    chosen = optimizer(model)
    for phase in PHASES:
        growth = SlopeGrowth(model, phase.strength, law=phase.law)
        for _ in range(phase.epochs):
            for at, (x, y) in enumerate(loader, 1):
                (nn.functional.cross_entropy(model(x), y) / accumulated).backward()
                if at % accumulated == 0:
                    chosen.step()
                    chosen.zero_grad()
                    growth.step()
    return model


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("accumulated", [1, 2])
def test_growth_is_that_of_a_plain_loop(
    fitted: Callable[..., tuple[Module, Any]], loader: DataLoader[Any], accumulated: int
) -> None:
    module, _ = fitted(GrowthCallback(PHASES, network="model"), accumulate_grad_batches=accumulated)
    expected = plain(loader, accumulated)
    assert same(module.model, expected)
    # And not that of a loop without: layer 3 does not grow in the second phase.
    assert expected[1].slope.abs().mean() > 1.05 * expected[3].slope.abs().mean()


@pytest.mark.parametrize("lengths", [(3,), (2, 1)])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    fitted: Callable[..., tuple[Module, Any]], lengths: tuple[int, ...], tmp_path: Path
) -> None:
    # Strengths that depend on the step of a phase, which a checkpoint has to keep.
    phases = [GrowthPhase(epochs, 2e-2, schedule=[(0, 0.0), (10, 1.0)]) for epochs in lengths]
    whole, _ = fitted(GrowthCallback(phases, network="model"))
    _, trainer = fitted(GrowthCallback(phases, network="model"), epochs=2)
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    resumed, _ = fitted(GrowthCallback(phases, network="model"), ckpt_path=tmp_path / "two.ckpt")
    assert same(resumed.model, whole.model)


def test_the_census_is_logged_and_steps_are_put_in(
    fitted: Callable[..., tuple[Module, Any]], loader: DataLoader[Any]
) -> None:
    x = next(iter(loader))[0]
    growth = GrowthCallback(PHASES, network="model", example=x)
    module, trainer = fitted(growth)
    found = fb.nn.census(module.model, loader)
    assert trainer.callback_metrics["binary"].item() == pytest.approx(found.level)
    assert trainer.callback_metrics["binary/3"].item() == pytest.approx(found.layers["3"].level)
    assert growth.hardened is not None
    assert [type(layer) for layer in growth.hardened] == [nn.Linear, Step, nn.Linear, Step, nn.Linear]  # type: ignore[arg-type]
    assert torch.equal(growth.hardened(x), fb.nn.harden(module.model, x)(x))


def test_without_census_nothing_is_logged(fitted: Callable[..., tuple[Module, Any]]) -> None:
    growth = GrowthCallback(PHASES, network="model", census=False)
    _, trainer = fitted(growth, epochs=1)
    assert "binary" not in trainer.callback_metrics and growth.hardened is None


def test_phases_follow_each_other_and_end() -> None:
    growth = GrowthCallback(PHASES)
    assert growth.epochs == 3
    assert [growth.phase_at(epoch) for epoch in range(4)] == [0, 1, 1, None]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: GrowthCallback([]), "There is no phase"),
        (lambda: GrowthPhase(0, 1e-3), "epochs=0 is no length"),
    ],
)
def test_what_is_no_phase(make: Callable[[], object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        make()


def test_a_network_that_is_not_there_is_named(fitted: Callable[..., tuple[Module, Any]]) -> None:
    with pytest.raises(UsageError, match="Module has no network 'net'"):
        fitted(GrowthCallback(PHASES, network="net"), num_sanity_val_steps=0)
