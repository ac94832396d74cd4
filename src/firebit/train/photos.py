"""Encoders of photos made in one go: with labels a head of rectifiers, without them ITQ, on a pretrained backbone."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from firebit.data import ImageSet
from firebit.data.folder import SUFFIXES
from firebit.data.picture import read_pixels
from firebit.errors import DataError
from firebit.search.evaluate import Balance, balance, itq
from firebit.train.encoder import Encoder, of_head, of_projection
from firebit.train.features import FeatureStore, Told, computed, extract
from firebit.train.head import HeadOptions, train_head
from firebit.zoo.backbone import Backbone, fused

_BATCH = 16


@dataclass(frozen=True)
class Made:
    """An encoder, and what became of the pictures that it was made from.

    Attributes:
        encoder: pictures to codes.
        pictures: how many it was made from.
        skipped: files that could not be read.
        balance: how their codes use their length.
    """

    encoder: Encoder
    pictures: int
    skipped: tuple[Path, ...]
    balance: Balance


def learn(
    backbone: Backbone,
    pictures: ImageSet,
    options: HeadOptions,
    store: FeatureStore,
    *,
    dtype: torch.dtype = torch.float32,
    told: Told | None = None,
) -> Made:
    """An encoder whose codes tell the classes of the pictures apart.

    Args:
        backbone: pretrained, and not changed.
        pictures: with their labels.
        options: of the head.
        store: where features are kept.
        dtype: what the backbone computes in meanwhile; the encoder itself computes in float32.
        told: how features come along.
    """
    features = extract(backbone, pictures, store, dtype=dtype, told=told)
    encoder = of_head(backbone, train_head(features, pictures.labels, len(pictures.classes), options))
    return _made(encoder, features, ())


def fit(
    backbone: Backbone,
    folder: Path,
    bits: int,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    told: Told | None = None,
) -> Made:
    """An encoder fitted to photos without labels: ITQ on the backbone's features.

    Args:
        backbone: pretrained, and not changed.
        folder: PNG and JPEG files, at any depth; what cannot be read is left out and named.
        bits: length of the codes, at most the photos there are.
        seed: of ITQ's first rotation.
        dtype: what the backbone computes in meanwhile.
        told: how features come along.

    Raises:
        DataError: the folder has no photos, or none that can be read.
        UsageError: there are fewer photos than bits.
    """
    files = photos_below(folder)
    quick, found, skipped = fused(backbone, dtype), [], []
    for start in range(0, len(files), _BATCH):
        pixels = []
        for file in files[start : start + _BATCH]:
            try:
                pixels.append(read_pixels(file, False, backbone.side))
            except DataError:
                skipped.append(file)
        if pixels:
            found.append(computed(quick, np.stack(pixels), _BATCH))
        if told is not None:
            told(min(start + _BATCH, len(files)), len(files))
    if not found:
        raise DataError(f"{folder}: none of {len(files)} pictures can be read.", "Give PNG or JPEG files.")
    features = np.concatenate(found)
    return _made(of_projection(backbone, itq(features, bits, seed)), features, tuple(skipped))


def photos_below(folder: Path) -> list[Path]:
    """PNG and JPEG files in a folder and its folders, by their names' endings, sorted; hidden ones are left out.

    Raises:
        DataError: the folder is not there, or holds none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder.", "Give a folder of PNG or JPEG files.")
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        shown = (name for name in sorted(names) if not name.startswith("."))
        found += [Path(place, name) for name in shown if Path(name).suffix.lower() in SUFFIXES]
    if not found:
        raise DataError(f"{folder} holds no pictures.", "Give a folder of PNG or JPEG files.")
    return found


def _made(encoder: Encoder, features: NDArray[np.float32], skipped: tuple[Path, ...]) -> Made:
    spread = balance(encoder.codes_of_features(features), encoder.bits)
    return Made(encoder, len(features), skipped, spread)
