"""Sphinx: `sphinx-build -W -b html docs docs/_build/html`."""

import re

from sphinx.application import Sphinx

import firebit

project = "Firebit"
author = "The Firebit authors"
copyright = author
release = version = firebit.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Firebit"

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# The app needs them; its pages do not.
autodoc_mock_imports = ["fastapi", "starlette"]
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
# Docstrings are written to be read as they stand: one backtick is code.
default_role = "code"

# Code and *emphasis* are markup; any other bar or star is none: |k|, (N, C, *).
_MARKUP_OR_PLAIN = re.compile(r"(`[^`]+`|\*{1,2}\S(?:[^*]*\S)?\*{1,2}(?!\w))|([|*])")


def _escape(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    for i, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            lines[i] = _MARKUP_OR_PLAIN.sub(lambda found: found[1] or f"\\{found[2]}", line)


def setup(app: Sphinx) -> None:
    """Escape before napoleon adds markup of its own."""
    app.connect("autodoc-process-docstring", _escape, priority=0)
