"""A rank of the tests in test_distributed.py: says what it finds as one line of JSON.

python worker.py TASK [ARGUMENT]
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

from firebit.data import ImageSet, load
from firebit.errors import FirebitError, UsageError
from firebit.train.checkpoint import Progress
from firebit.train.distributed import Ranks, joined
from firebit.train.evaluate import evaluate
from firebit.train.fingerprint import check_alike
from firebit.train.loop import Loop
from firebit.train.recipe import Recipe, make_recipe
from firebit.train.stage import Stage, build_network, make_growth, make_optimizer

STAGE = Stage("phase1", "rectifier", 9, 0.02, "cosine", 2e-3)
NET = {"name": "lenet", "width": 0.4, "batch_norm": False, "centred": True}


def make(pictures: ImageSet, ranks: Ranks, dtype: torch.dtype, **more: Any) -> Loop:
    """A loop of the first phase on the pictures."""
    recipe = make_recipe({"batch": 20, "net": NET, "augment": {"crop": 2}, "seed": 3, **more})
    model = build_network(recipe, pictures, "rectifier").to(dtype)
    optimizer = make_optimizer(STAGE, model, recipe.optimizer)
    growth = make_growth(STAGE, model, ["act1", "act2", "act3"])
    return Loop(recipe, STAGE, pictures, model, optimizer, growth, Progress(), ranks=ranks)


def train(pictures: ImageSet, ranks: Ranks, dtype: torch.dtype = torch.float64, **more: Any) -> dict[str, Any]:
    """Losses of the epochs' steps, and what the network is and measures behind them."""
    loop, losses = make(pictures, ranks, dtype, **more), []
    while loop.progress.steps < 50:
        loop.run_epoch(losses.append)
    ranks.check_replicas(loop.model, "at the end")
    metrics, census = evaluate(loop.model.float(), pictures, ranks)
    assert census is not None
    state = {name: values.double().sum().item() for name, values in loop.model.state_dict().items()}
    return {"losses": losses, "metrics": metrics.to_dict(), "census": census.to_dict(), "state": state}


def tell(ranks: Ranks) -> dict[str, Any]:
    """What ranks tell each other."""

    def fail() -> None:
        if ranks.rank == 1:
            raise UsageError("The disk of rank 1 is gone.", "Bring it back.")

    try:
        ranks.together(fail)
        refused = ""
    except FirebitError as error:
        refused = f"{error.exit_code} {error.problem}"
    model = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(model.weight, ranks.rank)
    try:
        ranks.check_replicas(model, "here")
        drifted = ""
    except FirebitError as error:
        drifted = f"{error.exit_code} {error.problem}"
    return {
        "texts": ranks.texts("äöü" * ranks.rank),
        "total": ranks.total([ranks.rank + 0.5, 1.0]),
        "first": ranks.from_first(lambda: f"chosen by {ranks.rank}"),
        "stacked": ranks.stacked(torch.tensor([ranks.rank, 7])).tolist(),
        "together": ranks.together(lambda: ranks.rank),
        "refused": refused,
        "drifted": drifted,
    }


def alike(ranks: Ranks, what: str) -> dict[str, Any]:
    """The refusal where the last rank has something else."""
    odd = ranks.rank == ranks.size - 1
    recipe = make_recipe({"phase1": {"lr": 0.5}}) if odd and what == "recipe" else Recipe()
    try:
        check_alike(ranks, recipe, "other" if odd and what == "data" else "same")
    except FirebitError as error:
        return {"problem": error.problem, "exit": error.exit_code}
    return {"problem": None}


def main() -> None:
    task, *rest = sys.argv[1:]
    torch.set_num_threads(1)
    with joined() as ranks:
        if task == "train":
            options = json.loads(rest[1]) if len(rest) > 1 else {}
            dtype = getattr(torch, options.pop("dtype", "float64"))
            found = train(load(Path(rest[0]), "train"), ranks, dtype, **options)
        elif task == "tell":
            found = tell(ranks)
        elif task == "alike":
            found = alike(ranks, rest[0])
        else:
            if ranks.rank == 1:
                os._exit(9)
            found = {"texts": ranks.texts("is anyone there?")}
    print(json.dumps(found))


if __name__ == "__main__":
    try:
        main()
    except FirebitError as error:
        print(json.dumps({"problem": error.problem, "exit": error.exit_code}))
