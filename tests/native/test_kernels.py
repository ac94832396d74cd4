"""The kernels in C++ alone: for processors that are emulated, and under sanitizers. Slow: needs compilers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "tests" / "native" / "kernels.cpp", ROOT / "native" / "dispatch.cpp"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

pytestmark = pytest.mark.slow


def built(compiler: str, where: Path, sets: dict[str, list[str]], *flags: str) -> Path:
    """The test of kernels as a program, with the flags of every instruction set for its own file."""
    common = ["-std=c++17", "-O2", f"-I{ROOT / 'native'}", *flags]
    objects = []
    for name, own in sets.items():
        objects.append(str(where / f"{name}.o"))
        source = str(ROOT / "native" / name / "kernels.cpp")
        subprocess.run([compiler, *common, *WARNINGS, *own, "-c", source, "-o", objects[-1]], check=True)
    defined = [f"-DFIREBIT_HAS_{name.upper()}" for name in sets]
    program = where / "kernels"
    subprocess.run([compiler, *common, *defined, *map(str, SOURCES), *objects, "-o", str(program)], check=True)
    return program


def output(*command: object, **environment: str) -> list[str]:
    result = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return [line.split(",")[0] for line in result.stdout.splitlines()]


def test_neon_under_emulation(tmp_path: Path) -> None:
    compiler = shutil.which("aarch64-linux-gnu-g++")
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if compiler is None or emulator is None:
        pytest.skip("needs aarch64-linux-gnu-g++ and qemu-aarch64")
    program = built(compiler, tmp_path, {"portable": [], "neon": []}, "-static")
    assert output(emulator, program, 300) == ["neon agrees", "portable agrees"]


def test_x86_under_sanitizers(tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs g++ on x86-64")
    wide = ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni", "-mavx512vpopcntdq", "-mpopcnt"]
    wide += ["-mavx512vbmi", "-mavx512bitalg"]
    sets = {
        "portable": [],
        "avx2": ["-mavx2", "-mpopcnt"],
        "avx512": [*wide, "-Wno-maybe-uninitialized", "-Wno-uninitialized"],
    }
    assert output(built(compiler, tmp_path, sets, *SANITIZERS), 100)[-1] == "portable agrees"


def test_the_exactness_tests_under_sanitizers() -> None:
    if shutil.which("g++") is None or shutil.which("cmake") is None:
        pytest.skip("needs g++ and cmake")
    script = ROOT / "tests" / "native" / "sanitize.sh"
    tests = ["tests/engine/test_exactness.py", "tests/engine/test_executor.py"]
    printed = output("bash", script, *tests, "-k", "drawn or small or batches")
    assert any("passed" in line for line in printed)
