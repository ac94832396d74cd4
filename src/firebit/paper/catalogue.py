"""All experiments by name."""

from firebit.paper.ablation import ABLATION
from firebit.paper.deeper import DEEPER
from firebit.paper.figures import FIGURE_2, FIGURE_3, FIGURE_4
from firebit.paper.tables import TABLE_1, TABLE_2
from firebit.paper.weights import WEIGHTS

_ALL = (TABLE_1, TABLE_2, FIGURE_2, FIGURE_3, FIGURE_4, WEIGHTS, ABLATION, DEEPER)
EXPERIMENTS = {each.name: each for each in _ALL}
