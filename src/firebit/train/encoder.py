"""Photos to codes: a pretrained backbone and a head of steps as one torch model, and its file."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.data import to_float
from firebit.engine.pixels import pictures
from firebit.errors import ModelFileError, UsageError
from firebit.files import load_tensors, save_tensors
from firebit.nn.rectifier import Step
from firebit.search.codes import pack
from firebit.search.evaluate import Projection
from firebit.train.head import Head
from firebit.train.standardised import Standardised
from firebit.zoo.backbone import Backbone, pretrained
from firebit.zoo.block import CODE, CODE_BITS

if TYPE_CHECKING:
    from firebit.engine.pixels import Images

FORMAT = 1
_BATCH, _ROWS = 16, 5_000
_WIDEST = 1 << 16


class Encoder(nn.Module):
    """Pictures to bits: resized, through a real-valued backbone, and over the thresholds of a layer of codes.

    It is an encoder for a store of codes: it has `bits`, `fingerprint`, :meth:`codes` and :meth:`reals`.

    Args:
        backbone: a network with its weights.
        head: from its features to bits; its last layer, named `code`, is a :class:`~firebit.nn.rectifier.Step`.

    Shape:
        (N, 3, H, W), pixels over 255 → (N, bits), 0 or 1.
    """

    def __init__(self, backbone: Backbone, head: nn.Sequential) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.eval()

    @property
    def bits(self) -> int:
        """Length of a code."""
        return _step(self.head).channels

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all that decides bits, as 64 hexadecimal digits. Codes of one fingerprint can be compared."""
        digest = hashlib.sha256(f"firebit encoder 1 {self.backbone.name} {self.backbone.side}\n".encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.backbone(x))
        return found

    def codes(self, images: "Images") -> NDArray[np.uint8]:
        """Packed codes uint8 (N, ⌈bits / 8⌉) of pictures.

        Args:
            images: uint8 (N, 3, H, W) of any size; or paths, PIL images and arrays in a list, as
                :class:`firebit.engine.network.Network` takes them.

        Raises:
            DataError: a picture cannot be read.
            UsageError: `images` are no pictures.
        """
        return pack(self._run(images, self.head) > 0)

    @torch.inference_mode()
    def codes_of_features(self, features: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Packed codes uint8 (N, ⌈bits / 8⌉) of features (N, F) that the backbone has given before."""
        starts = range(0, len(features), _ROWS)
        return pack(
            np.concatenate([self.head(torch.from_numpy(features[at : at + _ROWS])).numpy() for at in starts]) > 0
        )

    def reals(self, images: "Images") -> NDArray[np.float32]:
        """How far each unit is from its threshold, float32 (N, bits), at least 0 where the bit is 1."""
        *before, _ = self.head.children()
        step = _step(self.head)
        sums = self._run(images, nn.Sequential(*before)).astype(np.float64)
        away = (sums - step.threshold.numpy()) * step.direction.numpy()
        found: NDArray[np.float32] = np.nan_to_num(away, posinf=np.inf, neginf=-np.inf).astype(np.float32)
        return found

    def save(self, path: Path) -> None:
        """Write the encoder as one file: the head, and the backbone's name, side and digest of weights.

        Raises:
            UsageError: the backbone's weights are not the published ones, which is all that a reader can find again.
            FirebitError: the disk is full; an old file is untouched.
        """
        if self.backbone.digest() != pretrained(self.backbone.name).digest():
            raise UsageError(
                f"The backbone {self.backbone.name} has other weights than the published ones.",
                "Save an encoder whose backbone is frozen.",
            )
        record = {
            "kind": "encoder",
            "format": FORMAT,
            "backbone": self.backbone.name,
            "side": self.backbone.side,
            "fingerprint": self.fingerprint,
        }
        save_tensors(path, {name: tensor.numpy() for name, tensor in self.head.state_dict().items()}, record)

    @torch.inference_mode()
    def _run(self, images: "Images", head: nn.Module) -> NDArray[np.float32]:
        found = []
        for pixels in _batches(images, self.backbone.side):
            inputs = torch.from_numpy(to_float(pixels))
            found.append(head(self.backbone(inputs)).float().numpy())
        return np.concatenate(found) if found else np.zeros((0, self.bits), np.float32)


def of_head(backbone: Backbone, head: Head) -> Encoder:
    """An encoder of a backbone and a trained head, whose classifier is left out.

    Raises:
        UsageError: the head has no steps, because it was trained as a baseline.
    """
    layers = head.encoder()
    if not isinstance(layers[-1], Step):
        raise UsageError(
            f"A head with the activation {head.options.activation!r} gives no bits by itself.",
            'Train one with activation="rectifier".',
        )
    return Encoder(backbone, layers)


def of_projection(backbone: Backbone, projection: Projection) -> Encoder:
    """An encoder of a backbone and a projection that was fitted to its features without labels.

    Raises:
        UsageError: the projection reads another number of features.
    """
    bits, features = projection.weight.shape
    if features != backbone.features:
        raise UsageError(
            f"A projection of {features} features does not fit {backbone.name}, which has {backbone.features}.",
            "Fit it to features of that backbone.",
        )
    linear = nn.Linear(features, bits, bias=False)
    linear.weight = nn.Parameter(torch.from_numpy(projection.weight).float(), requires_grad=False)
    step = Step(torch.from_numpy(projection.threshold), torch.ones(bits))
    return Encoder(backbone, _named(linear, step))


def load_encoder(path: Path) -> Encoder:
    """Read what :meth:`Encoder.save` wrote; the backbone's weights come from its package.

    Raises:
        ModelFileError: the file is missing, damaged, of a newer format, or does not fit its backbone.
        UsageError: the package of the backbone is not installed.
    """
    tensors, record = load_tensors(path)
    if record.get("kind") != "encoder" or record.get("format") != FORMAT:
        raise ModelFileError(
            f"{path} is not an encoder of format {FORMAT}.", "Give a file that Encoder.save has written."
        )
    name, side = record.get("backbone"), record.get("side")
    if not isinstance(name, str) or not isinstance(side, int):
        raise _invalid(path, "its backbone is not described")
    try:
        backbone = pretrained(name, side)
        encoder = Encoder(backbone, _head(tensors, backbone.features))
    except (UsageError, LookupError, ValueError, TypeError, RuntimeError) as error:
        if isinstance(error, ImportError):
            raise
        raise _invalid(path, " ".join(str(error).split())) from error
    if encoder.fingerprint != record.get("fingerprint"):
        raise _invalid(path, "its fingerprint is that of another encoder")
    return encoder


def is_encoder(path: Path) -> bool:
    """Whether a file says that it is an encoder; it may still be damaged."""
    try:
        return load_tensors(path)[1].get("kind") == "encoder"
    except ModelFileError:
        return False


@dataclass(frozen=True)
class _Shape:
    """How a head is laid out, read off its tensors: whether features are standardised, and the widths of its steps."""

    standard: bool
    hidden: int
    bits: int


def _head(tensors: Mapping[str, NDArray[Any]], features: int) -> nn.Sequential:
    """The head of a file, every tensor compared in shape before memory is taken for it."""
    hidden = tensors["fc_hidden.weight"].shape[0] if "fc_hidden.weight" in tensors else 0
    shape = _Shape("standard.mean" in tensors, hidden, tensors[f"fc_{CODE}.weight"].shape[0])
    if not 1 <= shape.bits <= CODE_BITS[1] or hidden > _WIDEST:
        raise ValueError(f"{shape.bits} bits behind {hidden} are no head")
    wanted = _shapes(shape, features)
    found = {name: array.shape for name, array in tensors.items()}
    if found != wanted:
        odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        raise ValueError(f"{odd[0]} has the shape {found.get(odd[0])}, not {wanted.get(odd[0])}")
    head = nn.Sequential()
    if shape.standard:
        head.add_module("standard", Standardised(features))
    for name, inputs, units in _layers(shape, features):
        head.add_module(f"fc_{name}", nn.Linear(inputs, units, bias=f"fc_{name}.bias" in tensors))
        direction = torch.from_numpy(tensors[f"{name}.direction"].copy())
        head.add_module(name, Step(torch.from_numpy(tensors[f"{name}.threshold"].copy()), direction))
    head.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in tensors.items()})
    return head.requires_grad_(False)


def _layers(shape: _Shape, features: int) -> list[tuple[str, int, int]]:
    if not shape.hidden:
        return [(CODE, features, shape.bits)]
    return [("hidden", features, shape.hidden), (CODE, shape.hidden, shape.bits)]


def _shapes(shape: _Shape, features: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    if shape.standard:
        found |= {"standard.mean": (features,), "standard.scale": (features,)}
    for name, inputs, units in _layers(shape, features):
        found |= {f"fc_{name}.weight": (units, inputs), f"{name}.threshold": (units,), f"{name}.direction": (units,)}
        if name == CODE and shape.hidden:
            found[f"fc_{name}.bias"] = (units,)
    return found


def _named(linear: nn.Linear, step: Step) -> nn.Sequential:
    head = nn.Sequential()
    head.add_module(f"fc_{CODE}", linear)
    head.add_module(CODE, step)
    return head


def _step(head: nn.Sequential) -> Step:
    last = head[-1]
    if not isinstance(last, Step):
        raise UsageError(f"The head ends in {type(last).__name__}, not in a step.", "Harden it: firebit.nn.harden.")
    return last


def _batches(images: object, side: int) -> "Sequence[NDArray[np.uint8]] | Any":
    if isinstance(images, np.ndarray) and images.ndim == 4 and images.shape[1] == 3 and images.dtype == np.uint8:
        return (images[start : start + _BATCH] for start in range(0, len(images), _BATCH))
    found = pictures(images, (3, side, side))
    return (found.pixels(slice(start, start + _BATCH)) for start in range(0, len(found), _BATCH))


def _invalid(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path} describes no encoder: {why}.", "Restore it from a copy, or train it again.")
