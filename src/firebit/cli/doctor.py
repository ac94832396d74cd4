"""`firebit doctor`: what is installed, which native code runs, and which data sets are here."""

import json
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Annotated

import typer

import firebit
from firebit import extras
from firebit.errors import FirebitError
from firebit.machine import usable_cores

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from firebit.engine.plan import Plan

_REQUIRED = ("numpy", "safetensors", "pillow", "typer", "rich")


@dataclass(frozen=True)
class Native:
    """The compiled code: what is used, what could be, and whether it computes what NumPy does."""

    instruction_set: str
    usable: tuple[str, ...]
    cpu_features: tuple[str, ...]
    agrees_with_numpy: bool


@dataclass(frozen=True)
class Threads:
    """Logical cores of the machine, those this process may use, and the variable that limits libraries."""

    cores: int
    usable: int
    omp_num_threads: str | None


@dataclass(frozen=True)
class Data:
    """Where data sets are looked for, and which of the known ones are there."""

    root: str
    present: dict[str, bool]


@dataclass(frozen=True)
class Report:
    """Everything `firebit doctor` tells. A library that is not installed has the version None."""

    firebit: str
    python: str
    platform: str
    native: Native
    threads: Threads
    libraries: dict[str, str | None]
    data: Data


def examine() -> Report:
    """Look at this machine and this installation.

    Raises:
        UsageError: ``FIREBIT_ISA`` names an instruction set that cannot run here.
    """
    required: dict[str, str | None] = {name: metadata.version(name) for name in _REQUIRED}
    optional = {name: extras.version(name) for name in extras.OPTIONAL}
    return Report(
        firebit=firebit.__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        platform=platform.platform(),
        native=_native(),
        threads=Threads(os.cpu_count() or 1, usable_cores(), os.environ.get("OMP_NUM_THREADS")),
        libraries=required | optional,
        data=_data(),
    )


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Show what is installed, which native code runs, and which data sets are here."""
    report = examine()
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=2))
    else:
        for name, value in _rows(report):
            typer.echo(f"{name:<16}{value}")
    if not report.native.agrees_with_numpy:
        raise FirebitError(
            f"The native code for {report.native.instruction_set} does not compute what NumPy does.",
            "Set FIREBIT_ISA=numpy to go without it, and report this with what 'firebit doctor' prints.",
        )


def _native() -> Native:
    from firebit.engine import native

    return Native(native.instruction_set(), native.instruction_sets(), native.cpu_features(), _agrees_with_numpy())


def _agrees_with_numpy() -> bool:
    import numpy as np

    from firebit.engine import native, reference
    from firebit.engine.executor import executor

    random = np.random.default_rng(0)
    # 1,063 bytes: whole vectors, whole words and a tail in every instruction set.
    codes = random.integers(0, 256, (9, 1063), np.uint8)
    expected = np.unpackbits(codes[:, None] ^ codes[None, :4], axis=2).sum(axis=2)
    plan, seen = _sample(random), random.integers(0, 256, (5, 3, 19, 19), np.uint8)
    logits = executor(plan).logits(seen)
    return np.array_equal(native.hamming(codes, codes[:4]), expected) and np.array_equal(
        logits, reference.logits(plan, seen)
    )


def _sample(random: "np.random.Generator") -> "Plan":
    """A network that uses every kernel: wide and small weights, over pixels and bits."""
    import numpy as np

    from firebit.engine.plan import Input, Layer, Logits, Plan
    from firebit.engine.term import Term

    def weights(largest: int, *shape: int) -> "NDArray[np.int16]":
        return random.integers(-largest, largest, shape, endpoint=True).astype(np.int16)

    def layer(name: str, term: Term) -> Layer:
        channels = term.channels
        return Layer(name, (term,), np.zeros((1, channels), np.int32), np.resize(np.array([1, -1], np.int8), channels))

    layers = (
        layer("pixels", Term("input", weights(32_767, 37, 3, 3, 3), padding=(1, 1, 1, 1))),
        layer("wide", Term("pixels", weights(32_767, 37, 37, 3, 3), padding=(1, 1, 1, 1))),
        layer("small", Term("wide", weights(20, 37, 37, 3, 3), stride=(2, 2))),
        layer("linear", Term("small", weights(127, 70, 37 * 81))),
    )
    return Plan(Input((3, 19, 19)), layers, Logits("last", (Term("linear", weights(999, 3, 70)),), 0.1, np.ones(3)))


def _data() -> Data:
    from firebit.data.load import data_root, folder_of, names

    folders = {name: folder_of(name) for name in names()}
    return Data(str(data_root()), {name: folder is None or folder.is_dir() for name, folder in folders.items()})


def _rows(report: Report) -> list[tuple[str, str]]:
    native, threads = report.native, report.threads
    limit = f", OMP_NUM_THREADS={threads.omp_num_threads}" if threads.omp_num_threads else ""
    return [
        ("firebit", report.firebit),
        ("python", report.python),
        ("platform", report.platform),
        ("native code", f"{native.instruction_set} (usable: {', '.join(native.usable)})"),
        ("self-test", "ok" if native.agrees_with_numpy else "FAILED: differs from NumPy"),
        ("processor", ", ".join(native.cpu_features) or "not asked: no native code is built"),
        ("threads", f"{threads.usable} of {threads.cores} cores usable{limit}"),
        *((name, _library(name, version)) for name, version in report.libraries.items()),
        ("data root", report.data.root),
        *((f"  {name}", "present" if here else "not here") for name, here in report.data.present.items()),
    ]


def _library(name: str, version: str | None) -> str:
    return version or f"not installed: {extras.remedy(name)}"
