"""Beyond the paper: deeper networks for CIFAR-10, with the usual flips and crops."""

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.tables import RETRAINED, ROWS, THRESHOLDED

DEEPER = Experiment(
    name="deeper",
    title="Deeper networks (not in the paper)",
    rows={
        **{row: title for row, title in ROWS.items() if row not in (THRESHOLDED, RETRAINED)},
        "steps, recalibrated": "statistics estimated again",
        "compiled": "compiled, without torch",
    },
    trials=(
        Trial("plain8", "CIFAR-10, plain8", "cifar10-deep"),
        Trial("vgg_small", "CIFAR-10, vgg_small", "cifar10-deep", ("net.name=vgg_small",)),
    ),
    notes="Pictures are flipped and shifted by up to four pixels, for the ReLU network too, which has the same epochs. "
    "Every hidden activation is a bit; weights are real. Networks of the literature with bits for activations and "
    "weights of ±1 reach 92.5 with VGG-small, in hundreds of epochs on GPUs.",
    seeds=1,
)
