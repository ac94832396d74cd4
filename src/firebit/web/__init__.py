"""What people look at: the report of a run as one file, and a local app for everything interactive. Needs no torch."""

from firebit.web.firing import Options
from firebit.web.report import report

__all__ = ["Options", "report"]
