"""Features of a whole set of pictures, computed once and kept: what heads are trained on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from firebit.data import ImageSet, to_float
from firebit.errors import ModelFileError
from firebit.files import load_tensors, save_tensors
from firebit.zoo.backbone import Backbone, fused

_PART = 2_500
Told = Callable[[int, int], None]


@dataclass(frozen=True)
class FeatureStore:
    """A folder of features, in parts of 2,500 pictures, so that what was stopped goes on where it was.

    Attributes:
        folder: where the parts are.
    """

    folder: Path

    def load(self, key: str, part: int) -> NDArray[np.float32] | None:
        """The part's features, or None where they are not there yet, or not whole."""
        try:
            tensors, record = load_tensors(self._path(key, part))
        except ModelFileError:
            return None
        features = tensors.get("features")
        if record.get("key") != key or features is None or features.dtype != np.float16 or features.ndim != 2:
            return None
        return features.astype(np.float32)

    def save(self, key: str, part: int, features: NDArray[np.float32]) -> None:
        """Keep a part, as float16: features are in 0 … 6, where that rounds by less than 0.002."""
        save_tensors(self._path(key, part), {"features": features.astype(np.float16)}, {"key": key})

    def _path(self, key: str, part: int) -> Path:
        return self.folder / f"{key[:16]}-{part:05d}.safetensors"


def extract(
    backbone: Backbone,
    pictures: ImageSet,
    store: FeatureStore,
    *,
    flipped: bool = False,
    dtype: torch.dtype = torch.float32,
    batch: int = 16,
    told: Told | None = None,
) -> NDArray[np.float32]:
    """Features of all pictures, in order: read where they are kept, else computed and kept.

    Args:
        backbone: with its weights; frozen.
        pictures: uint8, RGB or grey (which becomes RGB).
        store: where they are kept, under a key made of weights, side, dtype, pictures and `flipped`.
        flipped: of the pictures mirrored left and right.
        dtype: what the backbone computes in, float32 or bfloat16.
        batch: pictures at a time; few, so that their activations stay in the cache.
        told: called with (pictures done, pictures in all) after each part.

    Returns:
        float32 (N, features), rounded to float16, whether computed now or before.
    """
    key = _key(backbone, pictures, flipped, dtype)
    quick, found = None, []
    for part, start in enumerate(range(0, len(pictures), _PART)):
        images = pictures.images[start : start + _PART]
        features = store.load(key, part)
        if features is None or features.shape != (len(images), backbone.features):
            quick = quick or fused(backbone, dtype)
            new = computed(quick, images[..., ::-1] if flipped else images, batch)
            store.save(key, part, new)
            features = new.astype(np.float16).astype(np.float32)
        found.append(features)
        if told is not None:
            told(start + len(images), len(pictures))
    return np.concatenate(found)


def computed(backbone: Backbone, images: NDArray[np.uint8], batch: int) -> NDArray[np.float32]:
    found = []
    with torch.inference_mode():
        for start in range(0, len(images), batch):
            inputs = torch.from_numpy(to_float(np.ascontiguousarray(images[start : start + batch])))
            found.append(backbone(inputs.expand(-1, 3, -1, -1)).numpy())
    return np.concatenate(found)


def _key(backbone: Backbone, pictures: ImageSet, flipped: bool, dtype: torch.dtype) -> str:
    facts = (backbone.name, backbone.digest(), backbone.side, str(dtype), pictures.fingerprint(), flipped)
    return hashlib.sha256(repr(facts).encode()).hexdigest()
