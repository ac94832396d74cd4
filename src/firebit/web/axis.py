"""Axes of charts: from numbers to places, and the round numbers that are written at them."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10

_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high`, laid out from `start` to `end`; logarithmic ones are above 0."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a number lies."""
        low, high, value = (log10(n) if self.logarithmic else n for n in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within the axis, evenly apart; of a logarithmic one 1, 2 and 5 times powers of ten."""
        if self.logarithmic:
            return _decades(self.low, self.high, most)
        step = _step(self.high - self.low, most)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [count * step for count in range(first, last + 1)]


def spanning(values: Iterable[float], start: float, end: float, most: int = 6) -> Axis:
    """An axis of round ends around numbers."""
    low, high = _extent(values)
    if low == high:
        low, high = low - abs(low or 1) / 2, high + abs(high or 1) / 2
    step = _step(high - low, most)
    return Axis(floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step, start, end)


def decades(values: Iterable[float], start: float, end: float) -> Axis:
    """A logarithmic axis with some room around numbers above 0."""
    low, high = _extent(values)
    room = max(1.15, (high / low) ** 0.08)
    return Axis(low / room, high * room, start, end, logarithmic=True)


def written(value: float) -> str:
    """A number at a tick: no more digits than it needs."""
    text = f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "−")


def _extent(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _step(span: float, most: int) -> float:
    least = span / most
    power = 10.0 ** floor(log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def _decades(low: float, high: float, most: int) -> list[float]:
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [round(f * 10.0**p, 12) for p in powers for f in factors if low <= f * 10.0**p <= high]
        if len(found) <= most:
            break
    return found
