"""The paper's experiments: declared runs, whose records are kept, and the pages they make (needs torch)."""

from firebit.paper.catalogue import EXPERIMENTS, READINGS, read
from firebit.paper.experiment import Experiment, Trial
from firebit.paper.run import Places, reproduce

__all__ = ["EXPERIMENTS", "READINGS", "Experiment", "Places", "Trial", "read", "reproduce"]
