"""From a hardened torch network to a plan: integers that run without torch (needs torch itself)."""

from firebit.compiler.compile import compile, compile_with_report
from firebit.compiler.report import Report

__all__ = ["Report", "compile", "compile_with_report"]
