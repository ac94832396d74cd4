"""The package as a stranger builds and installs it, with a C++ compiler and without: takes minutes and an index."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term

ROOT = Path(__file__).parents[1]
REPORT = "from firebit.engine import native; print(*native.instruction_sets())"
DISTANCES = (
    "import numpy as np; from firebit.engine import native;"
    "print(native.hamming(np.array([[7, 0]], np.uint8), np.array([[0, 255]], np.uint8)).tolist())"
)

MEGABYTE = 10**6

pytestmark = pytest.mark.slow


def copy_source(where: Path) -> Path:
    ignored = shutil.ignore_patterns(".git", ".venv", "venv", "runs", "build", "*.so", "__pycache__", ".*_cache")
    return Path(shutil.copytree(ROOT, where / "source", ignore=ignored))


def pip(*words: object, **environment: str) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert result.returncode == 0, result.stdout + result.stderr


def build_wheel(where: Path, **environment: str) -> Path:
    pip("wheel", "--no-deps", "--wheel-dir", where, copy_source(where), **environment)
    (wheel,) = where.glob("*.whl")
    return wheel


def ask(wheel: Path, where: Path, code: str) -> str:
    """What `code` prints in an environment of its own that has this wheel, and this one's NumPy."""
    venv.create(where / "venv", with_pip=False)
    (target,) = (where / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            archive.extract(name, target)
    (target / "numpy.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    printed = run(where / "venv", "python", "-I", "-c", code)
    shutil.rmtree(where / "venv")
    return printed


def run(environment: Path, program: str, *words: object) -> str:
    """What a program of an environment prints; nothing of this one's is in its way."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(environment / "bin" / program), *map(str, words)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=environment, env=clean)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.strip()


def bare_path(where: Path) -> str:
    """A PATH with neither compiler nor CMake nor Ninja."""
    tools = where / "tools"
    tools.mkdir()
    for name in ("sh", "env", "uname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    return str(tools)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is built on this machine."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def run_only(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has what `pip install .` brings, and nothing else."""
    where = tmp_path_factory.mktemp("run-only")
    venv.create(where / "venv", with_pip=False)
    pip("--python", where / "venv" / "bin" / "python", "install", wheel)
    return where / "venv"


def small_plan() -> Plan:
    """28 × 28 pixels, of which it counts none: 10 classes, and 7 always wins."""
    layer = Layer(
        "fire", (Term("input", np.ones((1, 784), np.int16)),), np.zeros((1, 1), np.int32), np.zeros(1, np.int8)
    )
    logits = Logits("out", (Term("fire", np.eye(10, 1, -7, dtype=np.int16)),), 1.0, np.zeros(10))
    return Plan(Input((1, 28, 28)), (layer,), logits, tuple("0123456789"))


def package_files(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if path.suffix not in {".pyc", ".so"})
    return {path.relative_to(folder.parent).as_posix() for path in kept}


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="there is no C++ compiler")
def test_with_a_compiler_the_wheel_has_native_code(wheel: Path, tmp_path: Path) -> None:
    assert not wheel.name.endswith("none-any.whl")
    assert ask(wheel, tmp_path, REPORT).split()[-2:] == ["portable", "numpy"]
    assert ask(wheel, tmp_path, DISTANCES) == "[[11]]"


def test_without_a_compiler_the_wheel_works_on_numpy(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, CXX="/nonexistent", CC="/nonexistent", PATH=bare_path(tmp_path))
    assert wheel.name.endswith("none-any.whl")
    assert ask(wheel, tmp_path, REPORT) == "numpy"
    assert ask(wheel, tmp_path, DISTANCES) == "[[11]]"


def test_a_pure_wheel_on_request_has_every_file_of_the_package(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, FIREBIT_PURE="1")
    assert wheel.name.endswith("none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("firebit/")}
    assert packed == package_files(ROOT / "src" / "firebit")
    assert "firebit/py.typed" in packed
    assert any(name.startswith("firebit/data/digits/") and name.endswith(".gz") for name in packed)


def test_to_run_networks_no_torch_is_installed(run_only: Path) -> None:
    assert run(run_only, "python", "-c", "import importlib.util as i; print(i.find_spec('torch'))") == "None"


def test_what_is_installed_to_run_networks_is_small(run_only: Path) -> None:
    (added,) = run_only.glob("lib/python*/site-packages")
    size = sum(path.lstat().st_size for path in added.rglob("*") if path.is_file())
    print(f"{size / MEGABYTE:.1f} MB")
    assert 10 * MEGABYTE < size <= 130 * MEGABYTE


def test_to_run_networks_the_import_is_quick(run_only: Path) -> None:
    """In processor time, the best of some, since others may use the machine. NumPy is part of it: `firebit.load` needs
    it."""
    code = "import time; start = time.process_time(); import firebit; {}; print(time.process_time() - start)"
    for use in ("firebit", "firebit.load"):
        seconds = min(float(run(run_only, "python", "-c", code.format(use))) for _ in range(7))
        print(f"{use}: {seconds:.3f} s")
        assert seconds <= 0.3


def test_networks_run_without_torch(run_only: Path, tmp_path: Path) -> None:
    model, picture = tmp_path / "model.firebit", tmp_path / "picture.png"
    small_plan().save(model)
    Image.new("RGBA", (40, 30), (10, 20, 30, 255)).save(picture)
    printed = run(run_only, "firebit", "predict", model, picture)
    # e / (e + 9).
    assert printed.startswith(f"{picture}  7 23.20 %")
    found = json.loads(run(run_only, "firebit", "eval", model, "digits", "--json"))
    assert found["metrics"]["top1"] == 0.1
    code = f"import sys, firebit; print(firebit.load({str(model)!r}).predict({str(picture)!r}), 'torch' in sys.modules)"
    assert run(run_only, "python", "-c", code) == "[7] False"
