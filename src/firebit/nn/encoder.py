"""A torch model as an encoder of code stores: bits of one of its modules."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from firebit.engine.pixels import pictures
from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.engine.pixels import Images

_HALF = 0.5


class Encoder:
    """Codes of a torch model: which outputs of a module are at least ½.

    That is the bit of a step, and where a bounded rectifier's pre-activation is at least 0. Outputs are counted channel
    by channel, row by row. The model sees pixels / 255, brought to its size as those of a compiled network are; it is
    put into evaluation mode.

    Args:
        model: any module that takes (N, C, H, W).
        layer: path of the module whose outputs are the code, a name of ``model.named_modules()``.
        shape: (C, H, W) of the pixels of one picture.
        batch: pictures at once, ≥ 1.

    Attributes:
        bits: per code.
        fingerprint: SHA-256 of parameters, buffers, layer and shape, as 64 hexadecimal digits.

    Raises:
        UsageError: there is no such module, or the model does not take pictures of that shape.

    Example:
        >>> store = CodeStore.open("photos.db", encoder=fb.nn.Encoder(hard, "act3", (3, 32, 32)))
    """

    def __init__(self, model: nn.Module, layer: str, shape: Sequence[int], batch: int = 64) -> None:
        found = dict(model.named_modules())
        if layer not in found or not layer:
            raise UsageError(f"The model has no module {layer!r}.", f"Choose one of: {', '.join(filter(None, found))}.")
        self._model, self._module, self._shape, self._batch = model, found[layer], tuple(shape), batch
        try:
            example = self._values(np.zeros((1, *self._shape), np.uint8))
        except (RuntimeError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"The model does not take {self._shape}: {reason}.", "Give its (C, H, W).") from error
        self.bits = example.shape[1]
        self.fingerprint = _fingerprint(model, layer, self._shape)

    def codes(self, images: "Images") -> NDArray[np.uint8]:
        """Packed codes of pictures, uint8 (N, ⌈bits / 8⌉), as :class:`firebit.engine.network.Network` takes them."""
        return np.packbits(self.reals(images) >= 0, axis=1, bitorder="little")

    def reals(self, images: "Images") -> NDArray[np.float32]:
        """The outputs less ½, float32 (N, bits), at least 0 where the bit is 1."""
        given = pictures(images, self._shape)
        parts = [
            self._values(given.pixels(slice(start, start + self._batch))) for start in range(0, len(given), self._batch)
        ]
        return np.concatenate([np.empty((0, self.bits), np.float32), *parts]) - np.float32(_HALF)

    def _values(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        seen: list[Tensor] = []
        hook = self._module.register_forward_hook(lambda module, given, output: seen.append(output))
        self._model.eval()
        device = next((each.device for each in self._model.parameters()), torch.device("cpu"))
        try:
            with torch.inference_mode():
                self._model(torch.from_numpy(np.array(pixels)).to(device).float() / 255)
        finally:
            hook.remove()
        if len(seen) != 1:
            raise UsageError(f"The module is called {len(seen)} times per picture.", "Choose one that is called once.")
        found: NDArray[np.float32] = seen[0].flatten(1).float().cpu().numpy()
        return found


def _fingerprint(model: nn.Module, layer: str, shape: tuple[int, ...]) -> str:
    digest = hashlib.sha256(repr((layer, shape)).encode())
    state: dict[str, Any] = model.state_dict()
    for name in sorted(state):
        if isinstance(state[name], Tensor):
            array = state[name].detach().cpu().float().numpy()
            digest.update(repr((name, array.shape)).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
