"""The last act of a run: its hardened network as a file that needs no torch, and the proof that both agree."""

import copy
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from firebit.compiler.agreement import Agreement, agreement
from firebit.compiler.compile import compile_with_report
from firebit.compiler.report import Report
from firebit.data import ImageSet, load
from firebit.data.streamed import StreamedSet
from firebit.engine import reference
from firebit.engine.batch import batch_size
from firebit.engine.cost import cost
from firebit.engine.plan import Plan
from firebit.files import load_tensors
from firebit.metrics import Metrics, measure
from firebit.nn.census import Census, LayerCensus
from firebit.nn.rectifier import BoundedRectifier
from firebit.train.pictures import load_pictures, picture_size, streaming
from firebit.train.recipe import Recipe, make_recipe
from firebit.train.run import LoadedModel


def is_binary(model: nn.Module) -> bool:
    """Whether a network of the zoo has no activation but steps, so that it can be compiled."""
    return not any(isinstance(module, nn.ReLU | BoundedRectifier) for module in model.modules())


def compiled(loaded: LoadedModel, precision: str = "exact") -> tuple[Plan, Report]:
    """The plan of a hardened network of a run, and the report of what compiling changed.

    Raises:
        UsageError: the network is not hardened, or only some of its layers are.
    """
    return compile_with_report(loaded.model, loaded.example, precision, classes=loaded.classes)


def compiled_row(loaded: LoadedModel, plan: Plan, pictures: ImageSet) -> tuple[dict[str, Any], Agreement]:
    """The row of the plan in the run's table, measured without torch, and how it agrees with the torch network."""
    pictures = pictures.readable() if isinstance(pictures, StreamedSet) else pictures
    return plan_row("compiled", plan, pictures), compared(loaded, plan, pictures)


def plan_row(name: str, plan: Plan, pictures: ImageSet) -> dict[str, Any]:
    """A row of a run's table for a plan, measured without torch."""
    metrics, census = measured(plan, pictures)
    size = cost(plan)
    return {
        "name": name,
        "metrics": metrics.to_dict(),
        "census": census.to_dict(),
        "bits_per_activation": size.hidden_bits / size.hidden_units,
        "activation_bytes": size.hidden_bits / 8,
        "weight_bytes": size.weight_bytes + size.threshold_bytes,
    }


def compared(loaded: LoadedModel, plan: Plan, pictures: ImageSet) -> Agreement:
    """How a plan agrees with its hardened network in float64: in float32 torch itself rounds some bits away."""
    return agreement(copy.deepcopy(loaded.model).double(), plan, pictures.images)


def recipe_of(path: Path) -> Recipe:
    """The recipe of a model file that :func:`firebit.train.load_model_file` has accepted."""
    return make_recipe(tomllib.loads(load_tensors(path)[1]["recipe"]))


def held_out(recipe: Recipe) -> ImageSet:
    """What a run is measured on: the test set, or the part of the training set that the recipe keeps for it.

    Raises:
        DataError: the data set is missing or damaged.
        UsageError: the pictures do not fit the recipe's network.
    """
    if recipe.validation:
        return load_pictures(recipe).held_out
    return load(recipe.data, "test", size=picture_size(recipe), streaming=streaming(recipe))


def measured(plan: Plan, pictures: ImageSet) -> tuple[Metrics, Census]:
    """Loss, accuracy and census of a plan over a data set, in one pass."""
    logits, count = [], len(pictures)
    ones = {layer.name: np.zeros(plan.sums[layer.name], np.int64) for layer in plan.layers}
    for part in _parts(plan, pictures):
        walk = reference.Walk(plan, pictures.images[part])
        for state in walk.states():
            ones[state.layer.name] += state.bits.sum(0, dtype=np.int64)
        logits.append(walk.logits())
    census = Census({name: LayerCensus(count - fired, fired, count) for name, fired in ones.items()})
    return measure(np.concatenate(logits), pictures.labels), census


def _parts(plan: Plan, pictures: ImageSet) -> Iterator[slice]:
    size = batch_size(plan)
    return (slice(start, start + size) for start in range(0, len(pictures), size))
