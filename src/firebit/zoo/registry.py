"""Networks by name."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from firebit.errors import UsageError


@dataclass(frozen=True)
class Entry:
    """A registered network: its builder, options class and the pictures it expects."""

    name: str
    build: Callable[[Any], nn.Sequential]
    options: type
    channels: int
    height: int
    width: int


_ENTRIES: dict[str, Entry] = {}


def register(
    name: str, options: type, *, channels: int, size: int
) -> Callable[[Callable[[Any], nn.Sequential]], Callable[[Any], nn.Sequential]]:
    """Register a builder that takes an options object; `channels` and `size` are those of the pictures it expects."""

    def add(build: Callable[[Any], nn.Sequential]) -> Callable[[Any], nn.Sequential]:
        _ENTRIES[name] = Entry(name, build, options, channels, size, size)
        return build

    return add


def names() -> tuple[str, ...]:
    """The names of all networks."""
    return tuple(sorted(_ENTRIES))


def entry(name: str) -> Entry:
    """The registered network of that name.

    Raises:
        UsageError: no such network; the nearest name is suggested.
    """
    if name in _ENTRIES:
        return _ENTRIES[name]
    near = get_close_matches(name, names(), 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise UsageError(f"There is no network {name!r}.", f"{hint}The zoo has: {', '.join(names())}.")


def build(name: str, **options: Any) -> nn.Sequential:
    """A freshly initialised network of the zoo.

    Args:
        name: one of :func:`names`.
        **options: fields of the network's options (:class:`firebit.zoo.NetOptions`).

    Raises:
        UsageError: an unknown network or option, or a value out of range.

    Example:
        >>> net = build("lenet", batch_norm=True, width=0.5)
    """
    found = entry(name)
    known = [field.name for field in fields(found.options)]
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"{name} has no option {key!r}.", f"{hint}Its options are: {', '.join(known)}.")
    return found.build(found.options(**{"channels": found.channels, **options}))


def example(name: str, channels: int | None = None, batch: int = 1) -> Tensor:
    """A blank batch of pictures as the network expects them, float32 (batch, C, H, W)."""
    found = entry(name)
    return torch.zeros(batch, channels or found.channels, found.height, found.width)
