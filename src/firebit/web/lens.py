"""A network to look at pictures through: what it predicts, which units fire, why, and what changes it."""

from collections.abc import Sequence
from functools import cached_property
from math import prod
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from firebit.data.picture import decode
from firebit.engine.network import Network
from firebit.errors import UsageError
from firebit.web.answers import (
    Guess,
    LayerFacts,
    LayerUnits,
    Seen,
    SegmentEffect,
    Segments,
    Smallest,
    UnitFacts,
)
from firebit.web.outline import outline
from firebit.web.picture import data_address

if TYPE_CHECKING:
    from firebit.data import ImageSet

MOST_UNITS = 16_384
"""Units of a layer that can be shown one by one."""

SHARE = 0.9
FILL = "mean"
"""What stands where parts were removed, unless another filling is asked for."""

_SHOWN_SIDE = 448

Pixels = NDArray[np.uint8]


class Lens:
    """A network and what is known about it.

    Args:
        network: over pictures (1 or 3, H, W).
        name: what it is called.
        pictures: labelled ones to judge units by; None: there are none.

    Raises:
        UsageError: the network does not take pictures, or no layer is small enough to be shown.
    """

    def __init__(self, network: Network, name: str, pictures: "ImageSet | None" = None) -> None:
        self.network = network
        self.name = name
        self.pictures = pictures
        self._known: dict[str, LayerUnits] = {}
        self._lock = Lock()
        shape = network.input_shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise UsageError(
                f"The network takes arrays of shape {shape}, which no picture has.", "Serve a network of pictures."
            )
        if not self.layers:
            raise UsageError(
                f"Every layer of the network has more than {MOST_UNITS:,} units.", "Serve a network with a code."
            )

    @cached_property
    def layers(self) -> tuple[LayerFacts, ...]:
        """Hidden layers whose units can be shown."""
        shapes = {name: self.network.units(name) for name in self.network.layers}
        return tuple(
            LayerFacts(name=name, shape=list(shape), units=prod(shape))
            for name, shape in shapes.items()
            if prod(shape) <= MOST_UNITS
        )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; numbers where the network has none; empty for an encoder."""
        logits = self.network.plan.logits
        count = 0 if logits is None else len(logits.bias)
        return self.network.classes or tuple(f"class {index}" for index in range(count))

    def decode(self, content: bytes, most_pixels: int) -> Pixels:
        """The pixels that the network sees of a PNG or JPEG file, uint8 (C, H, W).

        Raises:
            DataError: it is broken, another kind of file, or has too many pixels.
        """
        channels, height, width = self.network.input_shape
        return decode(content, "the picture", channels == 1, (width, height), most_pixels)

    def see(self, picture: Pixels, layer: str, removed: Sequence[int] = (), fill: str = FILL) -> Seen:
        """What the network makes of a picture, some segments of which may be removed.

        Raises:
            UsageError: there is no such layer, segment or filling.
        """
        self._check_layer(layer)
        left = self._without(picture, removed, fill)
        margins = self._margins(left, layer)
        before = self._margins(picture, layer) if removed else margins
        guesses = self._guesses(left)
        fires = margins >= 0
        return Seen(
            picture=shown(left),
            guesses=list(guesses),
            layer=layer,
            code=np.packbits(fires, bitorder="little").tobytes().hex(),
            margins=margins.tolist(),
            votes=self._votes(layer, fires, guesses),
            flips=np.flatnonzero(fires != (before >= 0)).tolist(),
        )

    def segments(self, picture: Pixels, layer: str) -> Segments:
        """What changes when each of a picture's segments is removed.

        Raises:
            UsageError: there is no such layer.
        """
        from firebit.explain import effects

        self._check_layer(layer)
        found = effects(self.network, picture, layer=layer, fill=FILL)
        whole = self._probabilities(picture)
        first = int(whole.argmax()) if whole.size else None
        flipped = (found.margins >= 0) != (found.before >= 0)
        after = [_softmax(logits) for logits in found.logits]
        effects_ = [
            SegmentEffect(
                pixels=int((found.segments == index).sum()),
                flips=np.flatnonzero(flipped[index]).tolist(),
                guess=None if first is None else self._guess(int(after[index].argmax()), after[index]),
                change=0.0 if first is None else float(after[index][first] - whole[first]),
            )
            for index in range(len(found.margins))
        ]
        height, width = picture.shape[1:]
        outlines = [outline(found.segments == index) for index in range(len(effects_))]
        return Segments(width=width, height=height, outlines=outlines, effects=effects_, fill=FILL)

    def smallest(self, picture: Pixels, layer: str, unit: int) -> Smallest:
        """The smallest part of a picture that leaves a unit's bit as it is.

        Raises:
            UsageError: there is no such layer or unit.
        """
        from firebit.explain import minimal

        self._check_layer(layer)
        (found,) = minimal(self.network, picture[None], [unit], layer=layer, mode="exact")
        return Smallest(
            unit=unit,
            fires=found.fires,
            blank=found.blank,
            kept=np.flatnonzero(found.kept).tolist(),
            removed=np.flatnonzero(~found.kept).tolist(),
            share=found.share,
            fill=found.fill,
            picture=shown(found.pixels),
        )

    def units(self, layer: str) -> LayerUnits:
        """What the labelled pictures say of a layer's units; computed when it is first asked for.

        Raises:
            UsageError: there is no such layer.
        """
        self._check_layer(layer)
        with self._lock:
            if layer not in self._known:
                self._known[layer] = self._judged(layer)
            return self._known[layer]

    def _judged(self, layer: str) -> LayerUnits:
        from firebit.explain import firing, selectivity

        count = prod(self.network.units(layer))
        if self.pictures is None:
            return LayerUnits(layer=layer, share=SHARE, pictures=0, units=[])
        pictures = self.pictures
        counts = firing(self.network, pictures.images, pictures.labels, pictures.classes, layer=layer)
        found = selectivity(counts, SHARE)
        base = counts.base
        units = [
            UnitFacts(
                name=counts.unit_name(unit),
                rate=float(base[unit]),
                positive=[each.name for each in found.positives(unit)],
                negative=[each.name for each in found.negatives(unit)],
                flag=found.flags[unit],
            )
            for unit in range(count)
        ]
        return LayerUnits(layer=layer, share=SHARE, pictures=counts.pictures, units=units)

    def _check_layer(self, layer: str) -> None:
        if layer not in {each.name for each in self.layers}:
            names = ", ".join(each.name for each in self.layers)
            raise UsageError(f"There is no layer {layer!r} that can be shown.", f"Choose one of: {names}.")

    def _without(self, picture: Pixels, removed: Sequence[int], fill: str) -> Pixels:
        """A picture without some of its segments."""
        if not removed:
            return picture
        from firebit.explain.segments import filling, keep, segment

        segments = segment(picture)
        kept = np.ones((1, int(segments.max()) + 1), bool)
        if min(removed) < 0 or max(removed) >= kept.size:
            raise UsageError(f"The picture has {kept.size} segments.", f"Give numbers from 0 to {kept.size - 1}.")
        kept[0, list(removed)] = False
        left: Pixels = keep(picture, segments, kept, filling(picture, fill))[0]
        return left

    def _margins(self, picture: Pixels, layer: str) -> NDArray[np.int64]:
        return self.network.margins(picture[None], layer).reshape(-1)

    def _probabilities(self, picture: Pixels) -> NDArray[np.float64]:
        if self.network.is_encoder:
            return np.zeros(0)
        found: NDArray[np.float64] = self.network.probabilities(picture[None])[0]
        return found

    def _guesses(self, picture: Pixels) -> tuple[Guess, ...]:
        shares = self._probabilities(picture)
        return tuple(self._guess(int(index), shares) for index in np.argsort(-shares, kind="stable"))

    def _guess(self, index: int, shares: NDArray[np.float64]) -> Guess:
        return Guess(index=index, name=self.classes[index], probability=float(shares[index]))

    def _votes(self, layer: str, fires: NDArray[np.bool_], guesses: Sequence[Guess]) -> list[float]:
        """What each bit adds to the logit of the first guess, less what it adds to that of the second."""
        logits = self.network.plan.logits
        if logits is None or len(guesses) < 2 or self.network.plan.layer(layer).post is not None:
            return []
        direct = [term for term in logits.terms if term.source == layer and term.weights.ndim == 2]
        if not direct:
            return []
        first, second = guesses[0].index, guesses[1].index
        weights = sum(term.weights[first].astype(np.int64) - term.weights[second] for term in direct)
        return [float(vote) for vote in logits.scale * weights * fires]


def shown(picture: Pixels) -> str:
    """A picture for the page, small ones as they are: the page enlarges them without smoothing."""
    step = max(1, max(picture.shape[1:]) // _SHOWN_SIDE)
    return data_address(picture[:, ::step, ::step])


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    if not logits.size:
        return logits
    powers = np.exp(logits - logits.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares
