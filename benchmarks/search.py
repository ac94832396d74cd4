"""Stores of codes measured against their bars: speed beside faiss, upserts, filters.

    python benchmarks/search.py [--rounds 60] [--only upsert filter collapsed clusters cloud noise]

One thread; every part that is measured takes the place of what the page had of it. `clusters`, `cloud`, `noise`:
1,000,000 × 256 bits, k = 10, batches of 100 queries that were not stored; faiss's own indexes are searched over lists ×
probes for the quickest that reaches a recall@10 of 0.99; then it and the store take turns. Recall counts what is not
farther than the true tenth. faiss gives numbers of rows; the store ids, which are read, and once more with payloads.
`collapsed`: 250,000 × 64 bits around 10 class codes, 2 % of the bits flipped. `upsert`: 1,000,000 codes in calls of
10,000, each one a transaction, with payloads. `filter`: 100 queries that share a filter on 1 % of 1,000,000.
"""

# ruff: noqa: E402  (thread pools read their size when they are loaded)
import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from firebit.engine import native
from firebit.machine import processor
from firebit.search import CodeStore

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
TARGET = 0.99
K = 10
BATCH = 100
BATCHES = 10
PER_CALL = 10_000

Codes = NDArray[np.uint8]


@dataclass
class Ratio:
    """The store beside faiss's best.

    Attributes:
        codes: what kind.
        rival: faiss's quickest index that reaches the target.
        rival_recall: recall@10 of it.
        recall: recall@10 of the store.
        kind: of the store's index.
        rival_seconds: least processor time of a batch.
        bare_seconds: the same of the store, hits not looked at.
        seconds: the same, ids read.
        with_payload: the same, hits with payloads.
        ratio: rival's time over the store's bare one, of the least times.
        ratios: the same round by round: lower quartile, median, upper quartile.
    """

    codes: str
    rival: str
    rival_recall: float
    recall: float
    kind: str
    rival_seconds: float
    bare_seconds: float
    seconds: float
    with_payload: float
    ratio: float
    ratios: tuple[float, float, float]


@dataclass
class Results:
    """All that was measured."""

    ratios: list[Ratio] = field(default_factory=list)
    upsert: dict[str, float] = field(default_factory=dict)
    filter: dict[str, float] = field(default_factory=dict)


def projected(count: int, bits: int, clusters: int, seed: int) -> Codes:
    """Signs of a random projection of a mixture in 32 dimensions; 0 clusters: of one cloud."""
    made = np.random.default_rng(7)
    centres = made.normal(size=(max(1, clusters), 32)).astype(np.float32)
    projection = made.normal(size=(32, bits)).astype(np.float32)
    random = np.random.default_rng(seed)
    parts = []
    for start in range(0, count, 100_000):
        some = min(100_000, count - start)
        noise = random.normal(size=(some, 32)).astype(np.float32)
        points = centres[random.integers(0, clusters, some)] + 0.35 * noise if clusters else noise
        parts.append(np.packbits(points @ projection > 0, axis=1, bitorder="little"))
    return np.concatenate(parts)


def uniform(count: int, bits: int, seed: int) -> Codes:
    """Bits of a coin."""
    return np.random.default_rng(seed).integers(0, 256, (count, bits // 8), np.uint8)


def collapsed(count: int, bits: int, seed: int) -> Codes:
    """Ten codes, 2 % of the bits flipped: as supervised codes are."""
    classes = np.random.default_rng(7).integers(0, 2, (10, bits), np.uint8)
    random = np.random.default_rng(seed)
    flips = random.random((count, bits)) < 0.02
    return np.packbits(classes[random.integers(0, 10, count)] ^ flips, axis=1, bitorder="little")


def recall(distances: NDArray[np.int32], tenth: NDArray[np.int32]) -> float:
    """Share of hits that are not farther than the true tenth."""
    return float((distances <= tenth[:, None]).mean())


def true_tenth(codes: Codes, queries: Codes) -> NDArray[np.int32]:
    """Distance of the tenth nearest, exactly."""
    flat = faiss.IndexBinaryFlat(8 * codes.shape[1])
    flat.add(codes)
    found: NDArray[np.int32] = flat.search(queries, K)[0][:, -1]
    return found


def rivals(codes: Codes, lists: tuple[int, ...]) -> dict[str, Any]:
    """faiss's indexes over some codes: a flat one, inverted lists of several numbers."""
    bits = 8 * codes.shape[1]
    flat = faiss.IndexBinaryFlat(bits)
    flat.add(codes)
    found: dict[str, Any] = {"flat": flat}
    for count in lists:
        coarse = faiss.IndexBinaryFlat(bits)
        index = faiss.IndexBinaryIVF(coarse, bits, count)
        index.own_fields = False
        index.coarse = coarse
        # A fixed sample: training on all takes minutes.
        index.train(codes[np.random.default_rng(0).choice(len(codes), min(len(codes), 64 * count), replace=False)])
        index.add(codes)
        found[f"IVF{count}"] = index
        print(f"  faiss IVF{count} is built", flush=True)
    return found


def quickest(indexes: dict[str, Any], batches: list[Codes], tenth: NDArray[np.int32]) -> tuple[str, Any, float]:
    """The name of the quickest that reaches the target, how to ask it, and its recall."""
    best: tuple[float, str, Any, float] | None = None
    for name, index in indexes.items():
        for probes in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256) if name != "flat" else (0,):
            if probes:
                index.nprobe = probes
            found = np.concatenate([index.search(batch, K)[0] for batch in batches])
            reached = recall(found, tenth)
            if reached < TARGET:
                continue
            seconds = min(timed(lambda: index.search(batches[0], K)) for _ in range(5))  # noqa: B023
            if best is None or seconds < best[0]:
                best = seconds, f"{name}, nprobe {probes}" if probes else name, (index, probes), reached
            break
    assert best is not None
    return best[1:]


def timed(call: Callable[[], object]) -> float:
    """Processor time of a call on this thread, which alone computes: others use the machine too."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def compared(name: str, codes: Codes, queries: Codes, lists: tuple[int, ...], rounds: int, folder: Path) -> Ratio:
    """The store and faiss's best, in turns."""
    batches = [queries[at : at + BATCH] for at in range(0, len(queries), BATCH)]
    tenth = true_tenth(codes, queries)
    rival, (index, probes), rival_recall = quickest(rivals(codes, lists), batches, tenth)
    with CodeStore.open(folder / f"{len(list(folder.iterdir()))}.db", 8 * codes.shape[1], threads=1) as store:
        for start in range(0, len(codes), PER_CALL):
            part = codes[start : start + PER_CALL]
            store.upsert([f"p{start + at:07}" for at in range(len(part))], codes=part, payload=[{"n": 1}] * len(part))
        found = [hits for batch in batches for hits in store.search(codes=batch, payload=False)]
        own = recall(np.stack([hits.distances for hits in found]), tenth)
        times: dict[str, list[float]] = {"rival": [], "bare": [], "ids": [], "payload": []}
        if probes:
            index.nprobe = probes
        for number in range(rounds):
            batch = batches[number % len(batches)]
            ways = {
                "rival": lambda: index.search(batch, K),  # noqa: B023
                "bare": lambda: store.search(codes=batch, payload=False),  # noqa: B023
                "ids": lambda: [hits.ids for hits in store.search(codes=batch, payload=False)],  # noqa: B023
                "payload": lambda: [list(hits) for hits in store.search(codes=batch)],  # noqa: B023
            }
            for way in list(ways)[:: 1 if number % 2 else -1]:
                times[way].append(timed(ways[way]))
        kind = store.capabilities().index
    shares = np.quantile(np.divide(times["rival"], times["bare"]), (0.25, 0.5, 0.75)).tolist()
    check = kind["checks"][0] if kind["kind"] == "lists" else {}
    told = f"{kind['lists']} lists, {check['probes']} probed" if check.get("probes") else "flat"
    least = {way: min(each) for way, each in times.items()}
    share = least["rival"] / least["bare"]
    seconds = (least["rival"], least["bare"], least["ids"], least["payload"])
    made = Ratio(name, rival, rival_recall, own, told, *seconds, share, tuple(shares))
    print(made, flush=True)
    return made


def resident() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def upsert(codes: Codes, folder: Path) -> dict[str, float]:
    """A million codes, streamed; what the caller makes for it is not counted as the store's time."""
    with CodeStore.open(folder / "upsert.db", 8 * codes.shape[1], threads=1) as store:
        before, most, wall, cpu = resident(), 0.0, 0.0, 0.0
        for start in range(0, len(codes), PER_CALL):
            part = codes[start : start + PER_CALL]
            ids = [f"p{(start + at) * 7919 % len(codes):07}" for at in range(len(part))]
            payload = [{"label": (start + at) % 100} for at in range(len(part))]
            begun, used = time.perf_counter(), time.process_time()
            store.upsert(ids, codes=part, payload=payload)
            wall, cpu = wall + time.perf_counter() - begun, cpu + time.process_time() - used
            most = max(most, resident())
        count = float(len(store))
    size = (folder / "upsert.db").stat().st_size / 1e6
    found = {"items": count, "seconds": wall, "cpu_seconds": cpu, "memory_mb": most - before, "file_mb": size}
    return found | {"codes_mb": codes.nbytes / 1e6, "memory_over_codes": (most - before) / (codes.nbytes / 1e6)}


def filtered(queries: Codes, folder: Path, rounds: int) -> dict[str, float]:
    """A filter on one of a hundred labels, shared by a batch: each time another label, so that nothing is known."""
    with CodeStore.open(folder / "upsert.db", threads=1) as store:
        store.index_field("label")
        store.search(codes=queries[:1], exact=True)
        first, again = [], []
        for label in range(min(rounds, 100)):
            where = {"label": label}
            first.append(timed(lambda: store.search(codes=queries[:BATCH], where=where)))  # noqa: B023
            again.append(timed(lambda: store.search(codes=queries[:BATCH], where=where)))  # noqa: B023
        matched = float(store.count({"label": 3}))
    return {
        **{"matching": matched, "first_seconds": min(first), "first_median": median(first)},
        **{
            "again_seconds": min(again),
            "queries_per_second": BATCH / min(first),
            "again_per_second": BATCH / min(again),
        },
    }


def kinds() -> dict[str, tuple[str, int, int, Callable[[int, int], Codes], tuple[int, ...]]]:
    """Name, number, bits, maker and faiss's numbers of lists of every kind of codes. Noise has no lists worth it."""
    million = 1_000_000
    return {
        "collapsed": (
            "collapsed, 250k × 64 bits",
            250_000,
            64,
            lambda n, seed: collapsed(n, 64, seed),
            (256, 512, 1024),
        ),
        "clusters": (
            *("1000 clusters, 1M × 256 bits", million, 256, lambda n, seed: projected(n, 256, 1000, seed)),
            (1024, 2048),
        ),
        "cloud": ("one cloud, 1M × 256 bits", million, 256, lambda n, seed: projected(n, 256, 0, seed), (1024, 2048)),
        "noise": ("noise, 1M × 256 bits", million, 256, lambda n, seed: uniform(n, 256, seed), ()),
    }


def measure(only: list[str], rounds: int, folder: Path, results: Results, written: Callable[[], None]) -> None:
    """Everything that was asked for, written part by part."""
    if "upsert" in only or "filter" in only:
        results.upsert = upsert(projected(1_000_000, 256, 1000, 1), folder)
        print(results.upsert, flush=True)
        written()
    if "filter" in only:
        results.filter = filtered(projected(BATCH * BATCHES, 256, 1000, 2), folder, rounds)
        print(results.filter, flush=True)
        written()
    for word, (name, count, _, make, lists) in kinds().items():
        if word not in only:
            continue
        codes, queries = make(count, 1), make(BATCH * BATCHES, 2)
        made = compared(name, codes, queries, lists, rounds, folder)
        results.ratios = sorted([*(each for each in results.ratios if each.codes != name), made], key=lambda r: r.codes)
        written()


def page(results: Results, command: str, note: str) -> str:
    """The page in docs/results."""
    lines = [
        "# Search: stores beside faiss",
        "",
        f"`{command}`",
        "",
        f"{processor()}, one thread, {native.instruction_set()}; faiss {faiss.__version__}, NumPy {np.__version__};",
        f"{date.today().isoformat()}. {note}".rstrip(),
        "",
        "k = 10, batches of 100 queries that were not stored. faiss's index is the quickest of its flat one and its",
        "inverted lists, with whatever number of probes, whose recall@10 is at least 0.99. Times are processor times,",
        "the least of a batch in ms: faiss gives row numbers; the store its hits, whose ids are made when they are",
        "looked at, then with all ids read, then as objects with payloads. Ratios are faiss's time over the store's",
        "first: of the least times, and [the quartiles round by round]. In turns, each finds its codes driven out of",
        "the caches.",
        "",
        "| codes | faiss's best | recall | the store | recall | faiss | store | ids read | payloads | ratio |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in results.ratios:
        times = (each.rival_seconds, each.bare_seconds, each.seconds, each.with_payload)
        cells = [each.codes, each.rival, f"{each.rival_recall:.4f}", each.kind, f"{each.recall:.4f}"]
        cells += [f"{1e3 * seconds:.3g}" for seconds in times]
        quartiles = " … ".join(f"{share:.2f}" for share in each.ratios)
        lines.append(f"| {' | '.join(cells)} | **{each.ratio:.2f}×** [{quartiles}] |")
    if results.upsert:
        told = results.upsert
        lines += [
            "",
            f"**Upsert** of {told['items']:,.0f} codes of 256 bits with ids and payloads, in calls of {PER_CALL:,},",
            f"each a transaction that is on the disk: {told['cpu_seconds']:.1f} s of processor time,",
            f"{told['seconds']:.1f} s on the clock of this machine. Memory grew by {told['memory_mb']:.0f} MB at most,",
            f"{told['memory_over_codes']:.2f} × the codes. The file has {told['file_mb']:.0f} MB.",
        ]
    if results.filter:
        told = results.filter
        lines += [
            "",
            f"**Filter** on a field with an index: {told['matching']:,.0f} of a million items match, 100 queries share",
            f"it, exact, payloads included: {told['queries_per_second']:,.0f} queries per second the first time that a",
            f"filter is seen ({1e3 * told['first_seconds']:.0f} ms of processor time a batch),",
            f"{told['again_per_second']:,.0f} from then on.",
        ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--only", nargs="+", default=["upsert", "filter", *kinds()])
    parser.add_argument("--note", default="", help="what else the machine did")
    options = parser.parse_args()
    faiss.omp_set_num_threads(1)
    command = f"python benchmarks/search.py --rounds {options.rounds}"
    file, results = RESULTS / "search.json", Results()
    if file.exists():
        kept = json.loads(file.read_text("utf-8"))
        results = Results([Ratio(**each) for each in kept["ratios"]], kept["upsert"], kept["filter"])

    def written() -> None:
        record = asdict(results) | {"command": command, "machine": processor(), "date": date.today().isoformat()}
        file.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        (RESULTS / "search.md").write_text(page(results, command, options.note), "utf-8")

    with tempfile.TemporaryDirectory() as folder:
        measure(options.only, options.rounds, Path(folder), results, written)


if __name__ == "__main__":
    main()
