"""Native code against the NumPy reference over whole test sets: every bit of every layer, every logit.

    python benchmarks/conformance.py

Of each pretrained network, its exact plan where it comes with that, and its fast one, on every instruction set that is
built here. Writes docs/results/conformance.json and .md.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firebit.data import load
from firebit.engine import native, record, reference
from firebit.engine.executor import NativeExecutor
from firebit.engine.plan import Plan
from firebit.engine.quantise import quantise
from firebit.files import write_text
from firebit.machine import processor
from firebit.pretrained import entry, names

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BATCH = 250


@dataclass
class Comparison:
    """What differs from the reference.

    Attributes:
        network: of the pretrained ones.
        precision: of its plan.
        instruction_set: of the native code.
        methods: how its terms are computed.
        pictures: of the test set.
        bits: how many bits were compared, those of all hidden layers.
        bits_differ: how many of them differ.
        logits_differ: how many logits differ, of pictures × classes.
    """

    network: str
    precision: str
    instruction_set: str
    methods: list[str]
    pictures: int = 0
    bits: int = 0
    bits_differ: int = 0
    logits_differ: int = 0


def compared(name: str, plan: Plan, pictures: NDArray[np.uint8]) -> list[Comparison]:
    """A plan on every instruction set, a batch at a time, so that the reference computes each once."""
    executors = {each: NativeExecutor(plan, each, 2) for each in native.instruction_sets()[:-1]}
    found = [
        Comparison(
            name, plan.precision, each, sorted({method for methods in own.methods.values() for method in methods})
        )
        for each, own in executors.items()
    ]
    for start in range(0, len(pictures), BATCH):
        seen = pictures[start : start + BATCH]
        walk = reference.Walk(plan, seen)
        for state in walk.states():
            for each in found:
                bits = executors[each.instruction_set].bits(seen, state.layer.name)
                each.bits += bits.size
                each.bits_differ += int((bits != state.bits).sum())
        logits = walk.logits()
        for each in found:
            each.pictures += len(seen)
            each.logits_differ += int((executors[each.instruction_set].logits(seen) != logits).sum())
    return found


def comparisons(networks: list[str]) -> Iterator[Comparison]:
    """Of the networks named, one after the other."""
    for name in networks:
        network = entry(name)
        own = record.load(network.file)
        pictures = load(network.facts["data"], "test").images
        for plan in (own, quantise(own)) if own.precision == "exact" else (own,):
            for each in compared(name, plan, pictures):
                print(each, flush=True)
                yield each


def page(facts: dict[str, str], found: list[Comparison]) -> str:
    """The record as Markdown."""
    rows = [
        f"| {each.network} | {each.precision} | {each.instruction_set} | {', '.join(each.methods)} | {each.pictures:,} "
        f"| {each.bits:,} | {each.bits_differ:,} | {each.logits_differ:,} |"
        for each in found
    ]
    lines = [
        "# Native code against the reference",
        "",
        f"`{facts['command']}`",
        "",
        f"Every bit of every hidden layer and every logit over whole test sets. {facts['processor']}, {facts['date']}.",
        "",
        "| network | plan | instruction set | methods | pictures | bits | bits that differ | logits that differ |",
        "|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        "Drawn layers of every kind of operation, 10,000 each, are compared by `pytest -m slow "
        "tests/engine/test_exactness.py`.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help="pretrained networks; default: all")
    options = parser.parse_args()
    command = " ".join(["python benchmarks/conformance.py", *options.networks])
    facts = {"command": command, "processor": processor(), "date": date.today().isoformat()}
    found = list(comparisons(options.networks or list(names())))
    content = {**facts, "comparisons": [asdict(each) for each in found]}
    write_text(RESULTS / "conformance.json", json.dumps(content, indent=1) + "\n")
    write_text(RESULTS / "conformance.md", page(facts, found))


if __name__ == "__main__":
    main()
