"""How the files of schemas were made. Those of released schemas are never made again: they stay as they were written.

python make.py SCHEMA FILE
"""

import sys

import numpy as np

from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.pool import Pool
from firebit.engine.tables import Tables
from firebit.engine.term import Term


def exact() -> Plan:
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


def fast() -> Plan:
    """A network with quantised tables, weights of a byte and a shortcut, worked out by hand in schema-2.json."""
    see = Term("input", np.ones((2, 1, 1, 1), np.int16))
    seen = Layer("see", (see,), np.array([[10, 20]], np.int32), np.array([1, -1], np.int8))

    # By index, channel 0 counting 1 and channel 1 counting 2, the entries are 1 4 0 3 and 0 2 2 4 for the first output,
    # halves rounded up, and 0 1 0 1 and 1 1 0 0 for the second.
    weights = np.array([[[[5, 3]], [[-2, 4]]], [[[1, 0]], [[0, -1]]]], np.int16)
    tables = Tables(np.array([1 << 23, 1 << 24], np.int32), 2)
    looked_up = Term("see", weights, padding=(0, 0, 0, 1), tables=tables)
    shortcut = Term("see", np.array([2, -3], np.int32))
    block = Layer("block", (looked_up, shortcut), np.array([[5, -1]], np.int32), np.array([1, -1], np.int8))

    bytes_ = np.array([[1, 2, 3, 4, -1, -2, -3, -4], [127, -127, 1, 0, 0, 0, 5, 100]], np.int8)
    code = Layer("code", (Term("block", bytes_),), np.array([[2, -26]], np.int32), np.array([1, -1], np.int8))
    out = Logits("out", (Term("code", np.array([[1, 2], [3, -3]], np.int8)),), 0.5, np.array([0.25, -0.5]))
    return Plan(Input((1, 2, 2)), (seen, block, code), out, ("yes", "no"), "fast")


MAKERS = {1: exact, 2: fast}

if __name__ == "__main__":
    MAKERS[int(sys.argv[1])]().save(sys.argv[2])
