"""Tables and notes, word by word."""

from pathlib import Path

from rich.console import Console

from firebit.engine.bench import Contender, Figures, Record, Timing
from firebit.engine.bench.record import Machine
from firebit.engine.bench.table import markdown, notes, sheets

MACHINE = Machine("Some CPU", ("avx2", "fma"), 2, 0.25, "avx2", "Linux", "3.11.7")


def figures(peer: str, precision: str, seconds: float, accuracy: float | None, difference: float | None) -> Figures:
    contender = Contender(peer, precision, "net", Path("file"))
    timings = (Timing(1, 1, (seconds, seconds * 2), 3 << 20), Timing(64, 2, (seconds / 4, seconds / 4), None))
    return Figures(contender, "1.2", 5 << 19, timings, accuracy, difference)


def record(accuracy: float | None = 0.75) -> Record:
    found = (
        figures("firebit", "exact", 0.001, accuracy, None),
        figures("onnxruntime", "int8", 0.004, accuracy and 0.7, None),
        figures("torch", "float", 0.002, accuracy and 0.8, 0.25),
    )
    return Record(found, ((1, 1), (64, 2)), 2, 0.1, "digits", 100, MACHINE, "Be careful.", "2026-01-02", "0.3")


def test_markdown() -> None:
    text = markdown(record())
    lines = text.splitlines()
    assert lines[0] == "Per picture"
    assert lines[2] == (
        "| network | library | file | accuracy | peak memory | ms, batch 1, 1 thread | ms, batch 64, 2 threads |"
    )
    assert lines[3] == "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    assert lines[4] == "| net | firebit exact | 2.5 MiB | 75.00 % | 3.0 MiB | 1.5 | 0.25 |"
    assert "| firebit exact (net) | onnxruntime int8 (net) | 4× (4–4) | 4× (4–4) |" in lines
    accurate = "4× (4–4) onnxruntime int8 (net) 70.00 %"
    assert f"| firebit exact (net) 75.00 % | {accurate} | {accurate} |" in lines


def test_notes() -> None:
    assert notes(record()) == [
        "Some CPU (avx2, fma), 2 cores, load 0.2 at the start; Firebit's kernels: avx2",
        "Python 3.11.7; firebit 0.3, onnxruntime 1.2, torch 1.2",
        "2026-01-02; 2 rounds of 0.1 s each, contenders in turns, one process each; 100 pictures of digits",
        "Be careful.",
        "torch float (net) differs from torch by 0.25 of the largest logit: it is left out.",
    ]


def test_tables_on_the_terminal() -> None:
    console = Console(width=200)
    with console.capture() as text:
        for sheet in sheets(record()):
            console.print(sheet.rich())
    assert "onnxruntime int8 (net)" in text.get() and "same accuracy" in text.get()


def test_without_accuracy_there_is_no_table_of_it() -> None:
    assert [sheet.title.partition(":")[0] for sheet in sheets(record(None))] == ["per picture", "same architecture"]
