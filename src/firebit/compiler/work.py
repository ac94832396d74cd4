"""A lowering at work: the graph, what its nodes are so far, and the hidden layers made of them."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import fx

from firebit.compiler.outline import Step
from firebit.compiler.value import Constant, Joined, Reals, Stored, Sum, Unsupported
from firebit.engine.plan import INPUT
from firebit.engine.pool import Pool
from firebit.engine.term import Shape
from firebit.nn.graph import shape_of

Value = Stored | Joined | Sum | Constant


@dataclass(eq=False)
class Work:
    """What the lowering of a network has come to.

    Attributes:
        graph: the traced network.
        pictures: the pixels, and what the network sees of them.
        names: of the layers that calls of steps become.
        values: of the nodes so far.
        steps: the hidden layers so far, by name, in order.
        pads: the pixel per channel that stands for a cell of padding, (C,); None: no layer pads the input yet.
    """

    graph: fx.GraphModule
    pictures: Stored
    names: dict[fx.Node, str]
    values: dict[fx.Node, Value] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    pads: Reals | None = None

    @property
    def batch(self) -> int:
        """Pictures in the example."""
        first = next(iter(self.graph.graph.nodes))
        shape = shape_of(first)
        assert shape is not None
        return shape[0]

    def free(self, name: str) -> str:
        """`name`, or `name`_1, `name`_2, … : the first that no layer has."""
        found, number = name, 0
        while found in (INPUT, *self.steps, *self.names.values()):
            number += 1
            found = f"{name}_{number}"
        return found

    def shape(self, source: str) -> Shape:
        """Shape of what a source holds."""
        if source == INPUT:
            return self.pictures.shape
        return self.steps[source].shape

    def is_bits(self, source: str) -> bool:
        """Whether what a source holds is 0 or 1."""
        if source == INPUT:
            return False
        step = self.steps[source]
        return step.post is None or step.post.kind == "max"

    def repeat(self, name: str, source: str, post: Pool | None = None) -> None:
        """A layer that repeats the bits of another, so that they can be pooled for some readers only."""
        if not self.is_bits(source):
            raise Unsupported("pools counts of bits again", "Pool once between two steps, in one window.")
        shape = self.shape(source)
        same = Stored.of(source, shape).as_sum(name)
        self.steps[name] = Step(name, same, np.ones(shape[0]), np.ones(shape[0], np.int8), post)

    def summed(self, value: Any, name: str) -> Sum:
        """A value as a sum, which a step can compare; `name` is what it is called where it was none."""
        if isinstance(value, Sum):
            return value
        if not isinstance(value, Stored):
            raise Unsupported("compares or adds up joined maps", "Join them behind the step or the addition.")
        if len(self.shape(value.source)) != len(value.shape):
            raise Unsupported("compares or adds up a flattened map", "Flatten it behind the step or the addition.")
        return value.as_sum(name)


def name_of(node: fx.Node) -> str:
    """The module path of a node, or of the module whose forward calls it with the name of the call."""
    if node.op == "call_module":
        return str(node.target)
    owner = node.meta.get("owner")
    return f"{owner}.{node.name}" if owner else node.name
