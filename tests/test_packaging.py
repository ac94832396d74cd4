"""The package as a stranger builds it, with a C++ compiler and without: takes minutes and a package index."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REPORT = "from firebit.engine import native; print(*native.instruction_sets())"
DISTANCES = (
    "import numpy as np; from firebit.engine import native;"
    "print(native.hamming(np.array([[7, 0]], np.uint8), np.array([[0, 255]], np.uint8)).tolist())"
)

pytestmark = pytest.mark.slow


def build_wheel(where: Path, **environment: str) -> Path:
    source = where / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "venv", "runs", "build", "*.so", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(where), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = where.glob("*.whl")
    return wheel


def ask(wheel: Path, where: Path, code: str) -> str:
    """What `code` prints in an environment of its own that has this wheel, and this one's NumPy."""
    venv.create(where / "venv", with_pip=False)
    (target,) = (where / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            archive.extract(name, target)
    import numpy as np

    (target / "numpy.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    python = where / "venv" / "bin" / "python"
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False, cwd=where)
    assert result.returncode == 0, result.stderr
    shutil.rmtree(where / "venv")
    return result.stdout.strip()


def bare_path(where: Path) -> str:
    """A PATH with neither compiler nor CMake nor Ninja."""
    tools = where / "tools"
    tools.mkdir()
    for name in ("sh", "env", "uname"):
        (tools / name).symlink_to(str(shutil.which(name)))
    return str(tools)


def package_files(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    kept = (path for path in files if path.suffix not in {".pyc", ".so"})
    return {path.relative_to(folder.parent).as_posix() for path in kept}


@pytest.mark.skipif(shutil.which(os.environ.get("CXX", "c++")) is None, reason="there is no C++ compiler")
def test_with_a_compiler_the_wheel_has_native_code(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path)
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
