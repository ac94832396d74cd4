"""`firebit data`: what is printed, and which error reaches the top."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from firebit.cli import data
from firebit.data import load
from firebit.data.sources import SOURCES, Download, Member
from firebit.errors import DataError, UnavailableError, UsageError

CONTENT = bytes(3_000_000)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a data set of one file that is known as "mnist"."""
    known = Member("train-images-idx3-ubyte", len(CONTENT), f"sha256:{hashlib.sha256(CONTENT).hexdigest()}")
    # Nothing listens on port 9 of this machine.
    monkeypatch.setitem(SOURCES, "mnist", (Download(("http://127.0.0.1:9/x.gz",), f"md5:{'0' * 32}", (known,)),))
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / known.name).write_bytes(CONTENT)
    return folder


def run(*words: object) -> str:
    result = CliRunner().invoke(data.app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def test_fetch_from_a_folder_in_plain_lines(source: Path, tmp_path: Path) -> None:
    output = run("fetch", "mnist", "--root", tmp_path / "root", "--from", source)
    assert output == f"train-images-idx3-ubyte: 3.0 MB\nmnist is in {tmp_path / 'root' / 'mnist'}\n"
    assert (tmp_path / "root" / "mnist" / "train-images-idx3-ubyte").read_bytes() == CONTENT


def test_fetch_draws_a_bar_on_a_terminal(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(data, "Console", lambda: Console(file=screen, force_terminal=True, width=100))
    run("fetch", "mnist", "--root", tmp_path / "root", "--from", source)
    assert "3.0/3.0 MB" in screen.getvalue()
    assert "\x1b[" in screen.getvalue()


def test_plain_lines_come_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 4.0, 11.0, 12.0, 13.0])
    monkeypatch.setattr(data.time, "monotonic", lambda: next(clock))
    lines = data._PlainLines()
    for done in (1_000_000, 2_000_000, 3_000_000, 4_000_000):
        lines("a.gz", done, 4_000_000)
    assert capsys.readouterr().out == "a.gz: 2.0 of 4.0 MB\na.gz: 4.0 MB\n"


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (["fetch", "mnits"], DataError, 3),
        (["fetch", "mnist"], UnavailableError, 6),
        (["fetch", "mnist", "--from", "nowhere"], UsageError, 2),
        (["show", "nowhere"], DataError, 3),
        (["show", "cifar10"], DataError, 3),
        (["show", "digits", "--split", "val"], UsageError, 2),
    ],
)
def test_errors_reach_the_top(source: Path, tmp_path: Path, words: list[str], kind: type, code: int) -> None:
    result = CliRunner().invoke(data.app, [*words, "--root", str(tmp_path / "root")])
    assert type(result.exception) is kind
    assert result.exception.exit_code == code  # type: ignore[union-attr]


def test_list_says_what_is_here(source: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    run("fetch", "mnist", "--root", root, "--from", source)
    (root / "cifar-10-batches-bin").mkdir()
    rows = {line.split("│")[1].strip(): line for line in run("list", "--root", root).splitlines() if "│" in line}
    assert "yes" in rows["digits"]
    assert "inside the package" in rows["digits"]
    assert "yes" in rows["mnist"]
    assert str(root / "mnist") in rows["mnist"]
    assert "not as published" in rows["cifar10"]
    assert " no " in rows["cifar100"]


def test_show_counts_classes() -> None:
    output = run("show", "digits")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines() if "│" in line]
    assert rows == [*([str(digit), "600", "200"] for digit in range(10)), ["all", "6,000", "2,000"]]
    assert f"digits-train: 28 × 28 grey, fingerprint {load('digits').fingerprint()}" in output


def test_show_a_folder_with_a_bad_picture(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in ("cat", "[b]dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (8, 6)).save(tmp_path / part / name / "1.png")
    (tmp_path / "train" / "cat" / "2.png").write_bytes(b"broken")
    output = run("show", tmp_path, "--on-bad-image", "skip", "--size", 4, "--split", "train")
    assert "[b]dog" in output
    assert f"{tmp_path.name}-train: 4 × 4 RGB, 1 skipped (train/cat/2.png), fingerprint " in output
    assert isinstance(CliRunner().invoke(data.app, ["show", str(tmp_path)]).exception, DataError)
