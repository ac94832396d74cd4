"""`firebit inspect`: what a file says, and what it refuses."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import firebit
from firebit import files
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term

SCHEMA_1 = Path(__file__).parents[1] / "engine" / "plans" / "schema-1.firebit"
SCHEMA_2 = SCHEMA_1.with_name("schema-2.firebit")
EVIL = "[red]x[/red]\x1b[2J\n\u202e"

Inspect = Callable[..., tuple[int, str, str]]


@pytest.fixture
def inspect(command_line: Inspect) -> Inspect:
    return partial(command_line, "inspect")


def plan(name: str = "fire", classes: tuple[str, ...] = ()) -> Plan:
    weights = np.array([[1, -1, 2]], np.int16)
    layer = Layer(name, (Term("input", weights),), np.array([[5]], np.int32), np.array([-1], np.int8))
    votes = Logits("out", (Term(name, np.array([[1], [-1]], np.int16)),), 0.1, np.zeros(2))
    return Plan(Input((3,)), (layer,), votes if classes else None, classes)


CONV: dict[str, Any] = {
    "name": "conv",
    "terms": [
        {
            "source": "input",
            "kind": "conv",
            "weights": [2, 1, 2, 2],
            "signs": False,
            "bits": 16,
            "tables": None,
            "stride": [1, 1],
            "padding": [0, 1, 0, 1],
            "dilation": [1, 1],
            "groups": 1,
            "pool": {
                "kind": "sum",
                "kernel": [2, 2],
                "stride": [2, 2],
                "padding": [0, 0],
                "ceil": True,
                "count_padding": False,
            },
        }
    ],
    "units": [2, 2, 2],
    "bound": 4 * 3 * 255,
    "threshold_rows": 3,
    "directions": {"+1": 1, "-1": 1, "0": 0},
    "post": None,
    "output": {"shape": [2, 2, 2], "largest": 1},
}


def test_everything_as_json(inspect: Inspect) -> None:
    code, out, _ = inspect(SCHEMA_1, "--json")
    found = json.loads(out)
    fingerprint = json.loads(SCHEMA_1.with_suffix(".json").read_text("utf-8"))["fingerprint"]
    assert code == 0
    assert {key: value for key, value in found.items() if key not in ("layers", "logits")} == {
        "file": str(SCHEMA_1),
        "bytes": SCHEMA_1.stat().st_size,
        "schema": 1,
        "firebit": "0.1.0",
        "fingerprint": fingerprint,
        "precision": "exact",
        "input": {"shape": [1, 3, 3], "pad": [1]},
        "classes": ["red", "green", "blue"],
    }
    conv, block, code_layer = found["layers"]
    assert conv == CONV
    assert [term["kind"] for term in block["terms"]] == ["conv", "shortcut"]
    assert [term["signs"] for term in block["terms"]] == [True, False]
    assert block["terms"][1] == {
        **{"source": "conv", "kind": "shortcut", "weights": [2], "signs": False},
        **{"bits": 32, "tables": None, "pool": None},
    }
    # Two bits and a coefficient of 2.
    assert (block["bound"], block["threshold_rows"], block["units"]) == (4, 1, [2, 2, 2])
    assert (block["post"]["kind"], block["output"]) == ("mean", {"shape": [2, 2, 3], "largest": 2})
    assert code_layer["directions"] == {"+1": 1, "-1": 1, "0": 1}
    assert (code_layer["terms"][0]["kind"], code_layer["bound"]) == ("linear", 24)
    assert {key: found["logits"][key] for key in ("name", "units", "bound", "scale")} == {
        "name": "out",
        "units": [3],
        "bound": 6,
        "scale": 0.5,
    }


def test_tables_of_a_fast_plan(inspect: Inspect) -> None:
    block = json.loads(inspect(SCHEMA_2, "--json")[1])["layers"][1]
    assert block["terms"][0]["tables"] == {"chunk": 2, "multipliers": [1 << 23, 1 << 24]}
    assert (block["terms"][0]["bits"], block["terms"][1]["tables"]) == (8, None)
    text = " ".join(inspect(SCHEMA_2)[1].split())
    assert "of 8 bits" in text and "tables in chunks of 2" in text and "8,388,608 … 16,777,216" in text


def test_the_same_as_text(inspect: Inspect) -> None:
    code, out, _ = inspect(SCHEMA_1)
    lines = [line.rstrip() for line in out.splitlines()]
    assert code == 0
    assert lines[1:7:5] == ["schema       1, written by Firebit 0.1.0", "logits       scale 0.5"]
    assert "input        1×3×3, padded with 1" in lines
    assert "classes      3: red, green, blue" in lines
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    summed = "conv 2×1×2×2 of input padding 0,1,0,1, sum 2×2 stride 2×2 rounded up"
    mean = "mean 1×2 stride 1×1 padding 0×1"
    assert rows == [
        ["conv", summed, "2×2×2", "±3,060", "3", "1", "1", "0", ""],
        ["block", "conv 2×2×1×1 ±1 of conv", "2×2×2", "±4", "1", "1", "1", "0", mean],
        ["", "shortcut 2 of conv", "", "", "", "", "", "", ""],
        ["code", "linear 3×12 ±1 of block", "3", "±24", "1", "1", "1", "1", ""],
        ["out", "linear 3×3 of code", "3", "±6", "", "", "", "", ""],
    ]


def test_an_encoder(inspect: Inspect, tmp_path: Path) -> None:
    plan().save(tmp_path / "a.firebit")
    _, out, _ = inspect(tmp_path / "a.firebit")
    assert "logits       none: an encoder" in out
    assert "classes      none" in out
    assert json.loads(inspect(tmp_path / "a.firebit", "--json")[1])["logits"] is None


def test_a_run_directory(inspect: Inspect, tmp_path: Path) -> None:
    shutil.copy(SCHEMA_1, tmp_path / "model.firebit")
    found = json.loads(inspect(tmp_path, "--json")[1])
    assert found["file"] == str(tmp_path / "model.firebit")
    assert len(found["layers"]) == 3


def test_names_of_a_file_do_nothing_to_the_terminal(inspect: Inspect, tmp_path: Path) -> None:
    plan(EVIL, (EVIL, "b")).save(tmp_path / "a.firebit")
    _, out, _ = inspect(tmp_path / "a.firebit")
    shown = "[red]x[/red]\\x1b[2J\\n\\u202e"
    assert f"classes      2: {shown}, b" in out
    assert f"│ {shown}" in out
    assert f"of {shown}" in out
    assert not {"\x1b", "\u202e"} & set(out)
    assert json.loads(inspect(tmp_path / "a.firebit", "--json")[1])["layers"][0]["name"] == EVIL


def test_a_version_of_a_file_does_nothing_to_the_terminal(
    inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firebit, "__version__", EVIL, raising=False)
    plan().save(tmp_path / "a.firebit")
    assert "written by Firebit [red]x[/red]\\x1b[2J\\n\\u202e" in inspect(tmp_path / "a.firebit")[1]


def test_many_classes_are_cut_short_in_text_only(inspect: Inspect, tmp_path: Path) -> None:
    hidden = plan().layers
    names = tuple(f"n{i}" for i in range(100))
    votes = Logits("out", (Term("fire", np.ones((100, 1), np.int16)),), 1.0, np.zeros(100))
    Plan(Input((3,), (0, 7, 255)), hidden, votes, names).save(tmp_path / "a.firebit")
    out = inspect(tmp_path / "a.firebit")[1]
    assert "100: n0, n1, " in out and "n19, …" in out and "n20" not in out
    assert "3, padded with 0, 7, 255" in out
    assert json.loads(inspect(tmp_path / "a.firebit", "--json")[1])["classes"] == list(names)


@pytest.mark.parametrize("json_", [[], ["--json"]])
@pytest.mark.parametrize(
    ("kind", "problem", "remedy"),
    [
        ("missing", "There is no run or model file", "Give runs/NAME"),
        ("empty folder", "has no compiled network yet", "firebit compile"),
        ("text", "is not a Firebit tensor file", "Give a file"),
        ("damaged", "its content does not match its checksum", "Restore"),
        ("checkpoint", "is no compiled network", "firebit compile"),
        ("newer", "has schema 99; this version of Firebit reads up to", "Update Firebit"),
    ],
)
def test_refusals(inspect: Inspect, tmp_path: Path, kind: str, problem: str, remedy: str, json_: list[str]) -> None:
    path = tmp_path / "a.firebit"
    if kind == "empty folder":
        path.mkdir()
    elif kind == "text":
        path.write_text("a\n")
    elif kind == "damaged":
        path.write_bytes(SCHEMA_1.read_bytes()[:-1])
    elif kind == "checkpoint":
        files.save_tensors(path, {}, {"kind": "checkpoint"})
    elif kind == "newer":
        files.save_tensors(path, {}, {"kind": "plan", "schema": 99})
    code, out, err = inspect(path, *json_)
    first, second = err.splitlines()
    assert (code, out) == (4, "")
    assert problem in first and path.name in first
    assert remedy in second


def test_it_needs_no_torch() -> None:
    code = (
        "import sys, firebit.cli\n"
        "try:\n    firebit.cli.main(['inspect', sys.argv[1], '--json'])\n"
        "except SystemExit as end:\n    print(end.code, 'torch' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, str(SCHEMA_1)], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-1] == "0 False", result.stderr
