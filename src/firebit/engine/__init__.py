"""What runs binary networks: NumPy and native code, no torch."""

from firebit.engine import native

__all__ = ["native"]
