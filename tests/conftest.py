"""What every test can rely on: plain terminals, no data sets of the user's, deterministic properties."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no reason for a property to fail.
settings.register_profile("firebit", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("firebit")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No colours, wide lines, no overrides, and a data root of the test's own."""
    for name in ("FIREBIT_ISA", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERMINAL_WIDTH", "120")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FIREBIT_DATA", str(tmp_path_factory.getbasetemp() / "no-data"))


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of IDX files with 120 real digits to train on and 60 to test on; not to be written to."""
    from firebit.data import load

    folder = tmp_path_factory.mktemp("data") / "few"
    folder.mkdir()
    for split, prefix, count in (("train", "train", 120), ("test", "t10k", 60)):
        digits = load("digits", split).subset(np.arange(count))
        pixels, labels = digits.images[:, 0], digits.labels.astype(np.uint8)
        for kind, values in (("images-idx3", pixels), ("labels-idx1", labels)):
            header = struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape)
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(header + values.tobytes())
    return folder


@pytest.fixture(scope="session")
def run_folder(few_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with its ReLU network and its compiled one; not to be written to."""
    from firebit.train import RunFolder, fit, make_recipe

    folder = RunFolder(tmp_path_factory.mktemp("runs") / "few")
    tree = {
        "data": str(few_digits),
        "net": {"name": "lenet", "width": 0.2},
        "batch": 20,
        "threads": 1,
        "phase1": {"epochs": 1},
        "phase2": {"epochs": 1},
    }
    fit(make_recipe(tree), folder)
    return folder.path
