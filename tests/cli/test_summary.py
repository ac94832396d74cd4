"""`firebit summary` for networks of the zoo, and its refusals."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import firebit.cli
from firebit.errors import FirebitError


def run(*words: str) -> Result:
    return CliRunner().invoke(firebit.cli.app, ["summary", *words])


def test_a_zoo_network_as_json() -> None:
    record = json.loads(run("lenet", "--json").stdout)
    # conv 20@5×5 on 28×28; conv 50@5×5 on 12×12; fc 800→500→10.
    assert record["hardened_macs"] == {"pixel × real": 288_000, "bit × real": 1_600_000 + 400_000 + 5_000}
    assert record["hidden_units"] == 20 * 144 + 50 * 16 + 500


def test_options_build_the_network() -> None:
    record = json.loads(run("lenet", "--json", "--width", "0.5", "--batch-norm", "--channels", "3").stdout)
    kinds = {layer["name"]: layer["output"] for layer in record["layers"]}
    assert record["input"] == [3, 28, 28]
    assert (kinds["conv1"], kinds["norm3"]) == ([10, 24, 24], [250])


def test_the_table_is_text_when_it_is_not_a_terminal() -> None:
    output = run("cifar10_quick", "--activation", "relu").stdout
    assert "cifar" not in output
    assert "average pool" in output
    assert "1.0 times" in output


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["lenett"], "neither a network of the zoo nor a run directory"),
        (["lenet", "--network", "relu"], "does not go with lenet"),
        (["lenet", "--width", "-1"], "width=-1.0"),
        ([".", "--width", "2", "--batch-norm"], "--width, --batch-norm cannot change it"),
        (["{empty}"], "safetensors"),
    ],
)
def test_refusals(words: list[str], problem: str, tmp_path: Path) -> None:
    result = run(*(word.format(empty=tmp_path) for word in words))
    assert isinstance(result.exception, FirebitError)
    assert problem in str(result.exception)
