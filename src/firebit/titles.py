"""What people call the networks of a run."""

TITLES = {
    "relu": "ReLU",
    "phase1": "phase 1",
    "phase1 steps": "phase 1, steps",
    "phase2": "phase 2",
    "phase2 steps": "phase 2, steps",
    "weights": "±1 weights",
    "weights steps": "±1 weights, steps",
    "weights steps, recalibrated": "±1 weights, steps, recalibrated",
    "compiled": "compiled, without torch",
}
"""By the names of the rows of results.json; other rows go by their own names."""

REAL_VALUED = "some hidden activations are real numbers"
"""Why a network is not compiled of which only some layers are binary."""
