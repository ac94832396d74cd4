"""A network with ReLUs trained to bits by Lightning: the callback grows slopes, takes the census and puts steps in.

    pip install 'firebit[lightning]'
    python examples/lightning_digits.py [EPOCHS]

EPOCHS (default 3) is for each of the two phases. Runs offline on the digits inside the package, in under a minute on
one core.
"""

import sys

# --8<-- the module
import lightning.pytorch as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import firebit as fb
from firebit.train.lightning import GrowthCallback, GrowthPhase


class Digits(pl.LightningModule):
    def __init__(self, model: nn.Module, example: torch.Tensor) -> None:
        super().__init__()
        self.model = fb.nn.rectify(model, example, slope_init=0.5)  # every ReLU: min(max(k·y + ½, 0), 1)

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        return nn.functional.cross_entropy(self.model(batch[0]), batch[1])

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        correct = (self.model(batch[0]).argmax(1) == batch[1]).float().mean()
        self.log("accuracy", correct, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(fb.nn.param_groups(self.model, weight_decay=1e-4), lr=0.02, momentum=0.9)


def train_to_bits(module: Digits, train: TensorDataset, test: TensorDataset, epochs: int = 3) -> nn.Module:
    growth = GrowthCallback(
        [GrowthPhase(epochs, strength=2e-3), GrowthPhase(epochs, strength=3e-2)],  # learn, then turn values into bits
        network="model",
        example=train.tensors[0][:100],
        recalibrate=DataLoader(train, batch_size=500),
    )
    trainer = pl.Trainer(max_epochs=growth.epochs, callbacks=[growth], logger=False, enable_checkpointing=False)
    trainer.fit(module, DataLoader(train, batch_size=100, shuffle=True), DataLoader(test, batch_size=500))
    print(f"{trainer.callback_metrics['binary']:.1%} of the values were bits before steps were put in")
    assert growth.hardened is not None
    return growth.hardened


# --8<-- the end of the module


def network() -> nn.Sequential:
    """A small network for 28×28 pictures; pooling comes before the activation, so that bits leave every layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5), nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 5), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 128), nn.BatchNorm1d(128), nn.ReLU()),
        nn.Linear(128, 10),
    )


def digits(split: str) -> TensorDataset:
    """Pictures (N, 1, 28, 28) in [0, 1] and labels (N,)."""
    data = fb.data.load("digits", split)
    return TensorDataset(torch.from_numpy(fb.data.to_float(data.images)), torch.from_numpy(data.labels))


@torch.no_grad()
def accuracy(model: nn.Module, data: TensorDataset) -> float:
    """Share of pictures that the model names right."""
    images, labels = data.tensors
    return (model.eval()(images).argmax(1) == labels).double().mean().item()


def main(epochs: int = 3) -> tuple[float, float]:
    """Train on the digits, print the accuracies on the test set and return them: with rectifiers, with steps."""
    pl.seed_everything(0, verbose=False)
    train, test = digits("train"), digits("test")
    module = Digits(network(), train.tensors[0][:100])
    hard = train_to_bits(module, train, test, epochs)
    found = accuracy(module.model, test), accuracy(hard, test)
    print(f"test set: {found[0]:.2%} with rectifiers, {found[1]:.2%} with steps")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
