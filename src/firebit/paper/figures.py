"""Figures 2, 3 and 4 of the paper as experiments."""

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.tables import NOTES, TABLE_2

_LONG = 60
_LAYERS = ("act1", "act2", "act3", "act4")

FIGURE_2 = Experiment(
    name="figure2",
    title="Figures 2 and 4, left: how units become binary",
    rows={},
    trials=tuple(trial for trial in TABLE_2.trials if trial.name in ("mnist", "cifar10", "cifar10-best")),
    notes=f"A unit is a channel at a position. The vertical line stands between the phases. {NOTES}",
    source=TABLE_2.name,
    drawing="binarisation",
)

FIGURE_3 = Experiment(
    name="figure3",
    title="Figure 3: long training, ReLU beside bounded rectifiers",
    rows={"relu": "ReLU", "phase1": "ours", "phase1 steps": "ours, steps"},
    trials=tuple(
        Trial(
            name,
            title,
            "cifar10",
            (
                *(f"baseline.epochs={_LONG}", f"phase1.epochs={_LONG}", "phase1.schedule=cosine", "phase2.epochs=0"),
                *("classifier.epochs=0", f"net.dropout={dropout}", "autocast=true"),
                *("optimizer.weight_decay=5e-4", "baseline.lr=0.05", "phase1.lr=0.05"),
                *("net.slope_init=0.25", "net.shift_init=-2", "phase1.growth=2e-6"),
                *("phase1.noise=1", "phase1.noise_end=1"),
            ),
            printed=printed,
        )
        for name, title, dropout, printed in (
            ("plain", "without dropout", 0.0, {"relu": 75.40, "phase1": 80.48}),
            ("dropout", "dropout ½", 0.5, {}),
        )
    ),
    notes=f"cifar10_quick on CIFAR-10, {_LONG} epochs of each network with the same optimizer and rate, which falls as "
    "a cosine. Rectifiers start as ReLUs that are bounded at four standard deviations; slopes grow a little (from ¼ to "
    "0.43 by growth alone), and learn with noise of up to half a deviation either way on their pre-activations; ReLUs "
    "have none. As in the paper, ours is not binary here. The paper does not say how long it trained, and has no batch "
    "norm and no noise. Dropout is before the last two linear layers. The right half, ImageNet, is not run.",
    drawing="curves",
    seeds=1,
)

FIGURE_4 = Experiment(
    name="figure4",
    title="Figure 4, right: accuracy as more layers are binary",
    rows={"phase2": "phase 2", "phase2 steps": "phase 2, steps"},
    trials=tuple(
        Trial(
            f"from-{_LAYERS[first]}",
            " ".join(_LAYERS[first:]),
            "cifar10",
            (f"layers={list(_LAYERS[first:])}", "classifier.epochs=0", "baseline.enabled=false", "autocast=true"),
        )
        for first in reversed(range(len(_LAYERS)))
    ),
    notes="cifar10_quick on CIFAR-10. The layers named are binary, the others bounded rectifiers whose slopes do not "
    "grow. The paper draws this for AlexNet on ImageNet, without numbers; there conv2, conv3 and fc7 cost nothing.",
    drawing="sweep",
    seeds=1,
)
