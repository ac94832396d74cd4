"""Training in two phases, from a recipe to a run directory (needs torch)."""

from firebit.train.evaluate import evaluate
from firebit.train.fit import fit
from firebit.train.interrupt import Interrupted
from firebit.train.recipe import Recipe, load_recipe, make_recipe, recipe_names
from firebit.train.run import RunFolder, load_model, load_model_file

__all__ = [
    "Interrupted",
    "Recipe",
    "RunFolder",
    "evaluate",
    "fit",
    "load_model",
    "load_model_file",
    "load_recipe",
    "make_recipe",
    "recipe_names",
]
