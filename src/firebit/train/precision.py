"""What a run computes in: bfloat16 where the recipe asks for it and the device has arithmetic for it."""

from dataclasses import dataclass

import torch

from firebit.train.recipe import Recipe


def native_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 numbers itself, as processors do from AVX-512 on, and GPUs from Ampere on.

    Where it does not, torch converts number by number: a training step takes some fifty times as long as in float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return known is not None and bool(known())


@dataclass(frozen=True)
class Precision:
    """The type in which convolutions and linear layers compute while a network trains.

    Attributes:
        device: where they compute.
        half: bfloat16 under autocast; else the type of the weights. Rectifiers and their slopes are float32 in both.
    """

    device: torch.device
    half: bool = False

    @property
    def name(self) -> str:
        """ "bfloat16" or "float32", as journals and environments call it."""
        return "bfloat16" if self.half else "float32"

    def context(self) -> torch.autocast:
        """A context for the forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)


FLOAT32 = Precision(torch.device("cpu"))


def precision_of(recipe: Recipe, device: torch.device | None = None) -> Precision:
    """What a run of the recipe computes in on the device; None: the CPU.

    float32 in spite of `autocast`, where the device has no bfloat16 arithmetic: see :func:`fallback`.
    """
    place = torch.device("cpu") if device is None else device
    return Precision(place, recipe.autocast and native_bfloat16(place))


def fallback(recipe: Recipe, precision: Precision) -> str | None:
    """The line that says that a run trains in another type than its recipe asks for; None where it does not."""
    if precision.half or not recipe.autocast:
        return None
    return (
        f"warning: this {precision.device.type} has no bfloat16 arithmetic, which autocast = true asks for: training "
        "in float32. Its numbers differ from those of a run in bfloat16."
    )
