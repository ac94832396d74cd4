"""Kill a process that writes to a store with SIGKILL, again and again, and see what is there afterwards.

    python benchmarks/search_kill.py --kills 100

A process upserts, deletes and compacts, in an order that a seed decides, and says after every call that it returned. It
is killed at a random moment, every third time while it compacts. Then the store is opened, checked page by page, and
must hold exactly what the calls that returned left, or that and the one call that was under way: a call is there as a
whole or not at all. The next process goes on with the same store.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from firebit.machine import processor
from firebit.search import CodeStore
from firebit.search.store.truth import Truth

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
BITS = 64
PER_CALL = 500
KINDS = ("upsert", "upsert", "upsert", "delete", "compact")

State = dict[str, bytes]


@dataclass(frozen=True)
class Call:
    """A call on the store: what kind, of which ids, with which codes."""

    kind: str
    ids: tuple[str, ...] = ()
    codes: bytes = b""

    def applied(self, state: State) -> State:
        """What a store holds after it."""
        if self.kind == "upsert":
            length = BITS // 8
            parts = (self.codes[at : at + length] for at in range(0, len(self.codes), length))
            return state | dict(zip(self.ids, parts, strict=True))
        if self.kind == "delete":
            return {name: code for name, code in state.items() if name not in set(self.ids)}
        return state


@dataclass(frozen=True)
class Kill:
    """What was found after one kill.

    Attributes:
        calls: that had returned.
        under_way: what kind of call was.
        took_place: whether it is there, as a whole.
        lost: committed items that are missing or wrong.
        visible: items that nobody committed.
        opened_seconds: to open the store and count it.
    """

    calls: int
    under_way: str
    took_place: bool
    lost: int
    visible: int
    opened_seconds: float


def calls(seed: int, start: int) -> Iterator[Call]:
    """Calls from one on; each is decided by its number."""
    number = start
    while True:
        made = np.random.default_rng([seed, number])
        kind = str(made.choice(KINDS))
        ids = tuple(f"item {each}" for each in made.choice(20_000, PER_CALL, replace=False).tolist())
        codes = made.integers(0, 256, (PER_CALL, BITS // 8), np.uint8).tobytes() if kind == "upsert" else b""
        yield Call(kind, ids if kind != "compact" else (), codes)
        number += 1


def work(path: Path, seed: int, start: int) -> None:
    """Write to a store until the end comes."""
    with CodeStore.open(path, BITS) as store:
        for number, call in enumerate(calls(seed, start), start):
            print("begin", number, call.kind, flush=True)
            if call.kind == "upsert":
                store.upsert(list(call.ids), codes=np.frombuffer(call.codes, np.uint8).reshape(PER_CALL, -1))
            elif call.kind == "delete":
                store.delete(list(call.ids))
            else:
                store.compact()
            print("end", number, call.kind, flush=True)


def killed(path: Path, seed: int, start: int, chance: random.Random, compacting: bool) -> tuple[int, str]:
    """Start a writer, kill it; how many calls have returned in all, and what kind was under way."""
    command = [sys.executable, __file__, "--work", str(path), "--seed", str(seed), "--start", str(start)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        returned, kind, left = start, "none", chance.randint(0, 12)
        for line in process.stdout:
            word, number, kind = line.split()
            returned = int(number) + 1 if word == "end" else returned
            left -= word == "end"
            if word == "begin" and left <= 0 and (kind == "compact" or not compacting):
                break
        time.sleep(chance.random() * 0.02)
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            word, number, kind = line.split()
            returned = int(number) + 1 if word == "end" else returned
    if process.returncode != -signal.SIGKILL:
        raise RuntimeError(f"the writer ended by itself, with {process.returncode}")
    return returned, kind


def found(path: Path) -> tuple[State, float]:
    """What a store holds, and the seconds that opening and counting it took."""
    begun = time.perf_counter()
    with CodeStore.open(path, BITS, create=False) as store:
        count = len(store)
        seconds = time.perf_counter() - begun
    with closing(Truth(path)) as truth:
        truth.check()
        rows = truth.rows()
    state = {name: code.tobytes() for name, code in zip(rows.ids, rows.codes, strict=True)}
    assert len(state) == count
    return state, seconds


def trial(
    path: Path, seed: int, start: int, state: State, chance: random.Random, compacting: bool
) -> tuple[Kill, State]:
    """One kill, and what the store must hold from then on."""
    returned, kind = killed(path, seed, start, chance, compacting)
    series = calls(seed, start)
    for _ in range(returned - start):
        state = next(series).applied(state)
    after = next(series).applied(state)
    held, seconds = found(path)
    took_place = held == after and after != state
    expected = after if took_place else state
    lost = sum(held.get(name) != code for name, code in expected.items())
    visible = sum(name not in expected for name in held)
    return Kill(returned, kind, took_place, lost, visible, seconds), held


def trials(path: Path, count: int, seed: int) -> Iterator[Kill]:
    """Kills one after the other, on one store."""
    chance, state, start = random.Random(seed), State(), 0
    CodeStore.open(path, BITS).close()
    for number in range(count):
        kill, state = trial(path, seed, start, state, chance, compacting=number % 3 == 2)
        yield kill
        # The call that was under way is done next, or done again: both leave the same.
        start = kill.calls + kill.took_place


def main() -> None:
    """Kill, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--start", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.seed, options.start)
    made: list[Kill] = []
    with tempfile.TemporaryDirectory() as folder:
        for kill in trials(Path(folder) / "codes.db", options.kills, options.seed):
            made.append(kill)
            print(len(made), kill, flush=True)
            if len(made) % 10 == 0 or len(made) == options.kills:
                write(made, options.seed)


def write(made: list[Kill], seed: int) -> None:
    """Write the page of what was found so far."""
    command = f"python benchmarks/search_kill.py --kills {len(made)} --seed {seed}"
    record = {"command": command, "machine": processor(), "date": date.today().isoformat()}
    record |= {"kills": [asdict(kill) for kill in made]}
    (RESULTS / "search-kill.json").write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    under_way = {kind: sum(kill.under_way == kind for kill in made) for kind in ("upsert", "delete", "compact")}
    lines = [
        "# Stores, killed",
        "",
        f"`{command}`",
        "",
        f"A process that writes to a store was killed with SIGKILL {len(made)} times, while it was to "
        + ", ".join(f"{kind} ({count})" for kind, count in under_way.items())
        + ". Then the store was opened and checked page by page.",
        "",
        "| | |",
        "|---|---|",
        f"| committed items lost or wrong | {sum(kill.lost for kill in made)} |",
        f"| uncommitted items visible | {sum(kill.visible for kill in made)} |",
        f"| calls under way that were there, as a whole | {sum(kill.took_place for kill in made)} |",
        f"| calls that had returned, all in all | {made[-1].calls:,} |",
        f"| opening, the slowest | {max(kill.opened_seconds for kill in made):.2f} s |",
        "",
        f"{processor()}, {date.today().isoformat()}.",
        "",
    ]
    (RESULTS / "search-kill.md").write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
