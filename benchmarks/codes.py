"""Codes for search on CIFAR-10: heads of rectifiers on the features of a network, beside what they have to beat.

    python benchmarks/codes.py efficientnet_lite0 --side 160 --features FOLDER   # a pretrained backbone, frozen
    python benchmarks/codes.py cifar10-best --run RUN --layer act3               # bits of a network of ours, frozen
    python benchmarks/codes.py cifar10-relu --run RUN --layer act3 --real        # activations of its ReLU baseline
    python benchmarks/codes.py cifar10-codes --run RUN                           # a network with a layer of codes
    python benchmarks/codes.py page                                              # docs/results/codes.md, its figures

Every figure is kept in docs/results/codes/NAME.json as soon as it is there; what is there is not measured again. All
methods see the same features, and all that are trained have the same layers, epochs and learning rate: "rectifier" (the
codes of Firebit), "relu" (thresholded at 0) and "sigmoid" (a fixed slope, thresholded at ½: Lin et al. 2015). LSH and
ITQ need no labels. "kept" is a code of rectifiers that keeps apart classes which nobody taught (HeadOptions.keep),
without a hidden layer, and "ITQ within" is where it begins. The backbone computes in float32; --bfloat16 is quicker
where the processor multiplies it. On a network of ours, "compiled" is the head grafted on it, compiled, and run by the
engine without torch.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import firebit
from firebit.data import load
from firebit.files import write_text
from firebit.machine import processor
from firebit.search.codes import unpack
from firebit.search.evaluate import PROTOCOLS, Projection, SearchMetrics, itq, itq_within, lsh, split
from firebit.search.evaluate.coder import compiled_coder
from firebit.search.evaluate.report import plot
from firebit.search.evaluate.study import Subject, summary
from firebit.train.codes import outputs
from firebit.train.features import FeatureStore, extract
from firebit.train.graft import graft
from firebit.train.head import Head, HeadOptions, train_head
from firebit.train.run import load_model_file
from firebit.zoo.backbone import pretrained

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
FOLDER = RESULTS / "codes"
TRAINED = ("rectifier", "kept", "relu", "sigmoid")
METHODS = (*TRAINED, "ITQ within", "ITQ", "LSH")
KEEP = 3.0
BITS = (48, 16, 32, 64)
FITTED = 10_000
BATCH = 16
MAIN = ("cifar10-2", 48)
TITLES = {
    "efficientnet_lite0": [
        "EfficientNet-Lite0 with ImageNet's weights, frozen; CIFAR-10's pictures resized to 160 pixels: 1280 features.",
        "",
    ],
    "cifar10-relu": [
        "From scratch: `cifar10_quick` with ReLUs, the baseline of a run of the recipe `cifar10-best` (40 epochs, 81.5 "
        "% of the test pictures), frozen: the 1024 activations of `act3`. Only the head's layers are bits.",
        "",
    ],
    "cifar10-best": [
        "From scratch: `cifar10_quick`, every layer of which is bits, of the same run (73.0 %), frozen: the 1024 bits "
        "of `act3`. *compiled* is the head grafted on the network and run by the engine.",
        "",
    ],
    "cifar10-codes": ["From scratch: the recipe `cifar10-codes`, whose network has the layer of codes itself.", ""],
}
"""What the features are."""


@dataclass(frozen=True)
class Case:
    """One figure to measure."""

    protocol: str
    method: str
    bits: int
    seed: int


@dataclass(frozen=True)
class Material:
    """Features of all pictures, the training set followed by the test set, and their labels."""

    features: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_labels: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.concatenate([self.train_labels, self.test_labels])


def cases(seeds: list[int], protocols: list[str]) -> Iterator[Case]:
    """What to measure, the bars first: 48 bits in all protocols, then the other lengths."""
    for protocol in protocols:
        for seed in seeds:
            yield from (Case(protocol, method, MAIN[1], seed) for method in METHODS)
    both = [name for name in ("cifar10-2", "unseen") if name in protocols]
    for methods in (("rectifier", "kept", "ITQ"), ("ITQ within", "sigmoid", "relu", "LSH")):
        for protocol, seed, bits in product(both, seeds, BITS[1:]):
            yield from (Case(protocol, method, bits, seed) for method in methods)


def trained(case: Case, material: Material, options: HeadOptions) -> Head:
    """The head of a case, trained on the pictures of its protocol."""
    train = split(case.protocol, material.train_labels, material.test_labels, case.seed).train
    classes, dense = np.unique(material.labels[train], return_inverse=True)
    own = {**asdict(options), "bits": case.bits, "seed": case.seed}
    own |= {"hidden": 0, "keep": KEEP} if case.method == "kept" else {"activation": case.method}
    return train_head(material.features[train], dense.astype(np.int64), len(classes), HeadOptions(**own))


def measured(case: Case, material: Material, options: HeadOptions) -> SearchMetrics:
    """Fit the method of a case to the pictures that train, and judge the codes of the others."""
    divided = split(case.protocol, material.train_labels, material.test_labels, case.seed)
    train, features = divided.train, material.features
    if case.method in TRAINED:
        codes = trained(case, material, options).codes(features)
    else:
        some = np.random.default_rng(case.seed).permutation(train)[:FITTED]
        codes = projection(case, features[some], material.labels[some]).codes(features)
    return Subject(material.labels, divided).judge(codes, case.bits)


def projection(case: Case, features: NDArray[np.float32], labels: NDArray[np.int64]) -> Projection:
    """The linear code of a case, fitted to some of the pictures that train."""
    if case.method == "ITQ within":
        return itq_within(features, labels, case.bits, case.seed)
    return (itq if case.method == "ITQ" else lsh)(features, case.bits, case.seed)


def backbone_features(name: str, side: int, folder: Path, dtype: torch.dtype) -> Material:
    """Features of a pretrained backbone, computed once."""
    net, store = pretrained(name, side), FeatureStore(folder)
    sets = [load("cifar10", part) for part in ("train", "test")]
    found = [extract(net, pictures, store, dtype=dtype, batch=BATCH, told=_told) for pictures in sets]
    return Material(np.concatenate(found), sets[0].labels, sets[1].labels)


def network_features(run: Path, layer: str) -> Material:
    """Bits of a layer of a run's compiled network, as 0 and 1."""
    coder = compiled_coder(run / "model.firebit", layer)
    sets = [load("cifar10", part) for part in ("train", "test")]
    found = [unpack(coder.run(pictures).codes, coder.bits).astype(np.float32) for pictures in sets]
    return Material(np.concatenate(found), sets[0].labels, sets[1].labels)


def real_features(run: Path, layer: str) -> Material:
    """Activations of a layer of a run's ReLU baseline."""
    model = load_model_file(run / "relu.safetensors").model
    sets = [load("cifar10", part) for part in ("train", "test")]
    found = [outputs(model, pictures, layer) for pictures in sets]
    return Material(np.concatenate(found), sets[0].labels, sets[1].labels)


def grafted(case: Case, material: Material, options: HeadOptions, run: Path, layer: str) -> SearchMetrics:
    """Train the head, graft it on the run's network, compile that, and judge the codes that the engine gives."""
    loaded = load_model_file(run / "hardened.safetensors")
    head = trained(replace(case, method="rectifier"), material, options)
    net = graft(loaded.model, layer, head)  # type: ignore[arg-type]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "grafted.firebit"
        firebit.compile(net, loaded.example, report=False).save(path)
        coder = compiled_coder(path)
        codes = np.concatenate([coder.run(load("cifar10", part)).codes for part in ("train", "test")])
    same = (codes == head.codes(material.features)).all(axis=1).mean()
    print(f"codes that are the same compiled and in torch: {100 * same:.2f} %", flush=True)
    divided = split(case.protocol, material.train_labels, material.test_labels, case.seed)
    return Subject(material.labels, divided).judge(codes, case.bits)


def record(path: Path, about: dict[str, Any], todo: Iterator[Case], run: Callable[[Case], SearchMetrics]) -> None:
    """Measure what is not in the file yet, and write it after each figure."""
    known = json.loads(path.read_text())["figures"] if path.exists() else []
    done = {(each["protocol"], each["method"], each["bits"], each["seed"]) for each in known}
    for case in todo:
        if (case.protocol, case.method, case.bits, case.seed) in done:
            continue
        found = run(case)
        entry: dict[str, Any] = {**asdict(case), **{name: round(value, 4) for name, value in summary(found).items()}}
        if (case.protocol, case.bits, case.seed) == (*MAIN, 0):
            entry["curves"] = found.to_dict()
        known.append(entry)
        print(f"{case}: mAP@1000 {summary(found)['mAP@1000']:.2f}, P@H≤2 {summary(found)['P@H≤2']:.2f}", flush=True)
        write_text(path, json.dumps({**about, "figures": known}, indent=1) + "\n")


def about(arguments: argparse.Namespace, options: HeadOptions | None) -> dict[str, Any]:
    """What a reader has to know of the figures."""
    words = (
        [f"--{name} {value}" for name, value in _given(arguments).items()]
        + ["--real"] * arguments.real
        + ["--bfloat16"] * arguments.bfloat16
    )
    return {
        "command": " ".join(["python benchmarks/codes.py", arguments.name, *words]),
        "firebit": firebit.__version__,
        "torch": torch.__version__,
        "processor": processor(),
        "date": date.today().isoformat(),
        "head": asdict(options) if options else None,
    }


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    seeds = " ".join(map(str, arguments.seeds))
    given = {
        "record": arguments.record,
        "side": arguments.side,
        "run": arguments.run and arguments.run.name,
        "layer": arguments.layer,
        "hidden": arguments.hidden,
        "epochs": arguments.epochs,
    }
    return {**{name: value for name, value in given.items() if value is not None}, "seeds": seeds}


def _told(done: int, count: int) -> None:
    print(f"features: {done:,} of {count:,}", flush=True)


def run_codes(arguments: argparse.Namespace) -> None:
    """Judge the codes of a run whose network has a layer of them, and the baselines on what that layer reads."""
    coder = compiled_coder(arguments.run / "model.firebit")
    train, test = (load("cifar10", part) for part in ("train", "test"))
    coded = [coder.run(pictures) for pictures in (train, test)]
    codes = np.concatenate([each.codes for each in coded])
    material = Material(np.concatenate([each.features for each in coded]), train.labels, test.labels)
    divided = split("cifar10-2", train.labels, test.labels)
    options = HeadOptions(hidden=0, epochs=arguments.epochs or 8)

    def run(case: Case) -> SearchMetrics:
        if case.method == "recipe":
            return Subject(material.labels, divided).judge(codes, coder.bits)
        return measured(case, material, options)

    todo = (Case("cifar10-2", method, coder.bits, 0) for method in ("recipe", *METHODS[1:]))
    record(FOLDER / f"{arguments.name}.json", about(arguments, options), todo, run)


def spread(values: list[float]) -> str:
    """Mean ± standard deviation (n − 1)."""
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def table(figures: list[dict[str, Any]], protocol: str, bits: int) -> list[str]:
    """A row per method, as Markdown lines; [] where nothing was measured."""
    headings = ("mAP@ALL", "mAP@1000", "mAP@5000", "P@H≤2", "empty", "entropy", "distinct")
    lines = []
    for method in dict.fromkeys(each["method"] for each in figures):
        found = [e for e in figures if (e["protocol"], e["method"], e["bits"]) == (protocol, method, bits)]
        if found:
            cells = [str(len(found)), *(spread([each[name] for each in found]) for name in headings)]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    if not lines:
        return []
    return ["| codes | seeds | " + " | ".join(headings) + " |", "|---" * (len(headings) + 2) + "|", *lines, ""]


def lengths(figures: list[dict[str, Any]], protocol: str) -> list[str]:
    """mAP@1000 over the lengths of codes, as Markdown lines."""
    found = [each for each in figures if each["protocol"] == protocol]
    bits = sorted({each["bits"] for each in found})
    if len(bits) < 2:
        return []
    lines = ["| mAP@1000 | " + " | ".join(f"{n} bits" for n in bits) + " |", "|---" * (len(bits) + 1) + "|"]
    for method in dict.fromkeys(each["method"] for each in found):
        cells = [[e["mAP@1000"] for e in found if (e["method"], e["bits"]) == (method, n)] for n in bits]
        lines.append(f"| {method} | " + " | ".join(spread(each) if each else "–" for each in cells) + " |")
    return [*lines, ""]


def page() -> None:
    """Write docs/results/codes.md, and curves beside the records."""
    lines = [
        "# Codes for search on CIFAR-10",
        "",
        "Per cent (entropy: of a bit, 0 to 1), mean ± standard deviation over seeds of the head and, where a protocol "
        "draws, of the split. mAP is the exact mean over all orders of ties. [Codes for search](../howto/codes.md) "
        "says what columns and protocols mean; figures of different protocols do not compare. All rows of a table see "
        "the same features. Hidden layer and epochs of the heads were chosen on a fifth of the test set, with one "
        "seed, heads being trained on the rest of it.",
        "",
    ]
    for path in sorted(FOLDER.glob("*.json")):
        known = json.loads(path.read_text())
        figures = known["figures"]
        lines += [f"## {path.stem}", "", *TITLES.get(path.stem, []), f"`{known['command']}`", ""]
        for protocol in PROTOCOLS:
            rows = table(figures, protocol, MAIN[1])
            if rows:
                lines += [f"### {protocol}: {PROTOCOLS[protocol]}; 48 bits", "", *rows, *lengths(figures, protocol)]
        curves = {each["method"]: _Curves(each["curves"]) for each in figures if "curves" in each}
        if curves:
            plot(curves, f"{path.stem}, cifar10-2, 48 bits, seed 0", FOLDER / path.stem)  # type: ignore[arg-type]
            lines += [f"![Precision over recall and over hits, {path.stem}](codes/{path.stem}.svg)", ""]
        versions = f"Firebit {known['firebit']}, torch {known['torch']}, {known['processor']}, {known['date']}."
        lines += [versions + (f" Head: {_head(known['head'])}." if known["head"] else ""), ""]
    write_text(RESULTS / "codes.md", "\n".join(lines).rstrip() + "\n")


class _Curves:
    """The curves of a record, as a plot asks for them."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.recall, self.precision = found["recall"], found["precision"]
        self.places, self.precision_at = found["places"], found["precision_at"]


def _head(options: dict[str, Any]) -> str:
    left_out = {"bits", "seed", "activation"}
    return ", ".join(f"{name} {value}" for name, value in options.items() if name not in left_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a backbone, or what the figures of --run are called, or page")
    parser.add_argument("--record", help="what the figures are called, if not as the name")
    parser.add_argument("--side", type=int, help="of the pictures a backbone sees")
    parser.add_argument("--layer", help="of a compiled network, whose bits are features")
    parser.add_argument("--features", type=Path, default=Path("features"), help="where features are kept")
    parser.add_argument("--bfloat16", action="store_true", help="let the backbone compute in bfloat16")
    parser.add_argument("--real", action="store_true", help="the run's ReLU baseline, whose activations are features")
    parser.add_argument("--run", type=Path, help="a finished run")
    parser.add_argument("--hidden", type=int, help="bits of a hidden layer of the head")
    parser.add_argument("--epochs", type=int, help="of heads")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--protocols", nargs="+", default=["cifar10-2", "unseen", "cifar10", "cifar10-1"])
    arguments = parser.parse_args()
    if arguments.name == "page":
        page()
        return
    if arguments.run and not arguments.layer:
        run_codes(arguments)
        return
    options = HeadOptions(hidden=arguments.hidden or 0, epochs=arguments.epochs or 8)
    path, facts = FOLDER / f"{arguments.record or arguments.name}.json", about(arguments, options)
    if not arguments.run:
        dtype = torch.bfloat16 if arguments.bfloat16 else torch.float32
        material = backbone_features(arguments.name, arguments.side or 224, arguments.features, dtype)
        record(path, facts, cases(arguments.seeds, arguments.protocols), lambda case: measured(case, material, options))
        return
    # The network was trained on every class, and on the whole training set: other protocols would not be fair.
    own = (real_features if arguments.real else network_features)(arguments.run, arguments.layer)
    seeds = () if arguments.real else arguments.seeds
    compiled = [Case(MAIN[0], "compiled", MAIN[1], seed) for seed in seeds]
    todo = (*compiled, *cases(arguments.seeds, ["cifar10-2"]))

    def judged(case: Case) -> SearchMetrics:
        if case.method == "compiled":
            return grafted(case, own, options, arguments.run, arguments.layer)
        return measured(case, own, options)

    record(path, facts, iter(todo), judged)


if __name__ == "__main__":
    main()
