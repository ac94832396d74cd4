"""What every test can rely on: plain terminals, no data sets of the user's, deterministic properties."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# Tests run side by side: each process has a core of its own.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

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


@pytest.fixture(scope="session")
def few_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree as ImageNet has it: three classes of digits as JPEG files of many sizes, 60 to train on and 18 to test on;
    not to be written to."""
    from PIL import Image

    from firebit.data import load

    root = tmp_path_factory.mktemp("photos") / "few"
    for split, folder, count in (("train", "train", 20), ("test", "val", 6)):
        digits = load("digits", split)
        for label, name in enumerate(("n01440764", "n01443537", "n01484850")):
            place = root / folder / name
            place.mkdir(parents=True)
            for number, index in enumerate(np.flatnonzero(digits.labels == label)[:count]):
                picture = Image.fromarray(digits.images[index, 0]).convert("RGB")
                size = (40 + (7 * number + label) % 30, 40 + (5 * number) % 25)
                stem = f"{name}_{number}" if folder == "train" else f"ILSVRC2012_val_{6 * label + number + 1:08}"
                picture.resize(size).save(place / f"{stem}.JPEG", quality=90)
    return root


@pytest.fixture(scope="session")
def few_shards(few_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as tar shards of some twenty pictures; not to be written to."""
    from firebit.data.pack import pack
    from firebit.data.tree import open_tree

    folder = tmp_path_factory.mktemp("shards") / "few"
    pack({split: open_tree(few_photos, split, f"few-{split}") for split in ("train", "test")}, folder, 40_000)
    return folder
