"""What makes a neuron fire: firing matrices, positive and negative classes, names, smallest pictures (no torch)."""

from firebit.explain.columns import Column, columns
from firebit.explain.effects import Effects, effects
from firebit.explain.explanation import Explanation, explain
from firebit.explain.firing import Firing, firing, load_firing
from firebit.explain.hierarchy import Hierarchy, load_hierarchy, wordnet
from firebit.explain.minimal import Minimal, is_minimal, minimal
from firebit.explain.names import Name, names
from firebit.explain.neurons import NeuronClassifier, neuron_classifiers
from firebit.explain.permutation import Null, permutation_null
from firebit.explain.segments import segment
from firebit.explain.selectivity import ClassEvidence, Selectivity, selectivity

__all__ = [
    "ClassEvidence",
    "Column",
    "Effects",
    "Explanation",
    "Firing",
    "Hierarchy",
    "Minimal",
    "Name",
    "NeuronClassifier",
    "Null",
    "Selectivity",
    "columns",
    "effects",
    "explain",
    "firing",
    "is_minimal",
    "load_firing",
    "load_hierarchy",
    "minimal",
    "names",
    "neuron_classifiers",
    "permutation_null",
    "segment",
    "selectivity",
    "wordnet",
]
