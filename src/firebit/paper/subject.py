"""Trained networks that figures 5 and 6 look into: compiled, with the pictures they were tested on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from firebit.data import ImageSet, load
from firebit.data.load import found_folder
from firebit.engine.network import Network
from firebit.engine.network import load as load_network
from firebit.errors import ModelFileError
from firebit.explain import Hierarchy, wordnet
from firebit.explain.hierarchy import is_wnid
from firebit.pretrained import entry, names
from firebit.train.run import RunFolder, load_model_file

PRETRAINED = ("cifar10-quick", "mnist-lenet")
IMAGENET_RUN = "table2-imagenet-seed0"

_TITLES = {"cifar10": "CIFAR-10", "mnist": "MNIST", "imagenet": "ImageNet"}
_CONCEPTS = {
    "animal": ("bird", "cat", "deer", "dog", "frog", "horse"),
    "mammal": ("cat", "deer", "dog", "horse"),
    "vehicle": ("airplane", "automobile", "ship", "truck"),
    "road vehicle": ("automobile", "truck"),
}


@dataclass(frozen=True, eq=False)
class Subject:
    """One network and its pictures.

    Attributes:
        name: of files.
        title: data set and architecture.
        target: how it was named: a pretrained network, or a run.
        network: compiled.
        pictures: of the test set.
        relu: the ReLU network that was trained beside it; None where there is none.
    """

    name: str
    title: str
    target: str
    network: Network
    pictures: ImageSet
    relu: nn.Module | None = None

    def hierarchy(self) -> Hierarchy | None:
        """Concepts above its classes: WordNet's for ImageNet, four for CIFAR-10, none for others."""
        classes = self.pictures.classes
        if all(map(is_wnid, classes)):
            return wordnet(classes)
        if not set(_CONCEPTS["animal"]) | set(_CONCEPTS["vehicle"]) <= set(classes):
            return None
        members = {name: frozenset(map(classes.index, below)) for name, below in _CONCEPTS.items()}
        return Hierarchy("four concepts: " + ", ".join(_CONCEPTS), members)


def subjects(targets: Sequence[str], runs: Path) -> list[Subject]:
    """The networks named; without names those that come with the package, and ImageNet's where it was run.

    Args:
        targets: names of pretrained networks, and run directories.
        runs: where a run of ImageNet would be.

    Raises:
        ModelFileError: a network is missing or damaged.
        DataError: its pictures are missing.
    """
    chosen = list(targets) or list(PRETRAINED)
    if not targets and (runs / IMAGENET_RUN / "model.firebit").is_file() and found_folder("imagenet"):
        chosen.append(str(runs / IMAGENET_RUN))
    return [_pretrained(target) if target in names() else _of_run(Path(target)) for target in chosen]


def _pretrained(name: str) -> Subject:
    found = entry(name)
    data, net = found.facts["data"], found.facts["net"]
    return Subject(data, _title(data, net), name, load_network(found.file), load(data, "test"))


def _of_run(path: Path) -> Subject:
    file = path / "model.firebit"
    if not file.is_file():
        raise ModelFileError(f"{path} is no run with a compiled network.", f"Make one: firebit compile {path}")
    run = RunFolder(path)
    recipe = run.recipe()
    network = load_network(file)
    side = network.input_shape[-1]
    pictures = load(recipe.data, "test", size=None if recipe.data in _TITLES and recipe.data != "imagenet" else side)
    relu = run.model_file("relu")
    model = load_model_file(relu).model if relu.is_file() else None
    return Subject(Path(recipe.data).name, _title(recipe.data, recipe.net.name), path.name, network, pictures, model)


def _title(data: str, net: str) -> str:
    return f"{_TITLES.get(data, Path(data).name)}, {net}"
