"""firebit reproduce on the command line."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from firebit import cli, paper
from firebit.train import Interrupted


def leave(*arguments: str) -> Any:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return caught.value.code


def test_what_it_is_asked_is_what_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def run(experiment: Any, seeds: Any, places: Any, *, reporter: Any, **options: Any) -> str:
        asked.extend([experiment.name, list(seeds), places, options])
        return "# A page\n"

    monkeypatch.setattr(paper, "reproduce", run)
    options = ["--seeds", "2", "--scale", "0.1", "--results", str(tmp_path / "r"), "--runs", str(tmp_path / "t")]
    options += ["--set", "threads=1", "--only", "cifar10", "--only", "mnist"]
    result = CliRunner().invoke(cli.app, ["reproduce", "table2", *options])
    assert (result.exit_code, result.stdout) == (0, "# A page\n")
    expected = {"scale": 0.1, "overrides": ["threads=1"], "only": ["cifar10", "mnist"]}
    assert asked == ["table2", [0, 1], paper.Places(tmp_path / "r", tmp_path / "t"), expected]


@pytest.mark.parametrize(("name", "seeds"), [("table1", 3), ("ablation", 1)])
def test_without_a_number_of_seeds_it_is_the_experiments(
    monkeypatch: pytest.MonkeyPatch, name: str, seeds: int
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(paper, "reproduce", lambda _, given, *__, **___: (asked.append(len(given)), "")[1])
    assert CliRunner().invoke(cli.app, ["reproduce", name]).exit_code == 0
    assert asked == [seeds]


def test_an_experiment_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("reproduce", "table9") == 2
    assert "There is no experiment 'table9'." in capsys.readouterr().err


def test_a_scale_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert leave("reproduce", "table1", "--scale", "0") == 2
    assert "scale=0.0" in capsys.readouterr().err


def test_a_signal_leaves_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: Any, **__: Any) -> str:
        raise Interrupted("stopped")

    monkeypatch.setattr(paper, "reproduce", stop)
    assert leave("reproduce", "table1") == 130
    assert "The same command goes on" in capsys.readouterr().err


def test_readings_are_asked_with_their_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def read(*arguments: Any) -> str:
        asked.extend(arguments)
        return "# A page\n"

    monkeypatch.setattr(paper, "read", read)
    options = ["--network", "a", "--network", "b", "--results", str(tmp_path / "r"), "--runs", str(tmp_path / "t")]
    result = CliRunner().invoke(cli.app, ["reproduce", "figure5", *options])
    assert (result.exit_code, result.stdout) == (0, "# A page\n")
    assert asked == ["figure5", ["a", "b"], tmp_path / "r", tmp_path / "t"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("figure6", "--seeds", "2"), "--seeds does not go with figure6"),
        (("figure6", "--scale", "0.5"), "--scale does not go with figure6"),
        (("figure5", "--only", "mnist"), "--only does not go with figure5"),
        (("figure5", "--set", "threads=1"), "--set does not go with figure5"),
        (("table1", "--network", "mnist-lenet"), "--network does not go with table1"),
    ],
)
def test_options_of_the_other_kind(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], problem: str
) -> None:
    assert leave("reproduce", *arguments) == 2
    assert problem in capsys.readouterr().err
