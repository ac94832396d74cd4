"""Ranks: what one alone does, what several tell each other, and that they train the network of one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from firebit.errors import FirebitError, UsageError
from firebit.train.distributed import ALONE, Ranks, joined, launched

StartRanks = Callable[..., list[dict[str, Any]]]

# one alone


def test_alone_everything_is_its_own() -> None:
    assert ALONE.first
    assert ALONE.part(7) == slice(0, 7)
    assert ALONE.texts("x") == ["x"]
    assert ALONE.mean(0.1) == 0.1
    assert ALONE.total([1.0, 2.0]) == [1.0, 2.0]
    assert ALONE.from_first(lambda: "mine") == "mine"
    state = torch.arange(3)
    assert ALONE.stacked(state) is state
    model = nn.Linear(1, 1)
    assert ALONE.wrap(model) is model


def test_what_fails_alone_fails_as_it_is() -> None:
    def fail() -> None:
        raise UsageError("No.", "Do not.")

    with pytest.raises(UsageError, match=r"No\."):
        ALONE.together(fail)


@pytest.mark.parametrize(("count", "size"), [(20, 2), (7, 3), (2, 5), (0, 2)])
def test_parts_follow_each_other_and_cover_everything(count: int, size: int) -> None:
    parts = [Ranks(rank, size).part(count) for rank in range(size)]
    assert [at for part in parts for at in range(part.start, part.stop)] == list(range(count))
    lengths = [part.stop - part.start for part in parts]
    assert max(lengths) - min(lengths) <= 1


def test_a_process_of_its_own_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert launched() is ALONE
    with joined() as ranks:
        assert ranks is ALONE


def test_the_variables_of_torchrun_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert launched() == Ranks(5, 8, 1, 2)
    assert not launched().first


@pytest.mark.parametrize(("name", "value"), [("RANK", "8"), ("RANK", "-1"), ("LOCAL_RANK", "x"), ("WORLD_SIZE", "")])
def test_variables_that_are_no_ranks_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    for key, right in {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", name: value}.items():
        monkeypatch.setenv(key, right)
    with pytest.raises(UsageError, match=name):
        launched()


def test_one_rank_under_torchrun_is_alone_but_knows_of_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "TORCHELASTIC_RESTART_COUNT": "1"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    with joined() as ranks:
        assert (ranks.size, ranks.restarts) == (1, 1)
        assert not torch.distributed.is_initialized()


# several


@pytest.mark.slow
def test_ranks_tell_each_other_numbers_and_texts(start_ranks: StartRanks) -> None:
    found = start_ranks(3, "tell")
    for rank, said in enumerate(found):
        assert said["texts"] == ["", "äöü", "äöüäöü"]
        assert said["total"] == [4.5, 3.0]
        assert said["first"] == "chosen by 0"
        assert said["stacked"] == [[0, 7], [1, 7], [2, 7]]
        assert said["together"] == rank
        assert said["drifted"] == "5 The networks of ranks 0 and 1 are no longer the same here."
    assert found[1]["refused"] == "2 The disk of rank 1 is gone."
    assert found[0]["refused"] == found[2]["refused"] == "2 Rank 1 cannot go on: The disk of rank 1 is gone."


@pytest.mark.slow
def test_a_lost_rank_is_noticed_in_one_line(start_ranks: StartRanks) -> None:
    first, _ = start_ranks(2, "lose")
    assert first["problem"].startswith("Rank 0 has lost the other ranks")
    assert first["exit"] == 6


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"accumulate": 2}])
def test_two_ranks_train_the_network_of_one(start_ranks: StartRanks, few_digits: Path, more: dict[str, Any]) -> None:
    """50 steps in float64, without batch norm and dropout."""
    (one,), two = start_ranks(1, "train", few_digits), start_ranks(2, "train", few_digits, json.dumps(more))
    assert two[0] == two[1]
    assert len(one["losses"]) == 54
    for alone, shared in zip(one["losses"], two[0]["losses"], strict=True):
        assert shared == pytest.approx(alone, abs=1e-9)
    for name, value in one["state"].items():
        assert two[0]["state"][name] == pytest.approx(value, abs=1e-9), name
    assert two[0]["census"] == one["census"]
    assert two[0]["metrics"]["top1"] == one["metrics"]["top1"]
    assert two[0]["metrics"]["loss"] == pytest.approx(one["metrics"]["loss"], rel=1e-5)


@pytest.mark.slow
def test_replicas_with_batch_norm_stay_the_same_and_are_not_those_of_one(
    start_ranks: StartRanks, few_digits: Path
) -> None:
    net = {"name": "lenet", "width": 0.4, "dropout": 0.2}
    options = json.dumps({"net": net, "dtype": "float32"})
    (one,), two = start_ranks(1, "train", few_digits, options), start_ranks(2, "train", few_digits, options)
    assert two[0] == two[1]
    assert two[0]["losses"] != one["losses"]
    assert two[0]["losses"][-1] < 0.7 * two[0]["losses"][0]


def test_an_error_of_another_rank_keeps_its_exit_code() -> None:
    from firebit.train.distributed import _elsewhere

    error = _elsewhere(3, ["No data.", 3])
    assert isinstance(error, FirebitError)
    assert (error.exit_code, error.problem) == (3, "Rank 3 cannot go on: No data.")
    assert FirebitError.exit_code == 1
