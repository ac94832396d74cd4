"""Recipes: what is accepted, what is refused, and what the refusal says."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firebit.errors import UsageError
from firebit.train.recipe import Phase, Recipe, load_recipe, make_recipe, recipe_names


def refusal(tree: dict[str, Any]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        make_recipe(tree)
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.exit_code == 2
    return caught.value


# reading


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_returns_from_toml(name: str) -> None:
    recipe = load_recipe(name)
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe
    assert {"digits", "mnist", "cifar10", "default"} <= set(recipe_names())


def test_a_file_with_overrides(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('data = "mnist"\n[phase1]\nepochs = 9\nlr = 0.5\n')
    recipe = load_recipe(path, ["phase1.epochs=5", "net.name=lenet", "phase2.lr = 1e-3", "batch=7"])
    assert recipe.phase1 == Phase(epochs=5, lr=0.5)
    assert (recipe.data, recipe.net.name, recipe.phase2.lr, recipe.batch) == ("mnist", "lenet", 1e-3, 7)


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("data=mnist", "mnist"),
        ('data="mnist"', "mnist"),
        ("data='a=b'", "a=b"),
        ("data=a=b", "a=b"),
        ("data=./with space", "./with space"),
        ("data =  mnist ", "mnist"),
        ('data="x"', "x"),
    ],
)
def test_overrides_take_bare_words_and_toml(override: str, value: str) -> None:
    assert load_recipe("digits", [override]).data == value


def test_overrides_take_booleans_lists_and_numbers() -> None:
    recipe = load_recipe("digits", ["baseline.enabled=false", 'layers=["act3", "fc*"]', "net.width=2", "seed=3"])
    assert (recipe.baseline.enabled, recipe.layers, recipe.net.width, recipe.seed) == (False, ("act3", "fc*"), 2.0, 3)


def test_the_last_override_counts() -> None:
    assert load_recipe("digits", ["seed=1", "seed=2"]).seed == 2


def test_an_override_without_a_value() -> None:
    with pytest.raises(UsageError, match="'seed' is not key=value"):
        load_recipe("digits", ["seed"])


def test_a_value_is_no_table() -> None:
    with pytest.raises(UsageError, match="'data' is not a table"):
        load_recipe("digits", ["data.name=x"])


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    for source in (tmp_path / "none.toml", "digitss", tmp_path):
        with pytest.raises(UsageError, match="There is no recipe") as caught:
            load_recipe(source)
        assert "digits" in caught.value.remedy


def test_a_recipe_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(b"data = \xff")
    with pytest.raises(UsageError, match="that can be read"):
        load_recipe(path)


def test_invalid_toml_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("seed = 1\nbatch = = 2\n")
    with pytest.raises(UsageError, match=r"r\.toml is not valid TOML: .*line 2"):
        load_recipe(path)


# refusing


def test_every_lever_is_off_unless_it_is_set() -> None:
    recipe = Recipe()
    assert (recipe.loss.label_smoothing, recipe.loss.distillation, recipe.loss.teacher) == (0, 0, None)
    assert (recipe.average.decay, recipe.net.dropout, recipe.optimizer.weight_decay_end) == (0, 0, None)
    for phase in (recipe.phase1, recipe.phase2):
        assert (phase.growth_end, phase.front, phase.hold) == (None, 0, 0)
        assert (phase.slope_end, phase.sharp_end, phase.noise) == (None, None, 0)
        assert not phase.settle
    assert not recipe.autocast


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ({"slope_end": 4.0, "growth_end": 1e-3}, "neither growth_end nor another law"),
        ({"slope_end": 4.0, "law": "inverse"}, "neither growth_end nor another law"),
        ({"slope_start": 2.0, "slope_end": 1.0}, "slopes do not fall from slope_start 2.0 to slope_end 1.0"),
        ({"sharp_end": 4.0}, "sharp_end goes on from slope_end, which is not set"),
        ({"settle": True}, "settle waits for the end of a course of slopes, and slope_end is not set"),
        ({"slope_end": 4.0, "sharp_end": 3.0, "grown": 0.5}, "slopes do not fall from slope_end 4.0 to sharp_end 3.0"),
        (
            {"slope_end": 4.0, "sharp_end": 9.0, "grown": 0.95},
            "0.9 is not behind the end of the course, grown 0.95",
        ),
    ],
)
def test_a_course_of_slopes_that_contradicts_itself(phase: dict[str, Any], reason: str) -> None:
    error = refusal({"phase2": phase})
    assert "phase2" in error.problem
    assert reason in error.problem


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"batch": 10, "accumulate": 4}, "a batch of 10 does not divide into accumulate = 4 parts"),
        ({"sync_batch_norm": True}, "sync_batch_norm works on GPUs only, and device is cpu"),
        ({"compile": True, "phase2": {"noise": 0.5}}, "compile goes with neither noise nor entropy"),
        ({"compile": True, "phase1": {"noise_end": 0.5}}, "compile goes with neither noise nor entropy"),
        ({"compile": True, "phase1": {"entropy": 0.5}}, "compile goes with neither noise nor entropy"),
        ({"device": "tpu"}, "device = 'tpu' is not valid"),
        ({"device": "cuda:x"}, "device = 'cuda:x' is not valid"),
    ],
)
def test_fields_that_do_not_go_together(tree: dict[str, Any], reason: str) -> None:
    error = refusal(tree)
    assert reason in error.problem
    assert "{" not in error.problem


def test_devices_that_can_be_named() -> None:
    for name in ("cpu", "cuda", "cuda:0", "cuda:11"):
        assert make_recipe({"device": name}).device == name
    assert make_recipe({"device": "cuda", "sync_batch_norm": True}).sync_batch_norm


@pytest.mark.parametrize("code", [1, 11, 4097, -48])
def test_a_length_that_no_code_has(code: int) -> None:
    error = refusal({"net": {"code": code}})
    assert error.problem.startswith("The recipe: net")
    assert str(code) in error.problem


@pytest.mark.parametrize(
    ("tree", "name"),
    [
        ({"phase1": {"growth": -1e-4}}, "phase1.growth"),
        ({"phase2": {"growth": float("nan")}}, "phase2.growth"),
        ({"phase1": {"epochs": -1}}, "phase1.epochs"),
        ({"phase1": {"epochs": 1.5}}, "phase1.epochs"),
        ({"phase1": {"epochs": "many"}}, "phase1.epochs"),
        ({"phase1": {"lr": 0}}, "phase1.lr"),
        ({"phase1": {"lr": float("inf")}}, "phase1.lr"),
        ({"phase1": {"schedule": "steps"}}, "phase1.schedule"),
        ({"phase1": {"law": "exp"}}, "phase1.law"),
        ({"phase1": {"growth_end": -1e-4}}, "phase1.growth_end"),
        ({"phase2": {"growth_end": float("inf")}}, "phase2.growth_end"),
        ({"phase1": {"front": -0.1}}, "phase1.front"),
        ({"phase1": {"front": 1001}}, "phase1.front"),
        ({"phase1": {"slope_start": 0}}, "phase1.slope_start"),
        ({"phase1": {"slope_end": -1.0}}, "phase1.slope_end"),
        ({"phase1": {"grown": 0.0}}, "phase1.grown"),
        ({"phase1": {"grown": 1.1}}, "phase1.grown"),
        ({"phase1": {"noise": -0.1}}, "phase1.noise"),
        ({"phase1": {"noise_end": -0.1}}, "phase1.noise_end"),
        ({"phase2": {"hold": -0.1}}, "phase2.hold"),
        ({"phase2": {"hold": "some"}}, "phase2.hold"),
        ({"loss": {"label_smoothing": -0.1}}, "loss.label_smoothing"),
        ({"loss": {"label_smoothing": 1.0}}, "loss.label_smoothing"),
        ({"loss": {"distillation": -0.1}}, "loss.distillation"),
        ({"loss": {"distillation": 1.1}}, "loss.distillation"),
        ({"loss": {"temperature": 0}}, "loss.temperature"),
        ({"loss": {"temperature": float("nan")}}, "loss.temperature"),
        ({"loss": {"teacher": 5}}, "loss.teacher"),
        ({"average": {"decay": -0.1}}, "average.decay"),
        ({"average": {"decay": 1.0}}, "average.decay"),
        ({"average": {"start": -0.1}}, "average.start"),
        ({"average": {"start": 1.0}}, "average.start"),
        ({"optimizer": {"weight_decay_end": -1e-4}}, "optimizer.weight_decay_end"),
        ({"net": {"dropout": 1.0}}, "net.dropout"),
        ({"net": {"dropout": -0.1}}, "net.dropout"),
        ({"baseline": {"epochs": 0}}, "baseline.epochs"),
        ({"phase2": {"schedule": "step", "drops": [1.0]}}, "phase2.drops"),
        ({"optimizer": {"name": "adam"}}, "optimizer.name"),
        ({"optimizer": {"momentum": 1.0}}, "optimizer.momentum"),
        ({"augment": {"crop": -1}}, "augment.crop"),
        ({"net": {"width": 0}}, "net.width"),
        ({"net": {"order": "pool-last"}}, "net.order"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"batch": 1}, "batch"),
        ({"validation": 1.0}, "validation"),
        ({"init": "zeros"}, "init"),
        ({"threads": 0}, "threads"),
        ({"size": 7}, "size"),
        ({"checkpoint_steps": 0}, "checkpoint_steps"),
        ({"layers": "first"}, "layers"),
        ({"layers": []}, "layers"),
        ({"layers": 3}, "layers"),
        ({"data": 5}, "data"),
        ({"data": ["a"]}, "data"),
    ],
)
def test_a_value_out_of_range_is_named(tree: dict[str, Any], name: str) -> None:
    error = refusal(tree)
    assert error.problem.startswith(f"The recipe: {name} = ")
    assert f"--set {name}=" in error.remedy


@pytest.mark.parametrize(
    ("tree", "name", "word"),
    [
        ({"net": "lenet"}, "net", "table"),
        ({"loss": 0.1}, "loss", "table"),
        ({"average": 0.999}, "average", "table"),
        ({"phase1": 5}, "phase1", "table"),
        ({"phase1": [1, 2]}, "phase1", "table"),
        ({"seed": {"value": 1}}, "seed", "integer"),
        ({"baseline": {"lr": {"start": 1}}}, "baseline.lr", "number"),
    ],
)
def test_tables_and_values_are_not_confused(tree: dict[str, Any], name: str, word: str) -> None:
    error = refusal(tree)
    assert error.problem.startswith(f"The recipe: {name} = ")
    assert word in error.problem


def test_a_recipe_file_is_named_in_its_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[phase1]\ngrowth = -1\n")
    with pytest.raises(UsageError, match=r"mine\.toml: phase1\.growth = -1 is not valid"):
        load_recipe(path)


def test_a_recipe_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Recipe().seed = 1  # type: ignore[misc]


# writing


def test_the_baseline_has_the_budget_of_both_phases_unless_it_says_otherwise() -> None:
    phases = {"phase1": {"epochs": 3}, "phase2": {"epochs": 4}}
    assert make_recipe(phases).baseline_epochs == 7
    assert make_recipe({**phases, "baseline": {"epochs": 2}}).baseline_epochs == 2


positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False)
text = st.text(st.characters(exclude_categories=["Cs"]))
trees = st.fixed_dictionaries(
    {},
    optional={
        "data": text,
        "layers": st.one_of(st.sampled_from(["all", "last"]), st.lists(text, min_size=1, max_size=3)),
        "seed": st.integers(0, 2**31 - 1),
        "validation": st.floats(0, 1, exclude_max=True),
        "threads": st.none() | st.integers(1, 64),
        "recalibrate": st.booleans(),
        "net": st.fixed_dictionaries({}, optional={"name": text, "width": positive, "centred": st.booleans()}),
        "loss": st.fixed_dictionaries(
            {}, optional={"distillation": st.floats(0, 1), "temperature": positive, "teacher": st.none() | text}
        ),
        "average": st.fixed_dictionaries({"decay": st.floats(0, 1, exclude_max=True)}),
        "phase1": st.fixed_dictionaries({}, optional={"lr": positive, "epochs": st.integers(0, 99)}),
        "phase2": st.fixed_dictionaries({}, optional={"growth_end": st.none() | positive, "hold": positive}),
        "baseline": st.fixed_dictionaries({"epochs": st.none() | st.integers(1, 99)}),
    },
)


@given(trees)
def test_toml_and_back(tree: dict[str, Any]) -> None:
    recipe = make_recipe(tree)
    assert make_recipe(tomllib.loads(recipe.to_toml())) == recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_says_how_slopes_grow_in_both_phases(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.has_phases is (name != "imagenet-alexnet-relu")
    if not recipe.has_phases:
        return
    for phase in (recipe.phase1, recipe.phase2):
        assert phase.slope_end is not None or "growth" in phase.model_fields_set
    assert recipe.phase2.slope_end is not None or recipe.phase2.growth > 0


def test_the_baseline_has_the_optimizer_of_the_phases_but_for_its_own() -> None:
    phases = {"name": "adamw", "weight_decay": 0.05, "momentum": 0.8}
    recipe = make_recipe({"optimizer": phases})
    assert recipe.baseline_optimizer == recipe.optimizer
    recipe = make_recipe({"optimizer": phases, "baseline": {"optimizer": "sgd", "weight_decay": 0.0}})
    own = recipe.baseline_optimizer
    assert (own.name, own.weight_decay, own.momentum) == ("sgd", 0.0, 0.8)
    assert recipe.optimizer.name == "adamw"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"schedule": "step"}, 'the schedule "step" goes with drops'),
        ({"drops": [0.5]}, "drops go with no other schedule"),
        ({"schedule": "step", "drops": [0.6, 0.5]}, "do not rise"),
        ({"schedule": "step", "drops": [0.5, 0.5]}, "do not rise"),
    ],
)
@pytest.mark.parametrize("name", ["baseline", "phase1", "phase2", "classifier", "weights"])
def test_drops_go_with_the_schedule_of_steps(name: str, table: dict[str, Any], message: str) -> None:
    assert message in refusal({name: table}).problem
    fine = make_recipe({name: {"schedule": "step", "drops": [0.5, 0.75]}})
    assert make_recipe(tomllib.loads(fine.to_toml())) == fine
