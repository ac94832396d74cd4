"""The field of a benchmark: which networks and pictures the words on the command line mean."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from firebit.cli.model import compiled_file
from firebit.cli.pictures import load_fitting, own_data
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.data import ImageSet
    from firebit.engine.bench import Contender, Pictures
    from firebit.engine.plan import Plan
    from firebit.train.rivals import Rival

UNTRAINED = "Untrained networks, on noise: this is their speed, they have no accuracy."
UNLABELLED = "No data set was given: noise, speed only, no accuracy."
_NOISE = 64


@dataclass(frozen=True, eq=False)
class Field:
    """What is measured.

    Attributes:
        own: compiled networks.
        rivals: ReLU networks for the peers.
        pictures: what they see.
        note: what a reader must know, or "".
    """

    own: "tuple[Contender, ...]"
    rivals: "tuple[Rival, ...]"
    pictures: "Pictures"
    note: str = ""


@dataclass(frozen=True)
class Zoo:
    """How to build a network of the zoo; fields as in :func:`firebit.train.rivals.untrained_pair`."""

    precision: str = "exact"
    weights: str = "int"
    width: float = 1.0


def untrained(name: str, zoo: Zoo, folder: Path) -> Field:
    """A network of the zoo, compiled and with ReLUs, on noise. Needs torch."""
    from firebit.engine.bench import Pictures
    from firebit.train.rivals import untrained_pair

    own, rival = untrained_pair(name, folder, precision=zoo.precision, weights=zoo.weights, width=zoo.width)
    return Field((own,), (rival,), Pictures(rival.pictures, None, "noise"), UNTRAINED)


def trained(
    targets: Sequence[Path], relu: Sequence[Path], data: str | None, limit: int | None, with_peers: bool
) -> Field:
    """Compiled networks of files and runs; with peers the ReLU networks of `relu`, or else those of the runs.

    Without peers this needs no torch.

    Raises:
        ModelFileError: a file is missing, damaged or of another kind.
        UsageError: the networks take different pictures, or the pictures do not fit.
        DataError: the pictures are missing or damaged.
    """
    from firebit.engine.record import load

    files = [compiled_file(target) for target in targets]
    runs = [run_of(target) for target in targets]
    plans = [load(file) for file in files]
    _check_alike(files, plans)
    rivals = _rivals(relu or [run for run in runs if run is not None], plans[0]) if with_peers else ()
    own = tuple(_contender(file, plan, run, with_peers) for file, plan, run in zip(files, plans, runs, strict=True))
    pictures = _pictures(plans[0], [run for run in runs if run is not None], data, limit)
    return Field(own, rivals, pictures, UNLABELLED if pictures.labels is None else "")


def run_of(target: Path) -> Path | None:
    """The run directory that TARGET is, or lies in; None where there is none."""
    folder = target if target.is_dir() else target.parent
    return folder if (folder / "recipe.toml").is_file() else None


def _check_alike(files: Sequence[Path], plans: "Sequence[Plan]") -> None:
    for file, plan in zip(files, plans, strict=True):
        if plan.logits is None:
            raise UsageError(f"{file} is an encoder, without classes.", "Measure the network with its last layer.")
        if (plan.input.shape, _classes(plan)) != (plans[0].input.shape, _classes(plans[0])):
            raise UsageError(
                f"{file} takes other pictures, or tells other classes apart, than {files[0]}.",
                "Measure networks of one task.",
            )


def _classes(plan: "Plan") -> int:
    return 0 if plan.logits is None else len(plan.logits.bias)


def _contender(file: Path, plan: "Plan", run: Path | None, with_peers: bool) -> "Contender":
    from firebit.engine.bench import Contender

    name, built = file.stem, None
    if run is not None:
        name = run.resolve().name if file.name == "model.firebit" else f"{run.resolve().name}/{file.stem}"
    if run is not None and with_peers:
        from firebit.train.rivals import architecture
        from firebit.train.run import RunFolder

        built = architecture(RunFolder(run).recipe().net)
    return Contender("firebit", plan.precision, name, file, built)


def _rivals(runs: Sequence[Path], plan: "Plan") -> "tuple[Rival, ...]":
    from firebit.train.rivals import rival_of
    from firebit.train.run import RunFolder, load_model_file

    found = []
    for run in dict.fromkeys(path.resolve() for path in runs):
        rival = rival_of(RunFolder(run))
        loaded = load_model_file(rival.file)
        if (tuple(loaded.example.shape[1:]), len(loaded.classes)) != (plan.input.shape, _classes(plan)):
            raise UsageError(
                f"The ReLU network of {run.name} takes other pictures, or tells other classes apart.",
                "Give a run of the same task.",
            )
        found.append(rival)
    return tuple(found)


def _pictures(plan: "Plan", runs: Sequence[Path], data: str | None, limit: int | None) -> "Pictures":
    import numpy as np

    from firebit.engine.bench import Pictures

    named = [data] if data is not None else [own_data(run, "firebit bench … --data DATA") for run in runs]
    if len(set(named)) > 1:
        raise UsageError(f"The runs have different data sets: {', '.join(named)}.", "Name one with --data.")
    if not named:
        noise = np.random.default_rng(0).integers(0, 256, (_NOISE, *plan.input.shape), np.uint8)
        return Pictures(noise, None, "noise")
    found = _spread(load_fitting(named[0], "test", plan.input.shape, _classes(plan)), limit)
    return Pictures(found.images, found.labels, found.name)


def _spread(pictures: "ImageSet", limit: int | None) -> "ImageSet":
    """At most so many pictures, evenly spread over the set: folders have them class by class."""
    import numpy as np

    if limit is None or len(pictures) <= limit:
        return pictures
    return pictures.subset(np.arange(limit) * len(pictures) // limit)


def entered(field: Field, peers: Sequence[str], folder: Path, told: Callable[[str], None]) -> "tuple[Contender, ...]":
    """All contenders of a field: ours, and every file that is made for the peers in `folder`."""
    found = list(field.own)
    for index, rival in enumerate(field.rivals if peers else ()):
        from firebit.train.rivals import contenders

        work = folder / f"rival-{index}"
        work.mkdir()
        found += contenders(rival, peers, work, told)
    return tuple(found)
