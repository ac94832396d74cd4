"""When slope growth waits: while the training loss is too far above its lowest."""

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

WINDOW = 100


class Hold:
    """Lets growth go on, or wait, by the mean loss of the last steps.

    Growth waits while that mean is more than `limit` times the lowest mean so far above it. It goes on through the
    first `window` − 1 steps, when there is no mean yet.

    Args:
        limit: relative rise that is borne, > 0.
        window: steps in the mean, ≥ 1.

    Attributes:
        held: steps after which growth waited.

    Example:
        >>> hold = Hold(0.5, window=2)
        >>> [hold.grows_after(loss) for loss in (1.0, 1.0, 3.0, 1.0, 1.0)]
        [True, True, False, False, True]
    """

    def __init__(self, limit: float, window: int = WINDOW) -> None:
        self.limit = limit
        self.window = window
        self.losses: deque[float] = deque(maxlen=window)
        self.lowest = math.inf
        self.held = 0

    def grows_after(self, loss: float) -> bool:
        """Take in the training loss of a step, and say whether growth may follow it."""
        self.losses.append(loss)
        if len(self.losses) < self.window:
            return True
        mean = math.fsum(self.losses) / self.window
        self.lowest = min(self.lowest, mean)
        waits = mean > (1 + self.limit) * self.lowest
        self.held += waits
        return not waits

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs, as JSON-able values."""
        lowest = self.lowest if math.isfinite(self.lowest) else None
        return {"losses": list(self.losses), "lowest": lowest, "held": self.held}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` gave."""
        self.losses = deque(map(float, state["losses"]), maxlen=self.window)
        self.lowest = math.inf if state["lowest"] is None else float(state["lowest"])
        self.held = int(state["held"])
