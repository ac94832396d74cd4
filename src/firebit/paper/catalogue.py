"""All experiments by name: those that train, and those that read what was trained."""

from firebit.paper.ablation import ABLATION
from firebit.paper.deeper import DEEPER
from firebit.paper.figures import FIGURE_2, FIGURE_3, FIGURE_4
from firebit.paper.matrix import FIGURE_5
from firebit.paper.smallest import FIGURE_6
from firebit.paper.tables import TABLE_1, TABLE_2
from firebit.paper.weights import WEIGHTS

_ALL = (TABLE_1, TABLE_2, FIGURE_2, FIGURE_3, FIGURE_4, WEIGHTS, ABLATION, DEEPER)
EXPERIMENTS = {each.name: each for each in _ALL}

READINGS = {each.name: each for each in (FIGURE_5, FIGURE_6)}
