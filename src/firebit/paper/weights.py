"""Section 4.4 of the paper: weights of ±1 in networks of one, two and four times the width; and learned ones."""

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.tables import SETTLED

# The teacher is the ReLU network of width 1.
_WIDE = (
    *("baseline.width=1", "baseline.epochs=40", "phase1.epochs=20", "phase2.epochs=10"),
    *SETTLED,
    "net.shift_init=0",
)
_THRESHOLDED = ("weights.kind=thresholded", "weights.others=fixed", "weights.epochs=4")
_LEARNED = ("weights.kind=learned", "weights.epochs=12")
# The rate of the recipes, and slopes as they were before its sharp end.
_AGAIN = ("weights.lr=0.0015", "weights.soften=5")
_PRINTED = {1: 63.55, 2: 69.68, 4: 75.07}


def _cifar(width: int, kind: str, overrides: tuple[str, ...]) -> Trial:
    printed = {"weights steps": _PRINTED[width]} if kind == "thresholded" else {}
    title = f"CIFAR-10, cifar10_quick, {width}×, {kind}"
    # At width 1 the very recipe of table 2, whose run these go on from.
    width_set = () if width == 1 else (*_WIDE, f"net.width={width}")
    return Trial(f"{kind}-{width}x", title, "cifar10-best", (*width_set, *_AGAIN, *overrides), None, printed, 1)


WEIGHTS = Experiment(
    name="weights",
    title="Section 4.4: weights of ±1",
    rows={
        "phase2 steps": "real weights, steps",
        "weights": "±1 weights, soft",
        "weights steps": "±1 weights, steps",
        "weights steps, recalibrated": "statistics estimated again",
    },
    trials=(
        *(_cifar(width, "thresholded", _THRESHOLDED) for width in (1, 2, 4)),
        *(_cifar(width, "learned", _LEARNED) for width in (1, 2)),
        *(
            Trial(f"mnist-{kind}", f"MNIST, LeNet, {kind} (not in the paper)", "mnist-best", (*_AGAIN, *overrides))
            for kind, overrides in (("thresholded", _THRESHOLDED), ("learned", (*_LEARNED, "weights.epochs=20")))
        ),
    ),
    notes="Thresholded: after phase 2 every weight but the first layer's becomes its sign, times a scale per output "
    "channel, and is fixed, the first layer's too; biases, slopes and shifts are trained on. Learned: those weights "
    "are bounded, with slopes that grow, and the first layer's learn on. In the end all hidden activations are steps. "
    "Networks of more channels begin with 30 epochs of their own, around a shift of 0, and not with those of table 2.",
)
