"""What the paper names beside its own choices: other growth laws, an entropy penalty, Gaussian slopes, He's weights."""

from firebit.paper.experiment import Experiment, Trial

_HALF = ("baseline.enabled=false", "classifier.epochs=0", "phase1.epochs=2", "phase2.epochs=4", "autocast=true")


def _trial(name: str, title: str, growth: tuple[float, float], *more: str, law: str = "log") -> Trial:
    phases = zip(("phase1", "phase2"), growth, strict=True)
    grown = [field for phase, each in phases for field in (f"{phase}.growth={each}", f"{phase}.law={law}")]
    return Trial(name, title, "cifar10", (*_HALF, *grown, *more))


_LOG = (3e-4, 3e-3)
_NONE = (0.0, 0.0)

ABLATION = Experiment(
    name="ablation",
    title="Alternatives that the paper names",
    rows={
        "phase1": "phase 1",
        "phase1 steps": "phase 1, steps",
        "phase2": "phase 2",
        "phase2 steps": "phase 2, steps",
        "steps, recalibrated": "statistics estimated again",
    },
    trials=(
        _trial("log", "growth −log∣k∣", _LOG),
        _trial("inverse", "growth 1/∣k∣", (2.2e-4, 7.5e-3), law="inverse"),
        _trial("inverse-square", "growth 1/k²", (8.3e-5, 1.03e-2), law="inverse_square"),
        _trial("none", "no growth", _NONE),
        _trial("entropy", "no growth, entropy penalty", _NONE, "phase1.entropy=0.02", "phase2.entropy=0.2"),
        _trial("gaussian", "growth −log∣k∣, slopes standard normal", _LOG, "net.slope_init=normal"),
        _trial("he", "growth −log∣k∣, He's initial weights", _LOG, "init=he"),
    ),
    notes="cifar10_quick on CIFAR-10, half of the usual epochs. The strengths of the three laws are such that slopes "
    "from ½ end alike by growth alone: at 0.92 after phase 1, 3.6 after phase 2.",
    seeds=1,
)
