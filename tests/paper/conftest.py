"""An experiment that takes seconds."""

from pathlib import Path

import pytest

from firebit.paper.experiment import Experiment, Trial

OVERRIDES = (
    *("net.width=0.2", "batch=20", "threads=1", "size=28", "checkpoint_steps=4", "recalibrate=false"),
    *("phase1.epochs=2", "phase2.epochs=2", "baseline.epochs=4"),
)


@pytest.fixture(scope="session")
def experiment(few_digits: Path) -> Experiment:
    """Two trials, one with thresholded ReLUs and with the paper's figures."""
    given = (f"data={str(few_digits)!r}", *OVERRIDES)
    return Experiment(
        name="few",
        title="A few digits",
        rows={
            "relu": "ReLU",
            "relu thresholded": "thresholded",
            "relu thresholded, retrained": "retrained",
            "phase2 steps": "steps",
        },
        trials=(
            Trial("one", "One", "digits", given, thresholded="front to back", printed={"relu": 75.4}),
            Trial("two", "Two", "digits", (*given, "baseline.enabled=false")),
        ),
        notes="Nothing else is run.",
    )
