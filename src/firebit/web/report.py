"""The report of a run: one HTML file that holds everything it shows and fetches nothing."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import firebit
from firebit.engine.network import Network, load
from firebit.errors import UsageError
from firebit.files import write_text
from firebit.web import benchmark, costs, search
from firebit.web.chart import Sheet
from firebit.web.confusion import MOST_CLASSES, Confusion, confusion
from firebit.web.curves import curves
from firebit.web.firing import Options, Section, Told, section
from firebit.web.head import head
from firebit.web.heat import shade
from firebit.web.page import policy, render, script, style
from firebit.web.run import Run, read_run
from firebit.web.unit import UnitPage

if TYPE_CHECKING:
    from firebit.data import ImageSet

FILE = "report.html"
MOST_BYTES = 2_000_000
_MISTAKES = 10
_PER_PAGE = 80


def report(
    path: str | Path,
    pictures: "ImageSet | None" = None,
    out: str | Path | None = None,
    options: Options | None = None,
    told: Told = lambda what: None,
) -> Path:
    """Write the report of a finished run as one HTML file of at most 2 MB. Needs no torch.

    Args:
        path: the run directory. Where it holds `bench.json` (of ``firebit bench --json``) or `search.json` (of
            ``firebit evaluate search --json``), the report shows them.
        pictures: what the compiled network is looked at with: labelled, of its size and its classes; None: the report
            goes without confusion and firing matrices.
        out: where to write; None: report.html in the run directory.
        options: what to show of the units.
        told: is told what is being done.

    Returns:
        The file.

    Raises:
        UsageError: it is no finished run, or the pictures are not of the network's size and classes.
        ModelFileError: a file of the run is missing or damaged.
    """
    run = read_run(Path(path))
    target = Path(out) if out is not None else run.path / FILE
    told("the compiled network")
    network = load(run.compiled_file) if run.compiled_file else None
    if network is not None and pictures is not None:
        _check(network, pictures)
    write_text(target, page(run, network, pictures, options or Options(), told))
    return target


def page(run: Run, network: Network | None, pictures: "ImageSet | None", options: Options, told: Told) -> str:
    """The report as text; arguments as of :func:`report`."""
    bench_file, search_file = run.path / benchmark.FILE, run.path / search.FILE
    values: dict[str, Any] = {
        "head": head(run),
        "version": firebit.__version__,
        "results": {
            "measured_on": run.results.measured_on,
            "pictures": run.results.rows[0].metrics.count,
            "seed": run.results.seed,
            "agreement": run.agreement,
            "sheet": costs.rows_sheet(run),
        },
        "curves": curves(run),
        "levels": _levels(run),
        "costs": _costs(network),
        "confusion": None,
        "bench": _bench(benchmark.read_benchmark(bench_file)) if bench_file.is_file() else None,
        "search": _search(search.read_evaluation(search_file)) if search_file.is_file() else None,
        "made": _made(run),
        "recipe": run.recipe,
    }
    shown = Section(why_not="There is no compiled network to look into.")
    if network is not None:
        shown = Section(why_not="It needs the labelled pictures of the run's data set, which were not at hand.")
    if network is not None and pictures is not None:
        told("predictions")
        values["confusion"] = None if network.is_encoder else _confusion(network, pictures)
        shown = section(network, pictures, options, told)
    return _assembled(values, shown)


def _check(network: Network, pictures: "ImageSet") -> None:
    found, classes = pictures.images.shape[1:], len(pictures.classes)
    wanted = classes if network.plan.logits is None else len(network.plan.logits.bias)
    if found != network.input_shape or wanted != classes:
        raise UsageError(
            f"{pictures.name} has pictures of shape {found} in {classes} classes; the network takes "
            f"{network.input_shape} in {wanted}.",
            "Give the data set that the run was measured on.",
        )


def _levels(run: Run) -> list[dict[str, Any]]:
    wanted = (("phase2", "weights"), ("compiled", "steps, classifier tuned", "steps, recalibrated", "phase2 steps"))
    rows = (run.row(*names) for names in wanted)
    return [{"title": row.title, "sheet": costs.levels_sheet(row.census)} for row in rows if row and row.census]


def _costs(network: Network | None) -> dict[str, Any] | None:
    if network is None:
        return None
    from firebit.engine.cost import cost

    found = cost(network.plan)
    words = (
        f"The same network with ReLUs → compiled. Hidden activations take {found.activation_saving:.1f} times less "
        f"memory, weights and thresholds {found.weight_saving:.1f} times less; {100 * found.bit_share:.1f} % of all "
        "multiply-accumulates read bits."
    )
    return {"words": words, "sheet": costs.cost_sheet(found)}


def _confusion(network: Network, pictures: "ImageSet") -> dict[str, Any]:
    found = confusion(network.predict(pictures.images), pictures.labels, pictures.classes)
    words = (
        f"The compiled network is right on {100 * found.accuracy:.2f} % of the {found.pictures:,} pictures of "
        f"{pictures.name}."
    )
    mistakes = (
        (each.true, each.predicted, f"{each.count:,}", f"{100 * each.share:.1f}") for each in found.mistakes(_MISTAKES)
    )
    sheet = Sheet(("class", "predicted as", "pictures", "of its class, %"), tuple(mistakes), 2)
    return {"words": words, "classes": found.classes, "rows": _confusion_rows(found), "mistakes": sheet}


def _confusion_rows(found: Confusion) -> list[dict[str, Any]]:
    if len(found.classes) > MOST_CLASSES:
        return []
    return [
        {
            "name": name,
            "cells": [{"text": _percent(share), "shade": shade(share)} for share in shares],
            "precision": _percent(precision, 1),
        }
        for name, shares, precision in zip(found.classes, found.shares, found.precision, strict=True)
    ]


def _percent(share: float, digits: int = 0) -> str:
    return "" if share != share else f"{100 * share:.{digits}f}"


def _bench(found: benchmark.Benchmark) -> dict[str, Any]:
    words = (
        f"{found.machine.processor}, {found.machine.cores} cores, Firebit's kernels for {found.machine.native}; "
        f"{found.date}, Firebit {found.firebit}, {found.rounds} rounds in turns, on {found.data}. {found.note}"
    )
    charts, sheets = benchmark.plot(found), (benchmark.times(found), benchmark.ratios(found))
    return {"words": words.strip(), "charts": charts, "times": sheets[0], "ratios": sheets[1]}


def _search(found: search.Evaluation) -> dict[str, Any]:
    return {"words": found.words, "sheet": search.figures(found), "charts": search.curves(found)}


def _made(run: Run) -> dict[str, str]:
    known = run.environment
    names = ("firebit", "torch", "python", "processor", "cores", "threads", "platform")
    made = {name: known[name] for name in names if name in known}
    seconds = run.results.seconds
    made["training took"] = f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.1f} minutes"
    if "data" in known:
        made["training pictures"] = f"SHA-256 {known['data']}"
    return made


def _assembled(values: dict[str, Any], shown: Section) -> str:
    """The page, with pages of as many units as it can hold, the most telling first."""
    looks, code = style("base.css", "report.css"), script("report.js")
    fixed = {**values, "style": looks, "script": code, "policy": policy(looks, code)}

    def whole(pages: Sequence[UnitPage]) -> str:
        paged = {page.row.index for page in pages}
        named = [
            {
                "index": page.row.index,
                "name": page.row.name,
                "markup": render("unit.html", page=page, paged=paged, named=shown.named),
            }
            for page in pages
        ]
        more = {"units": shown.units, "no_units": shown.why_not, "pages": named, "paged": paged}
        return render("report.html", sections=_sections(fixed, more), **fixed, **more)

    left = MOST_BYTES - len(whole(()).encode())
    every = {page.row.index for page in shown.pages}
    sizes = accumulate(_bytes(page, every, shown.named) for page in shown.pages)
    fitting = sum(size <= left for size in sizes)
    return whole(shown.pages[:fitting])


def _bytes(page: UnitPage, paged: set[int], named: bool) -> int:
    """What a unit's page adds: itself, an entry in the list of units, and a link from the table."""
    text = render("unit.html", page=page, paged=paged, named=named)
    return len(text.encode()) + _PER_PAGE + 3 * len(page.row.name.encode())


def _sections(values: dict[str, Any], units: dict[str, Any]) -> list[dict[str, str]]:
    """The sections that there are, in order."""
    there = (
        ("results", "Results", True),
        ("training", "Training", values["curves"]),
        ("census", "Census", values["levels"]),
        ("costs", "Bits", values["costs"]),
        ("confusion", "Confusion", values["confusion"]),
        ("bench", "Speed", values["bench"]),
        ("search", "Search", values["search"]),
        ("firing", "Firing matrix", units["units"] or units["no_units"]),
        ("units", "Units", units["units"]),
        ("made", "Made with", True),
    )
    return [{"identifier": name, "title": title} for name, title, shown in there if shown]
