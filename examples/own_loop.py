"""Your own network in your own training loop: its ReLUs become rectifiers, the rectifiers become steps.

    python examples/own_loop.py [EPOCHS]

EPOCHS (default 4) is for each of the two phases. Runs offline on the digits inside the package, in under a minute on
one core.
"""

import sys

# --8<-- the loop
import torch
from torch import nn

import firebit as fb


def train_to_bits(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, epochs: int = 4
) -> tuple[nn.Module, nn.Module]:
    model = fb.nn.rectify(model, images[:100], slope_init=0.5)  # every ReLU: min(max(k·y + ½, 0), 1)
    for lr, strength in ((0.03, 2e-3), (0.01, 3e-2)):  # phase 1 learns, phase 2 turns values into bits
        optimizer = torch.optim.SGD(fb.nn.param_groups(model, weight_decay=1e-4), lr, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
        growth = fb.nn.SlopeGrowth(model, strength)
        for _ in range(epochs):
            for chosen in torch.randperm(len(images)).split(100):
                loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                growth.step()  # the slopes k grow, outside the learning rate
            schedule.step()
    hard = fb.nn.harden(model, images[:100], recalibrate=images.split(500))  # the rectifiers become steps
    print(f"{fb.nn.census(model, images.split(500)).level:.1%} of the values were bits before that")
    return model, hard


# --8<-- the end of the loop


def network() -> nn.Sequential:
    """A small network for 28×28 pictures; pooling comes before the activation, so that bits leave every layer."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 5), nn.MaxPool2d(2), nn.BatchNorm2d(16), nn.ReLU()),
        *(nn.Conv2d(16, 32, 5), nn.MaxPool2d(2), nn.BatchNorm2d(32), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 4 * 4, 128), nn.BatchNorm1d(128), nn.ReLU()),
        nn.Linear(128, 10),
    )


def digits(split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 1, 28, 28) in [0, 1] and labels (N,)."""
    data = fb.data.load("digits", split)
    return torch.from_numpy(fb.data.to_float(data.images)), torch.from_numpy(data.labels)


@torch.no_grad()
def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of pictures that the model names right."""
    return (model.eval()(images).argmax(1) == labels).double().mean().item()


def main(epochs: int = 4) -> tuple[float, float]:
    """Train on the digits, print the accuracies on the test set and return them: with rectifiers, with steps."""
    torch.manual_seed(0)
    soft, hard = train_to_bits(network(), *digits("train"), epochs)
    found = accuracy(soft, *digits("test")), accuracy(hard, *digits("test"))
    print(f"test set: {found[0]:.2%} with rectifiers, {found[1]:.2%} with steps")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
