"""Records of finished runs: each is of a trial as it stands today, and the pages say what the records do."""

import re
import tomllib
from pathlib import Path

import pytest

from firebit.paper import EXPERIMENTS
from firebit.paper.experiment import Experiment
from firebit.paper.page import page
from firebit.paper.record import Record, load_record
from firebit.train import make_recipe

RESULTS = Path(__file__).parents[2] / "docs" / "results"
# All records were made on one thread.
OVERRIDES = ("threads=1",)
RECORDS = sorted(path for name in EXPERIMENTS for path in (RESULTS / name).glob("*.json"))
PAGES = [name for name in EXPERIMENTS if (RESULTS / f"{name}.md").exists()]


def recorded(experiment: Experiment, seeds: int) -> dict[str, list[Record]]:
    """The records of an experiment's trials, in the order of seeds."""
    found = {}
    for trial in experiment.trials:
        paths = [RESULTS / experiment.records / f"{trial.name}-seed{seed}.json" for seed in range(seeds)[: trial.seeds]]
        found[trial.name] = [load_record(path) for path in paths if path.exists()]
    return {name: records for name, records in found.items() if records}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_record_is_of_a_trial_as_it_stands(path: Path) -> None:
    name, _, seed = path.stem.rpartition("-seed")
    (trial,) = [trial for trial in EXPERIMENTS[path.parent.name].trials if trial.name == name]
    made = make_recipe(tomllib.loads(load_record(path).recipe))
    assert made.of_training == trial.recipe_for(int(seed), 1.0, OVERRIDES).of_training


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_the_records_say(name: str) -> None:
    text = (RESULTS / f"{name}.md").read_text("utf-8")
    given = re.search(r"--seeds (\d+) ", text)
    assert given, f"{name}.md does not say its command"
    seeds = int(given[1])
    assert page(EXPERIMENTS[name], recorded(EXPERIMENTS[name], seeds), range(seeds), 1.0, OVERRIDES) == text
