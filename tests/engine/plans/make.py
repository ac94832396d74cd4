"""How schema-1.firebit was made. Files of released schemas are never made again: they stay as they were written.

python make.py FILE
"""

import sys

import numpy as np

from firebit.engine.plan import Input, Layer, Logits, Plan, Term
from firebit.engine.pool import Pool


def plan() -> Plan:
    """A network with a use for every field, small enough to be worked out by hand (schema-1.json)."""
    slanted = np.array([[[[1, 0], [0, -1]]], [[[0, 2], [1, 0]]]], np.int16)
    pooled = Term("input", slanted, padding=(0, 1, 0, 1), pool=Pool("sum", (2, 2), (2, 2), ceil=True))
    # Windows of 1, 2 and 4 cells.
    rows = np.array([[8, 2], [8, 19], [-16, 55]], np.int32)
    conv = Layer("conv", (pooled,), rows, np.array([1, -1], np.int8))

    mixed = Term("conv", np.array([[[[1]], [[1]]], [[[1]], [[-1]]]], np.int16))
    shortcut = Term("conv", np.array([2, -1], np.int32))
    mean = Pool("mean", (1, 2), (1, 1), (0, 1))
    ends = np.array([[1, 1]], np.int32)
    block = Layer("block", (mixed, shortcut), ends, np.array([-1, 1], np.int8), post=mean)

    signs = np.array([[1] * 12, [1] * 6 + [-1] * 6, [1, -1] * 6], np.int16)
    code = Layer("code", (Term("block", signs),), np.array([[12, -7, 5]], np.int32), np.array([1, -1, 0], np.int8))

    votes = np.array([[1, 2, 3], [-1, 0, 1], [4, -2, 0]], np.int16)
    out = Logits("out", (Term("code", votes),), 0.5, np.array([0.25, -0.25, 0.5]))
    return Plan(Input((1, 3, 3), (1,)), (conv, block, code), out, ("red", "green", "blue"))


if __name__ == "__main__":
    plan().save(sys.argv[1])
