"""`firebit predict`: what pictures show, and pictures that cannot be read."""

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from firebit.cli import predict
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term

Run = Callable[..., tuple[int, str, str]]

TIME = r"  \d+\.\d\d ms"


def plan(classes: tuple[str, ...] = ("dark", "grey", "bright"), votes: bool = True) -> Plan:
    """One grey pixel in, three classes out: dark below 100, bright from 200 on, grey in between."""
    step = (np.array([[100, 200]], np.int32), np.ones(2, np.int8))
    layer = Layer("fire", (Term("input", np.array([[1], [1]], np.int16)),), *step)
    # Of no bits the logits are 2, 1, 0; of the first bit 1, 2, 0; of both 1, 0.5, 2.
    weights = np.array([[-2, 0], [2, -3], [0, 4]], np.int16)
    logits = Logits("out", (Term("fire", weights),), 0.5, np.array([2.0, 1.0, 0.0]))
    return Plan(Input((1, 1, 1)), (layer,), logits if votes else None, classes if votes else ())


DARK, GREY, BRIGHT = [2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [1.0, 0.5, 2.0]


def softmax(logits: list[float]) -> list[float]:
    return [math.exp(value) / sum(math.exp(other) for other in logits) for value in logits]


@pytest.fixture
def firebit(command_line: Run) -> Run:
    return partial(command_line, "predict")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    plan().save(tmp_path / "model.firebit")
    return tmp_path / "model.firebit"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """0.png dark, 1.png grey, 2.jpg bright, in sizes of their own."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (1, 1), 10).save(folder / "0.png")
    Image.new("RGB", (7, 5), (150, 150, 150)).save(folder / "1.png")
    Image.new("L", (30, 40), 250).save(folder / "2.jpg")
    return folder


def test_a_line_per_picture_and_one_of_the_time(firebit: Run, model: Path, pictures: Path) -> None:
    files = [pictures / name for name in ("1.png", "0.png", "2.jpg")]
    code, out, err = firebit(model, *files)
    assert (code, err) == (0, "")
    *lines, times = out.splitlines()
    for line, file, name, logits in zip(lines, files, ("grey", "dark", "bright"), (GREY, DARK, BRIGHT), strict=True):
        share = 100 * max(softmax(logits))
        assert re.fullmatch(re.escape(f"{file}  {name} {share:.2f} %") + TIME, line)
    assert re.fullmatch(r"3 pictures in \d+\.\d{3} s, \d+\.\d\d ms each", times)


def test_one_picture_is_one_line(firebit: Run, model: Path, pictures: Path) -> None:
    code, out, _ = firebit(model, pictures / "0.png")
    assert code == 0
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(("top", "shown"), [(1, 1), (2, 2), (3, 3), (99, 3)])
def test_the_most_probable_classes(firebit: Run, model: Path, pictures: Path, top: int, shown: int) -> None:
    _, out, _ = firebit(model, pictures / "2.jpg", "--top", top)
    shares = softmax(BRIGHT)
    ranked = [f"bright {100 * shares[2]:.2f} %", f"dark {100 * shares[0]:.2f} %", f"grey {100 * shares[1]:.2f} %"]
    assert re.fullmatch(re.escape(f"{pictures / '2.jpg'}  {', '.join(ranked[:shown])}") + TIME, out.strip())


def test_json(firebit: Run, model: Path, pictures: Path) -> None:
    code, out, err = firebit(model, pictures / "0.png", pictures / "none.png", pictures / "1.png", "--json", "--top", 2)
    found = json.loads(out)
    assert code == 3
    assert list(found) == ["model", "fingerprint", "pictures", "seconds"]
    assert (found["model"], found["fingerprint"]) == (str(model), plan().fingerprint)
    dark, none, grey = found["pictures"]
    assert dark["file"] == str(pictures / "0.png")
    assert [(guess["index"], guess["class"]) for guess in dark["predictions"]] == [(0, "dark"), (1, "grey")]
    assert [guess["probability"] for guess in grey["predictions"]] == pytest.approx(
        [softmax(GREY)[1], softmax(GREY)[0]], rel=1e-14
    )
    assert list(none) == ["file", "error", "remedy"]
    assert "No such file" in none["error"]
    assert found["seconds"] == pytest.approx(dark["seconds"] + grey["seconds"])
    assert 0 < dark["seconds"] < 10
    assert none["error"] in err


def test_the_time_of_a_picture_is_its_own_and_its_share(
    firebit: Run, model: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that goes on a second whenever it is read: one to read each picture, one to compute all three."""
    monkeypatch.setattr(predict, "time", SimpleNamespace(perf_counter=count().__next__))
    found = json.loads(firebit(model, pictures, "--json")[1])
    assert [entry["seconds"] for entry in found["pictures"]] == pytest.approx([4 / 3] * 3)
    assert found["seconds"] == pytest.approx(4)
    assert firebit(model, pictures)[1].splitlines()[-1] == "3 pictures in 4.000 s, 1333.33 ms each"


def test_equal_probabilities_go_to_the_smaller_index(firebit: Run, pictures: Path, tmp_path: Path) -> None:
    # So many that sorting would mix them up where it is not stable.
    bias = np.arange(200) % 3
    votes = Logits("out", (Term("fire", np.zeros((200, 2), np.int16)),), 1.0, bias.astype(float))
    Plan(plan().input, plan().layers, votes).save(tmp_path / "tie.firebit")
    found = json.loads(firebit(tmp_path / "tie.firebit", pictures / "0.png", "--json", "--top", 200)[1])
    (picture,) = found["pictures"]
    ranked = [*range(2, 200, 3), *range(1, 200, 3), *range(0, 200, 3)]
    assert [(guess["index"], guess["class"]) for guess in picture["predictions"]] == [(i, None) for i in ranked]


def test_classes_without_names_are_numbers(firebit: Run, pictures: Path, tmp_path: Path) -> None:
    plan(()).save(tmp_path / "bare.firebit")
    _, out, _ = firebit(tmp_path / "bare.firebit", pictures / "1.png")
    assert out.startswith(f"{pictures / '1.png'}  1 ")


def test_what_is_no_picture_is_named_in_one_line_and_the_others_are_predicted(
    firebit: Run, model: Path, pictures: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes((pictures / "2.jpg").read_bytes()[:200])
    Image.new("L", (4, 4)).save(tmp_path / "a.gif")
    (tmp_path / "empty").mkdir()
    wrong = [tmp_path / name for name in ("text.png", "cut.jpg", "a.gif", "none.png", "empty", "y" * 300)]
    code, out, err = firebit(model, *wrong[:3], pictures / "0.png", *wrong[3:], pictures / "1.png")
    assert code == 3
    *named, last, remedy = err.splitlines()
    assert len(named) == len(wrong)
    for line, file in zip(named, wrong, strict=True):
        assert line.startswith("error: ")
        assert str(file) in line
    assert last == "error: 6 of 8 images cannot be read."
    assert remedy.startswith("  → ")
    first, second, _ = out.splitlines()
    assert first.startswith(f"{pictures / '0.png'}  dark ")
    assert second.startswith(f"{pictures / '1.png'}  grey ")


def test_nothing_but_broken_pictures(firebit: Run, model: Path, tmp_path: Path) -> None:
    code, out, err = firebit(model, tmp_path / "none.png")
    assert (code, out) == (3, "")
    assert err.splitlines()[1] == "error: 1 of 1 images cannot be read."
    found = json.loads(firebit(model, tmp_path / "none.png", "--json")[1])
    assert (len(found["pictures"]), found["seconds"]) == (1, 0)


def test_folders_are_searched(firebit: Run, model: Path, pictures: Path) -> None:
    for folder in ("deep", ".hidden", "deep/.git"):
        (pictures / folder).mkdir()
        Image.new("L", (2, 2), 220).save(pictures / folder / "3.PNG")
    Image.new("L", (2, 2), 220).save(pictures / ".4.png")
    (pictures / "notes.txt").write_text("hello")
    (pictures / "folder.png").mkdir()
    code, out, err = firebit(model, pictures, pictures / "0.png")
    assert (code, err) == (0, "")
    shown = [line.split("  ")[0] for line in out.splitlines()[:-1]]
    assert shown == [str(pictures / name) for name in ("0.png", "1.png", "2.jpg", "deep/3.PNG", "0.png")]


def test_a_picture_of_another_format_in_a_folder_is_not_silently_left_out(
    firebit: Run, model: Path, pictures: Path
) -> None:
    Image.new("L", (4, 4)).save(pictures / "a.gif")
    code, out, err = firebit(model, pictures)
    assert code == 3
    assert len(out.splitlines()) == 4
    assert "a.gif" in err.splitlines()[0]


@pytest.mark.parametrize("at_once", [1, 2, 64])
def test_order_and_answers_do_not_depend_on_how_many_are_computed_at_once(
    firebit: Run, model: Path, tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict, "_MOST_AT_ONCE", at_once)
    values = [(37 * index) % 256 for index in range(70)]
    files = [tmp_path / f"{index}.png" for index in range(70)]
    for file, value in zip(files, values, strict=True):
        Image.new("L", (1, 1), value).save(file)
    files[33].write_bytes(b"")
    code, out, _ = firebit(model, *files, "--json")
    assert code == 3
    found = json.loads(out)["pictures"]
    assert [entry["file"] for entry in found] == [str(file) for file in files]
    indices = [entry["predictions"][0]["index"] if "predictions" in entry else None for entry in found]
    expected: list[Any] = [(value >= 100) + (value >= 200) for value in values]
    expected[33] = None
    assert indices == expected


def test_names_that_would_steer_the_terminal(firebit: Run, pictures: Path, tmp_path: Path) -> None:
    plan(("\x1b[2J", "b\nb", "c")).save(tmp_path / "odd.firebit")
    odd = tmp_path / "new\nline\x1b.png"
    (pictures / "0.png").rename(odd)
    code, out, _ = firebit(tmp_path / "odd.firebit", odd, "--top", 2)
    assert code == 0
    assert len(out.splitlines()) == 1
    assert "\x1b" not in out
    assert "new\\nline\\x1b.png  \\x1b[2J 66.52 %, b\\nb 24.47 %" in out
    assert (
        firebit(tmp_path / "odd.firebit", tmp_path / "none\n.png")[2]
        .splitlines()[0]
        .endswith("No such file or directory.")
    )


def test_a_run_means_its_compiled_network(firebit: Run, model: Path, pictures: Path, tmp_path: Path) -> None:
    code, out, _ = firebit(model.parent, pictures / "0.png")
    assert (code, "dark" in out) == (0, True)
    (tmp_path / "run").mkdir()
    code, out, err = firebit(tmp_path / "run", pictures / "0.png")
    assert (code, out) == (4, "")
    assert err.splitlines()[1] == f"  → Make it: firebit compile {tmp_path / 'run'}"


def test_models_that_are_none(firebit: Run, pictures: Path, tmp_path: Path) -> None:
    plan().save(tmp_path / "cut.firebit")
    (tmp_path / "cut.firebit").write_bytes((tmp_path / "cut.firebit").read_bytes()[:-1])
    plan(votes=False).save(tmp_path / "coder.firebit")
    for name, expected in (("none", 4), ("cut.firebit", 4), ("pictures/0.png", 4), ("coder.firebit", 2)):
        code, out, err = firebit(tmp_path / name, pictures / "0.png")
        assert (code, out) == (expected, "")
        assert len(err.splitlines()) == 2
        assert name in err.splitlines()[0]


@pytest.mark.parametrize("words", [["m"], ["m", "a.png", "--top", "0"], ["m", "a.png", "--top", "x"], []])
def test_wrong_usage(firebit: Run, words: list[str]) -> None:
    code, out, err = firebit(*words)
    assert (code, out) == (2, "")
    assert "Usage: firebit predict" in err


def test_it_needs_no_torch(model: Path, pictures: Path) -> None:
    code = (
        "import sys\n"
        "from firebit import cli\n"
        f"try:\n    cli.main(['predict', {str(model)!r}, {str(pictures)!r}])\n"
        "except SystemExit as end:\n    print(end.code)\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'torch'])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout.splitlines()[-2:] == ["0", "[]"], result.stderr
