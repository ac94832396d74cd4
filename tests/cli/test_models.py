"""firebit models, and networks by name in the other commands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from firebit import cli
from firebit.data import load
from firebit.errors import ModelFileError, UsageError
from firebit.pretrained import entry, names


def run(*words: str) -> Any:
    return CliRunner().invoke(cli.app, list(words))


def test_the_list_names_every_network_with_its_accuracy() -> None:
    lines = run("models").stdout.splitlines()
    for name in names():
        (line,) = [line for line in lines if f" {name} " in line]
        assert entry(name).facts["top1"] in line
    assert "1×28×28" in "".join(lines)


def test_the_list_and_one_as_json() -> None:
    listed = json.loads(run("models", "--json").stdout)
    assert [model["name"] for model in listed] == list(names())
    one = json.loads(run("models", "mnist-lenet", "--json").stdout)
    assert one in listed
    assert (one["input"], len(one["classes"]), len(one["fingerprint"])) == ([1, 28, 28], 10, 64)


def test_a_card_is_printed() -> None:
    assert run("models", "mnist-lenet").stdout == entry("mnist-lenet").card.rstrip("\n") + "\n"
    assert isinstance(run("models", "mnist-lenett").exception, ModelFileError)


def test_a_picture_is_predicted_by_name(tmp_path: Path) -> None:
    digits = load("digits", "test")
    Image.fromarray(digits.images[0, 0]).save(tmp_path / "a.png")
    found = json.loads(run("predict", "mnist-lenet", str(tmp_path / "a.png"), "--json").stdout)
    assert found["pictures"][0]["predictions"][0]["class"] == str(digits.labels[0])
    assert found["fingerprint"] == json.loads(run("inspect", "mnist-lenet", "--json").stdout)["fingerprint"]


def test_its_costs_are_summed_up_by_name() -> None:
    record = json.loads(run("summary", "mnist-lenet", "--json").stdout)
    assert record["hidden_bits"] == 20 * 144 + 50 * 16 + 500
    assert isinstance(run("summary", "mnist-lenet", "--network", "relu").exception, UsageError)


def test_it_is_measured_on_a_data_set_by_name() -> None:
    found = json.loads(run("eval", "mnist-lenet", "digits", "--json").stdout)
    assert found["metrics"]["count"] == 2000
    assert found["metrics"]["top1"] > 0.98
    assert isinstance(run("eval", "mnist-lenet", "digits", "--network", "relu").exception, UsageError)


def test_without_a_data_set_it_is_that_of_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def small(source: str, *_: object, **__: object) -> Any:
        asked.append(source)
        return load("digits", "test").subset(np.arange(10))

    monkeypatch.setattr("firebit.data.load", small)
    assert run("eval", "mnist-lenet").exit_code == 0
    assert asked == ["mnist"]


@pytest.mark.parametrize("command", ["predict", "inspect", "eval"])
def test_a_name_that_is_none_is_said_with_the_nearest(command: str) -> None:
    more = ["x.png"] if command == "predict" else []
    error = run(command, "mnist-lent", *more).exception
    assert isinstance(error, ModelFileError)
    assert "Did you mean 'mnist-lenet'?" in error.remedy
