"""The paper's experiments: declared runs, whose records are kept, and the pages they make (needs torch)."""

from firebit.paper.experiment import Experiment, Trial
from firebit.paper.run import Places, reproduce
from firebit.paper.tables import EXPERIMENTS

__all__ = ["EXPERIMENTS", "Experiment", "Places", "Trial", "reproduce"]
