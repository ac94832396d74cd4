"""The README says what is so: its code is the example's, its commands are whole, its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
IN_A_FRESH_CLONE = "python3 -m venv .venv && . .venv/bin/activate && "


def blocks(language: str) -> list[str]:
    """The fenced code blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_python_block_is_the_core_of_the_example() -> None:
    example = (ROOT / "examples" / "own_loop.py").read_text("utf-8")
    (core,) = re.findall(r"# --8<-- the loop\n(.*?)# --8<-- the end of the loop", example, re.DOTALL)
    (shown,) = blocks("python")
    assert shown.strip() == core.strip()


def test_one_line_runs_the_main_job_and_one_the_tests() -> None:
    job, tests = (block.strip() for block in blocks("console")[:2])
    assert job == IN_A_FRESH_CLONE + "pip install '.[train]' && firebit train digits"
    assert tests == IN_A_FRESH_CLONE + "pip install '.[train,dev]' && pytest"


def test_the_extras_it_names_exist() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    named = {name for group in re.findall(r"\.\[([\w,]+)\]", README) for name in group.split(",")}
    assert named
    assert named <= set(extras)


def test_the_commands_it_names_exist() -> None:
    result = subprocess.run([sys.executable, "-m", "firebit", "--help"], capture_output=True, text=True, check=True)
    named = set(re.findall(r"`firebit (\w+)", README))
    assert {"train", "eval", "summary", "data", "doctor"} <= named
    assert all(re.search(rf"\b{name}\b", result.stdout) for name in named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_hold_no_path_of_any_one_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.~)])/(home|root|tmp|work|usr|opt)/", page.read_text("utf-8"))


def test_markers_of_tables_come_in_pairs() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        opened = re.findall(r"<!-- ((?:table|output):\S+) -->", text)
        assert re.findall(r"<!-- /((?:table|output):\S+) -->", text) == opened
        assert len(opened) == len(set(opened))


def test_one_version_everywhere() -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\n## [{version}] - " in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_pages_name_only_what_the_building_blocks_offer() -> None:
    import firebit as fb

    named = {name for page in PAGES for name in re.findall(r"\b(?:fb|firebit)\.nn\.(\w+)", page.read_text("utf-8"))}
    assert {"rectify", "harden", "census", "SlopeGrowth"} <= named
    assert all(hasattr(fb.nn, name) for name in named)
