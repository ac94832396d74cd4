"""The machine that figures are measured on: its processor, its cores, its instruction sets."""

import os
import platform
import re
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")
# As Linux calls them; what a reader of a benchmark on integers wants to know.
_FEATURES = (
    *("sse4_1", "avx", "avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512vbmi", "avx512_vnni"),
    *("avx512_vpopcntdq", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "sve"),
)
_DOT_PRODUCTS = {"avx_vnni", "avx512_vnni", "amx_int8"}


def processor() -> str:
    """The processor's name, as far as the system tells."""
    return _field("model name") or platform.processor() or platform.machine()


def instruction_sets() -> tuple[str, ...]:
    """Instruction sets of the processor by their names in Linux, of those that matter here; () where none are told."""
    flags = set((_field("flags") or _field("Features") or "").split())
    return tuple(name for name in _FEATURES if name in flags)


def has_vnni() -> bool:
    """Whether the processor adds up products of 8-bit integers in 32 bits, so that none of them saturates."""
    return not _DOT_PRODUCTS.isdisjoint(instruction_sets())


def usable_cores() -> int:
    """Logical cores that this process may use, ≥ 1."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _field(name: str) -> str | None:
    try:
        found = re.search(rf"^{name}\s*:\s*(.+)$", _CPU_INFO.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return None
    return found.group(1) if found else None
