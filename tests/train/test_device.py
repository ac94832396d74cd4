"""Where a network trains: a GPU that is not there is refused in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from firebit.errors import UsageError
from firebit.train import Recipe, RunFolder, fit
from firebit.train.device import device_named

Tiny = Callable[..., Recipe]


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Say how many GPUs this machine has."""

    def have(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


def test_the_processor_is_always_there() -> None:
    assert device_named("cpu", local=3, ranks=4) == torch.device("cpu")


def test_every_rank_takes_the_gpu_of_its_number(gpus: Callable[[int], None]) -> None:
    gpus(4)
    assert [device_named("cuda", local, 4).index for local in range(4)] == [0, 1, 2, 3]
    assert device_named("cuda:2") == torch.device("cuda", 2)


@pytest.mark.parametrize(
    ("count", "name", "local", "ranks", "reason"),
    [
        (0, "cuda", 0, 1, "this machine has no GPU"),
        (0, "cuda:1", 0, 1, "this machine has no GPU"),
        (2, "cuda:2", 0, 1, "GPU 2 is asked for, and this machine has 2"),
        (2, "cuda", 2, 4, "GPU 2 is asked for, and this machine has 2"),
        (2, "cuda:0", 0, 2, "one GPU for 2 ranks"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(
    gpus: Callable[[int], None], count: int, name: str, local: int, ranks: int, reason: str
) -> None:
    gpus(count)
    with pytest.raises(UsageError) as caught:
        device_named(name, local, ranks)
    assert reason in caught.value.problem
    assert caught.value.exit_code == 2


def test_a_run_on_a_gpu_that_is_not_there_leaves_nothing(
    tiny: Tiny, gpus: Callable[[int], None], tmp_path: Path
) -> None:
    gpus(0)
    with pytest.raises(UsageError, match="no GPU"):
        fit(tiny(device="cuda"), RunFolder(tmp_path / "a"))
    assert not (tmp_path / "a").exists()
