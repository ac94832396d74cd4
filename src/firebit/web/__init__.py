"""What people look at: the report of a run as one file, and a local app for everything interactive. Needs no torch."""

from firebit.web.app import make_app
from firebit.web.firing import Options
from firebit.web.lens import Lens
from firebit.web.report import report
from firebit.web.serve import serve
from firebit.web.stored import open_store
from firebit.web.upload import Limits

__all__ = ["Lens", "Limits", "Options", "make_app", "open_store", "report", "serve"]
