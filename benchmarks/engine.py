"""Compiled networks against ONNX Runtime and OpenVINO: the table of bars, in one command.

    python benchmarks/engine.py
    python benchmarks/engine.py --only cifar10_quick vgg_small --rounds 5
    python benchmarks/engine.py --runs runs/cifar10 runs/cifar10-wide
    python benchmarks/engine.py --runs cifar10-quick --precision fast --relu runs/relu-narrow --data cifar10

Untrained networks, half of whose bits are set, in `exact`, in `fast` once compiling knows it, and VGG-small with
weights of ±1; each beside the ReLU network of the same architecture in every library that is installed, by the code of
`firebit bench`. With --runs, trained networks beside the ReLU networks of the same runs, and the comparison at the same
accuracy. "int8" is the faster of ONNX Runtime's and OpenVINO's files, by its median. Run it on a quiet machine: about
ten minutes a network on two cores. Writes engine.json and engine.md in docs/results, with --runs
engine-accuracy.{json,md,svg,png}.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from firebit.cli.field import UNTRAINED, Field, Zoo, entered, trained, untrained
from firebit.cli.model import compiled_file
from firebit.engine.bench import Figures, Ratio, Record, Settings, bench
from firebit.engine.bench.contender import FLOAT, INT8, installed_peers
from firebit.engine.bench.plot import save_plot
from firebit.engine.bench.record import Comparison
from firebit.engine.bench.table import markdown, notes
from firebit.engine.plan import PRECISIONS
from firebit.engine.quantise import quantise
from firebit.engine.record import load, save
from firebit.files import write_text
from firebit.machine import usable_cores

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"


@dataclass(frozen=True)
class Bar:
    """What a network must reach, and what it aims at: times faster than ONNX Runtime's float, and than int8."""

    network: str
    weights: str
    real: tuple[float, float]
    int8: tuple[float, float]

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.network if self.weights == "int" else f"{self.network}, ±1 weights"


BARS = (
    Bar("cifar10_quick", "int", (4, 6), (2.2, 3.4)),
    Bar("vgg_small", "int", (4, 8.5), (2, 3.7)),
    Bar("alexnet", "int", (3, 5.6), (1.5, 2.4)),
    Bar("resnet18", "int", (3.5, 7), (1.8, 3.5)),
    Bar("vgg_small", "sign", (5, 10), (2.4, 4.6)),
)


def against(record: Record, own: Figures, batch: int, threads: int) -> tuple[Ratio | None, Ratio | None]:
    """How many times faster than ONNX Runtime's float, and than the faster of the int8 files, round by round."""

    def ratio(found: Sequence[Figures]) -> Ratio | None:
        # Of several, the one file that is the fastest over all rounds.
        fastest = min(found, key=lambda each: each.timing(batch, threads).median, default=None)
        return None if fastest is None else Comparison(own, fastest, batch, threads).ratio

    real = [p for p in record.peers if p.contender.name == f"onnxruntime {FLOAT}" and p.agrees]
    return ratio(real), ratio([p for p in record.peers if p.contender.precision == INT8])


def scaling(record: Record, peer: str, precision: str, batch: int) -> list[float] | None:
    """How many times faster two threads are than one, round by round."""
    pairs = {(batch, 1), (batch, 2)}
    for found in record.figures:
        if (found.contender.peer, found.contender.precision) == (peer, precision) and pairs <= set(record.settings):
            one, two = (found.timing(batch, threads).seconds for threads in (1, 2))
            return [alone / both for alone, both in zip(one, two, strict=True)]
    return None


def scaling_cell(mine: Sequence[float] | None, theirs: Sequence[float] | None) -> str:
    """Medians over rounds, and that of their quotient within a round."""
    if mine is None or theirs is None:
        return "–"
    quotient = median(own / peer for own, peer in zip(mine, theirs, strict=True))
    return f"{median(mine):.2f}× / {median(theirs):.2f}× = {quotient:.2f}"


def measured(bar: Bar, settings: Settings, peers: Sequence[str], precisions: Sequence[str]) -> Record:
    """One network in every precision, beside its ReLU network."""
    with TemporaryDirectory() as folder:
        fields = []
        for precision in precisions:
            work = Path(folder) / precision
            work.mkdir()
            fields.append(untrained(bar.network, Zoo(precision, bar.weights), work))
        own = tuple(each for found in fields for each in found.own)
        field = Field(own, fields[0].rivals, fields[0].pictures, UNTRAINED)
        return run(field, settings, peers, Path(folder))


def run(field: Field, settings: Settings, peers: Sequence[str], work: Path) -> Record:
    """A field at work."""
    contenders = entered(field, peers, work, progress)
    references = {rival.name: rival.reference(field.pictures.images) for rival in field.rivals}
    return bench(
        contenders,
        field.pictures,
        settings,
        references=references,
        note=field.note,
        told=lambda what, share: progress(f"{what}, {100 * share:.0f} %"),
    )


def progress(text: str) -> None:
    """Say on the error stream what is being done, where that is a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def page(records: Sequence[tuple[Bar, Record]], command: str) -> str:
    """The bars as a Markdown page, and every table behind them."""
    lines = [
        "# Compiled networks against ONNX Runtime and OpenVINO",
        "",
        f"`{command}`. Untrained networks, half of whose bits are set; batch 1, one thread; medians of per-round "
        "ratios (range). float: ONNX Runtime's. int8: the faster of ONNX Runtime's and OpenVINO's.",
        "",
        "| network | precision | × float | must / aim | × int8 | must / aim | 2 threads, batch 64: Firebit / float |",
        "|---|---|---|---|---|---|---|",
    ]
    for bar, record in records:
        for own in record.own:
            lines.append(row(bar, record, own))
    for bar, record in records:
        lines += ["", f"## {bar.name}", "", markdown(record).rstrip()]
    return "\n".join(lines) + "\n"


def row(bar: Bar, record: Record, own: Figures) -> str:
    """A line of the table of bars."""
    real, eight = against(record, own, 1, 1) if (1, 1) in record.settings else (None, None)
    mine = scaling(record, "firebit", own.contender.precision, 64)
    theirs = scaling(record, "onnxruntime", FLOAT, 64)
    cells = [
        *(bar.name, own.contender.precision),
        *(f"{real or '–'}", f"{bar.real[0]:g} / {bar.real[1]:g}"),
        *(f"{eight or '–'}", f"{bar.int8[0]:g} / {bar.int8[1]:g}"),
        scaling_cell(mine, theirs),
    ]
    return f"| {' | '.join(cells)} |"


def untrained_page(options: argparse.Namespace, settings: Settings, peers: Sequence[str], command: str) -> None:
    """Measure the bars, and write them down after every network."""
    precisions = [name for name in PRECISIONS if not options.precision or name in options.precision]
    records: list[tuple[Bar, Record]] = []
    for bar in BARS:
        if options.only and bar.network not in options.only:
            continue
        records.append((bar, measured(bar, settings, peers, precisions)))
        text = page(records, command)
        found: list[dict[str, Any]] = [{"name": bar.name, **record.to_dict()} for bar, record in records]
        write_text(
            options.results / "engine.json", json.dumps({"command": command, "networks": found}, indent=1) + "\n"
        )
        write_text(options.results / "engine.md", text)
        print("\n" + row(bar, records[-1][1], records[-1][1].own[0]), flush=True)


def in_precisions(target: Path, precisions: Sequence[str], folder: Path) -> list[Path]:
    """A trained network as it is; or in these precisions, where "fast" rounds what is exact."""
    if not precisions:
        return [target]
    file = compiled_file(target)
    found = [file] if "exact" in precisions else []
    if "fast" in precisions:
        found.append(folder / f"{file.stem}-fast.firebit")
        save(quantise(load(file)), found[-1])
    return found


def training(run: Path) -> str:
    """A line of how the ReLU network of a run was trained, from its recipe."""
    recipe = tomllib.loads((run / "recipe.toml").read_text("utf-8"))
    net, baseline = recipe["net"], recipe["baseline"]
    norm = "batch norm" if net["batch_norm"] else "no batch norm"
    return (
        f"- `{run.name}`: {net['name']}, {net['width']:g} × the channels, ReLU, {norm}, dropout {net['dropout']:g}; "
        f"{baseline['epochs']} epochs of {baseline['optimizer']}, learning rate {baseline['lr']:g}, weight decay "
        f"{baseline['weight_decay']:g}, seed {recipe['seed']}; last epoch."
    )


def trained_page(options: argparse.Namespace, settings: Settings, peers: Sequence[str], command: str) -> None:
    """Measure trained networks, and write down how fast and how accurate they are."""
    with TemporaryDirectory() as folder:
        own = [each for target in options.runs for each in in_precisions(target, options.precision or (), Path(folder))]
        field = trained(own, options.relu, options.data, options.limit, with_peers=True)
        record = run(field, settings, peers, Path(folder))
    heading = f"# At the same accuracy\n\n`{command}`\n\n![Accuracy against time](engine-accuracy.svg)\n\n"
    trainings = "".join(training(run) + "\n" for run in options.relu)
    write_text(options.results / "engine-accuracy.md", heading + (trainings and trainings + "\n") + markdown(record))
    write_text(options.results / "engine-accuracy.json", json.dumps(record.to_dict(), indent=1) + "\n")
    save_plot(record, options.results / "engine-accuracy")
    print("\n" + "\n".join(notes(record)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=sorted({bar.network for bar in BARS}), help="these networks only")
    parser.add_argument("--precision", nargs="*", help="these precisions only")
    parser.add_argument(
        "--runs", nargs="*", type=Path, default=[], help="trained: runs, .firebit files, names of pretrained"
    )
    parser.add_argument("--relu", nargs="*", type=Path, default=[], help="trained: the peers' runs; default: the same")
    parser.add_argument("--data", help="trained: data set or folder to predict; default: the runs' own")
    parser.add_argument("--limit", type=int, help="trained: predict so many pictures only")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.1)
    parser.add_argument("--batch", nargs="*", type=int, default=[1, 64])
    parser.add_argument("--results", type=Path, default=RESULTS, help="where to write")
    options = parser.parse_args()
    threads = tuple(count for count in (1, 2) if count <= usable_cores())
    settings = Settings(tuple(options.batch), threads, options.rounds, options.seconds)
    command = " ".join(["python benchmarks/engine.py", *sys.argv[1:]])
    work = trained_page if options.runs else untrained_page
    work(options, settings, installed_peers(), command)


if __name__ == "__main__":
    main()
