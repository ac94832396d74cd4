"""Memory of this process as the system counts it, in bytes."""

import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def resident() -> int | None:
    """What the process holds now; None where the system does not tell."""
    return _line("VmRSS:")


def peak() -> int | None:
    """The most it has held since :func:`forget_peak`, where that is possible, else since it began."""
    found = _line("VmHWM:")
    if found is not None:
        return found
    with suppress(ImportError):
        import resource

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else 1024 * most
    return None


def forget_peak() -> None:
    """Let the peak begin anew, where the system allows it."""
    with suppress(OSError):
        _RESET.write_text("5", "utf-8")


def _line(key: str) -> int | None:
    try:
        lines = _STATUS.read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(key)), None)
