"""What an experiment of the paper is: a list of trials, and which of their rows make its table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firebit.train.recipe import Recipe, load_recipe


@dataclass(frozen=True)
class Trial:
    """One training run of an experiment, but for its seed.

    Attributes:
        name: unique in its experiment.
        title: what it is called in the table.
        recipe: a recipe of :func:`firebit.train.recipe_names`.
        overrides: fields set beyond the recipe, "key=value".
        thresholded: how the ReLU baseline is binarised for comparison: "last", "front to back", or not at all.
        printed: the paper's own accuracies in per cent, by row: top-1, or (top-1, top-5).
        seeds: most seeds it is run with; None: all that are asked for.
        optional: run only where its data are there, or when it is asked for by name.
    """

    name: str
    title: str
    recipe: str
    overrides: tuple[str, ...] = ()
    thresholded: str | None = None
    printed: Mapping[str, float | tuple[float, float]] = field(default_factory=dict)
    seeds: int | None = None
    optional: bool = False

    def recipe_for(self, seed: int, scale: float = 1.0, overrides: Sequence[str] = ()) -> Recipe:
        """The recipe of one run, with more fields overridden, its epochs multiplied by `scale` (at least 1)."""
        given = [*self.overrides, *overrides, f"seed={seed}"]
        whole = load_recipe(self.recipe, given)
        if scale == 1:
            return whole
        epochs = {
            "baseline": whole.baseline_epochs,
            "phase1": whole.phase1.epochs,
            "phase2": whole.phase2.epochs,
            "classifier": whole.classifier.epochs,
            "weights": whole.weights.epochs if whole.weights.kind != "real" else 0,
        }
        scaled = [f"{key}.epochs={max(1, round(count * scale))}" for key, count in epochs.items() if count]
        return load_recipe(self.recipe, [*given, *scaled])


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, as a list of runs.

    Attributes:
        name: as on the command line.
        title: heading of its page.
        rows: of a table: names of result rows and the headings of their columns, in order; empty for no table.
        trials: the runs.
        notes: what is not run here, and where we differ.
        source: the experiment whose runs these are; empty: its own.
        drawing: what is drawn: "binarisation", "curves", "sweep", or nothing.
        seeds: runs of every trial, unless another number is asked for.
    """

    name: str
    title: str
    rows: Mapping[str, str]
    trials: tuple[Trial, ...]
    notes: str
    source: str = ""
    drawing: str = ""
    seeds: int = 3

    @property
    def records(self) -> str:
        """The folder of its records."""
        return self.source or self.name
