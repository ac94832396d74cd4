"""ReLU networks for the peers of a benchmark: of runs, or untrained; as the files that each peer runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from firebit.compiler.compile import compile_with_report
from firebit.compiler.export import to_onnx
from firebit.data import ImageSet, to_float
from firebit.engine.bench.contender import FLOAT, INT8, OWN, PEERS, Contender
from firebit.engine.bench.team import quantize
from firebit.engine.bench.worker import PICTURES
from firebit.errors import ModelFileError
from firebit.files import save_tensors
from firebit.nn.census import evaluating
from firebit.train.pictures import load_pictures
from firebit.train.recipe import Net, Recipe
from firebit.train.run import RunFolder, load_model_file, save_model
from firebit.zoo.registry import entry
from firebit.zoo.untrained import noise, untrained, untrained_relu

CALIBRATION = 300
"""Pictures of the training set that 8-bit integers are calibrated on: NNCF's own default."""

REFERENCE = 200
"""Pictures for which torch says what a float peer must compute."""

_NOISE = 64


@dataclass(frozen=True, eq=False)
class Rival:
    """A ReLU network that peers run.

    Attributes:
        name: what it is called.
        architecture: see :class:`firebit.engine.bench.Contender`.
        file: its model file.
        pictures: uint8 (N, C, H, W), what 8-bit integers are calibrated on.
    """

    name: str
    architecture: str
    file: Path
    pictures: NDArray[np.uint8]

    def reference(self, images: NDArray[np.uint8]) -> NDArray[np.floating[Any]]:
        """Torch's logits for the first pictures, :data:`REFERENCE` at most."""
        model = load_model_file(self.file).model
        with evaluating(model):
            logits: NDArray[np.floating[Any]] = model(torch.from_numpy(to_float(images[:REFERENCE]))).numpy()
        return logits


def architecture(net: Net) -> str:
    """What a network is built like, in a few words: its name, and its width unless it is 1."""
    return net.name if net.width == 1 else f"{net.name} × {net.width:g}"


def rival_of(run: RunFolder) -> Rival:
    """The ReLU network of a run.

    Raises:
        UsageError: it is no run directory.
        ModelFileError: it has no ReLU network.
        DataError: its training pictures are missing or damaged.
    """
    recipe, file = run.recipe(), run.model_file("relu")
    if not file.is_file():
        raise ModelFileError(
            f"{run.path} has no ReLU network.", "Give a run that has one: --relu RUN; or leave peers out: --no-peers."
        )
    train = spread(load_pictures(recipe).train, CALIBRATION)
    return Rival(run.path.resolve().name, architecture(recipe.net), file, train.images)


def spread(pictures: ImageSet, most: int) -> ImageSet:
    """At most so many pictures of a set, evenly spread over it."""
    if len(pictures) <= most:
        return pictures
    return pictures.subset(np.arange(most) * len(pictures) // most)


def contenders(
    rival: Rival, peers: Sequence[str], folder: Path, told: Callable[[str], None] = lambda what: None
) -> list[Contender]:
    """The files of a ReLU network for every peer: float, and 8-bit integers where the peer makes them here.

    Args:
        rival: the network.
        peers: keys of :data:`firebit.engine.bench.PEERS`.
        folder: where to write files.
        told: what is being made.

    Raises:
        FirebitError: a file could not be made; the peer is named.
    """
    found = []
    onnx, seen = folder / "relu.onnx", folder / "calibration"
    if any(peer != "torch" for peer in peers):
        told(f"ONNX of {rival.name}")
        loaded = load_model_file(rival.file)
        to_onnx(loaded.model, loaded.example, onnx)
        save_tensors(seen, {PICTURES: rival.pictures}, {"kind": PICTURES})
    for name in peers:
        own = (rival.name, rival.file if name == "torch" else onnx, rival.architecture)
        found.append(Contender(name, FLOAT, *own))
        if PEERS[name].is_quantizer:
            told(f"8-bit integers of {rival.name} for {name}")
            target = folder / f"{name}-{INT8}{PEERS[name].suffix}"
            quantize(name, onnx, target, seen)
            beside = tuple(path for path in (target.with_suffix(".bin"),) if path.is_file())
            found.append(Contender(name, INT8, rival.name, target, rival.architecture, beside))
    return found


def untrained_pair(
    name: str, folder: Path, *, precision: str = "exact", weights: str = "int", width: float = 1.0, seed: int = 0
) -> tuple[Contender, Rival]:
    """An untrained network of the zoo, compiled, and the same with ReLUs.

    Args:
        name: of the zoo.
        folder: where to write both.
        precision: of the compiled one.
        weights: "int" or "sign" (:func:`firebit.zoo.untrained`), of the compiled one.
        width: of both.
        seed: of their weights and of the noise that they see.

    Raises:
        UsageError: there is no such network, precision or kind of weights.
    """
    net = Net(name=name, width=width, batch_norm=entry(name).options().batch_norm)
    found = {**net.options(), "classes": entry(name).options().classes}
    options = {key: value for key, value in found.items() if key not in ("activation", "slope_init", "shift_init")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        example = noise(name)
        plan, _ = compile_with_report(untrained(name, weights=weights, **options), example[:1] * 0, precision)
        model = untrained_relu(name, **options)
        pictures = (noise(name, batch=_NOISE) * 255).round().to(torch.uint8).numpy()
    plan.save(folder / f"{name}.firebit")
    classes = tuple(str(index) for index in range(options["classes"]))
    file = folder / f"{name}.safetensors"
    save_model(file, model, Recipe(net=net), tuple(example.shape[1:]), classes, "relu")
    label = name if weights == "int" else f"{name}, ±1 weights"
    own = Contender(OWN, precision, label, folder / f"{name}.firebit", architecture(net))
    return own, Rival(name, architecture(net), file, pictures)
