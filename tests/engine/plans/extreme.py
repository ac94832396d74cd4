"""Plans that ask for as much as the limits allow, in files of a few kilobytes.

    python extreme.py NAME

runs one on a picture and prints as JSON the seconds it took and by how many bytes the process grew at most.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from firebit.engine.network import Network
from firebit.engine.plan import Input, Layer, Plan
from firebit.engine.pool import Pool
from firebit.engine.term import Term


def step(name: str, *terms: Term, rows: int = 1, post: Pool | None = None) -> Layer:
    """A layer that fires from 0 on."""
    channels = terms[0].channels
    return Layer(name, terms, np.zeros((rows, channels), np.int32), np.ones(channels, np.int8), post)


def conv(*shape: int, source: str = "input", value: int = 1, **geometry: Any) -> Term:
    """A convolution of equal weights."""
    return Term(source, np.full(shape, value, np.int16), **geometry)


def padding() -> Plan:
    """One pixel in a map of 4096×4096."""
    return Plan(Input((1, 1, 1)), (step("a", conv(1, 1, 1, 1, padding=(2048, 2047, 2048, 2047))),))


def columns() -> Plan:
    """2²⁰ placements of 64 weights, with sums that need 64-bit floating point."""
    term = conv(1, 1, 8, 8, value=32767, padding=(515, 515, 515, 515))
    return Plan(Input((1, 1, 1)), (step("a", term),))


def dilation() -> Plan:
    """Sixteen weights that reach over a whole map."""
    term = conv(1, 1, 4, 4, value=32767, padding=(1023, 1024, 1023, 1024), dilation=(200, 200))
    return Plan(Input((1, 1, 1)), (step("a", term),))


def terms() -> Plan:
    """A thousand terms."""
    term = conv(1, 1, 1, 1, padding=(63, 64, 63, 64))
    return Plan(Input((1, 1, 1)), (step("a", *[term] * 1000),))


def layers() -> Plan:
    """Five maps of counts, 50 MB each, that the last layer reads."""
    pad = (0, 0, 1024, 2047)
    first = [step(f"{i}", conv(1, 1, 1, 1, padding=pad), post=Pool("sum", (2, 1), (1, 1))) for i in range(5)]
    last = step("last", *[conv(1, 1, 1, 1, source=f"{i}", stride=(3, 3)) for i in range(5)])
    return Plan(Input((1, 4096, 1)), (*first, last))


def windows() -> Plan:
    """A mean over windows of 65,536 cells."""
    term = conv(64, 1, 1, 1, padding=(127, 128, 127, 128))
    return Plan(Input((1, 1, 1)), (step("a", term, post=Pool("mean", (256, 256), (1, 1))),))


def classes() -> Plan:
    """Windows of 100 heights and as many widths, with thresholds for each class."""
    pool = Pool("sum", (200, 200), (1, 1), (99, 99))
    rows = len(pool.windows(400, 400))
    term = conv(2, 1, 1, 1, padding=(199, 200, 199, 200), pool=pool)
    return Plan(Input((1, 1, 1)), (step("a", term, rows=rows),))


def groups() -> Plan:
    """As many groups as there may be, in a map of four cells."""
    names = [str(i) for i in range(10)]
    sources = ["wide", *names[:-1]]
    wide = step("wide", conv(1 << 14, 1, 1, 1))
    each = (conv(1 << 14, 1, 1, 1, source=source, groups=1 << 14) for source in sources)
    return Plan(Input((1, 2, 2)), (wide, *(step(name, term) for name, term in zip(names, each, strict=True))))


PLANS: dict[str, Callable[[], Plan]] = {
    build.__name__: build for build in (padding, columns, dilation, terms, layers, windows, classes, groups)
}


def grown() -> int:
    """The most bytes that the process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main(name: str) -> dict[str, float]:
    """Run a plan on one picture."""
    before, start = grown(), time.perf_counter()
    network = Network(PLANS[name]())
    network.codes(np.full((1, *network.input_shape), 255, np.uint8))
    return {"seconds": time.perf_counter() - start, "growth": grown() - before}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
