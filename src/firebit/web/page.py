"""Pages from templates: all text is escaped, style and script are inside, and nothing else may run."""

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from firebit.web.heat import style_sheet


def render(template: str, **values: Any) -> Markup:
    """A page or a part of one; every text in `values` that is not markup itself is escaped."""
    return Markup(_environment().get_template(template).render(**values))


def asset(name: str) -> str:
    """The text of a file of the package's style sheets and scripts."""
    return files("firebit.web").joinpath("static", name).read_text("utf-8")


def style(*names: str) -> Markup:
    """Style sheets of the package one after the other, shades, and widths in per cent, for a style element."""
    widths = "".join(f".w{share}{{width:{share}%}}" for share in range(101))
    return Markup("".join(map(asset, names)) + style_sheet() + widths)


def script(*names: str) -> Markup:
    """Scripts of the package one after the other, for a script element."""
    return Markup("".join(map(asset, names)))


def policy(style: str, script: str) -> str:
    """A content security policy under which just this style and this script count, and nothing can be fetched."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("firebit.web"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
