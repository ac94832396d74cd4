"""What makes codes of a set of pictures with torch: a network of a run, or an encoder of photos."""

from pathlib import Path

import numpy as np
import torch

from firebit.data import ImageSet
from firebit.errors import UsageError
from firebit.search.evaluate.coder import CODE, Coded, Coder
from firebit.train.codes import codes, outputs
from firebit.train.encoder import is_encoder, load_encoder
from firebit.train.features import FeatureStore, Told, extract
from firebit.train.run import load_model_file


def coder(
    path: Path, layer: str | None, store: FeatureStore, *, quick: bool = False, told: Told | None = None
) -> Coder:
    """What codes a file makes, that of a network of a run or of an encoder.

    Args:
        path: the file.
        layer: of a network, whose bits are the code; None: `code`.
        store: where features of an encoder's backbone are kept.
        quick: an encoder's backbone computes in bfloat16.
        told: how an encoder's features come along.

    Raises:
        ModelFileError: the file is missing or damaged.
        UsageError: there is no such layer, or it gives no bits.
    """
    if not is_encoder(path):
        return _trained(path, layer or CODE)
    if layer not in (None, CODE):
        raise UsageError(f"{path} is an encoder, whose one layer of codes is {CODE!r}.", "Leave --layer out.")
    return _photos(path, store, torch.bfloat16 if quick else torch.float32, told)


def _trained(path: Path, layer: str) -> Coder:
    loaded = load_model_file(path)
    blank = ImageSet(np.zeros((1, *loaded.example.shape[1:]), np.uint8), np.zeros(1, np.int64), ("a", "b"), "blank")
    bits = outputs(loaded.model, blank, layer).shape[1]
    return Coder(bits, loaded.example.shape[-1], lambda pictures: Coded(codes(loaded.model, pictures, layer), None))


def _photos(path: Path, store: FeatureStore, dtype: torch.dtype, told: Told | None) -> Coder:
    encoder = load_encoder(path)

    def run(pictures: ImageSet) -> Coded:
        features = extract(encoder.backbone, pictures, store, dtype=dtype, told=told)
        return Coded(encoder.codes_of_features(features), features)

    return Coder(encoder.bits, encoder.backbone.side, run)
