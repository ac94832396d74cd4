"""What a search found as one HTML page: pictures, distances, bits that differ, and nothing that must be fetched."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firebit.data.picture import read_pixels
from firebit.errors import DataError
from firebit.extras import missing
from firebit.search.codes import unpack
from firebit.search.store import CodeStore, Hit, Hits

_SIDE = 192
_PER_ROW = 32
_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class Cell:
    """A bit of a code on the page: where it is, whether it is 1, whether it differs from the query's."""

    index: int
    x: int
    y: int
    one: bool
    differs: bool


@dataclass(frozen=True)
class Card:
    """A picture on the page.

    Attributes:
        name: its id, or the path of a query.
        label: "" where it has none.
        picture: a data URI, "" where the file is not there.
        cells: the bits of its code.
        rows: of bits.
        differing: numbers of the bits that differ, as text; "" of a query.
        hit: None of a query.
    """

    name: str
    label: str
    picture: str
    cells: tuple[Cell, ...]
    rows: int
    differing: str = ""
    hit: Hit | None = None


def page(store: CodeStore, queries: Sequence[str], found: Sequence[Hits], name: str) -> str:
    """The page.

    Args:
        store: that was searched, with its encoder.
        queries: paths of pictures.
        found: hits of each.
        name: what to call the store.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment
    except ModuleNotFoundError as error:
        raise missing(error, "A page of pictures") or error from error
    assert store.encoder is not None
    codes = unpack(store.encoder.codes(list(queries)), store.bits)
    rows = [_row(store, path, code, hits) for path, code, hits in zip(queries, codes, found, strict=True)]
    template = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        _TEMPLATE.read_text("utf-8")
    )
    values = {
        "rows": rows,
        "store": name,
        "bits": store.bits,
        "items": len(store),
        "per_row": min(store.bits, _PER_ROW),
    }
    return template.render(**values)


def _row(store: CodeStore, path: str, code: NDArray[np.uint8], hits: Hits) -> dict[str, Any]:
    items = store.get(hits.ids)
    cards = []
    for hit, item in zip(hits, items, strict=True):
        own = code if item is None else unpack(item.code, store.bits)[0]
        differing = ", ".join(map(str, np.flatnonzero(own != code).tolist()))
        where = str(hit.payload.get("path", ""))
        label = str(hit.payload.get("label", ""))
        cards.append(Card(hit.id, label, _thumbnail(where), _cells(own, code), _rows(code), differing, hit))
    query = Card(path, "", _thumbnail(path), _cells(code, code), _rows(code))
    return {"query": query, "hits": cards}


def _rows(code: NDArray[np.uint8]) -> int:
    return -(-len(code) // _PER_ROW)


def _cells(code: NDArray[np.uint8], query: NDArray[np.uint8]) -> tuple[Cell, ...]:
    """The bits that are 1 or differ: the rest is the ground."""
    shown = np.flatnonzero(code | query).tolist()
    return tuple(Cell(at, at % _PER_ROW, at // _PER_ROW, bool(code[at]), bool(code[at] != query[at])) for at in shown)


def _thumbnail(path: str) -> str:
    """The picture as a data URI, not larger than shown; "" where it cannot be read."""
    from PIL import Image

    if not path:
        return ""
    try:
        pixels = read_pixels(Path(path), grey=False)
    except DataError:
        return ""
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    picture.thumbnail((2 * _SIDE, 2 * _SIDE), Image.Resampling.LANCZOS)
    small = max(picture.size) <= _SIDE
    content = BytesIO()
    picture.save(content, "PNG" if small else "JPEG", **({} if small else {"quality": 85}))
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(content.getvalue()).decode()}"
