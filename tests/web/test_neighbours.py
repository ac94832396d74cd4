"""Nearest pictures of a store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from firebit.web.neighbours import Hit, is_value, nearest


class Few:
    """A store in memory."""

    name = "few.db"
    bits = 6
    layer = "fire"

    def __init__(self, payloads: Mapping[str, Mapping[str, Any]], codes: Mapping[str, int]) -> None:
        self.payloads = payloads
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    def nearest(self, code: NDArray[np.uint8], k: int, where: Mapping[str, Any] | None) -> Sequence[Hit]:
        hits = [
            Hit(name, (value ^ int(code[0])).bit_count(), np.array([value], np.uint8), self.payloads[name])
            for name, value in self.codes.items()
            if not where or all(self.payloads[name].get(key) == value for key, value in where.items())
        ]
        return sorted(hits, key=lambda hit: (hit.distance, hit.id))[:k]


@pytest.fixture
def store(tmp_path: Path) -> Few:
    Image.new("RGB", (400, 200), (255, 0, 0)).save(tmp_path / "red.png")
    payloads = {
        "a": {"path": str(tmp_path / "red.png"), "kind": "x", "label": "red"},
        "b": {"path": "/nowhere/b.png"},
        "c": {"n": 1},
    }
    return Few(payloads, {"a": 0b010100, "b": 0b010111, "c": 0b111111})


def test_hits_have_the_bits_that_differ(store: Few) -> None:
    found = nearest(store, np.array([0b010100], np.uint8), 2)
    assert found.bits == 6
    assert [(each.id, each.label, each.distance, each.differing) for each in found.found] == [
        ("a", "red", 0, []),
        ("b", "", 2, [0, 1]),
    ]
    assert found.found[0].picture is not None and found.found[0].picture.startswith("data:image/webp;base64,")
    assert found.found[1].picture is None
    assert found.found[0].payload["kind"] == "x"


def test_hits_without_a_path_have_no_picture(store: Few) -> None:
    (found,) = nearest(store, np.array([0b111111], np.uint8), 1).found
    assert (found.id, found.picture, found.payload) == ("c", None, {"n": "1"})


@pytest.mark.parametrize(
    ("value", "values"),
    [
        ("x", ["x"]),
        ("3", ["3", 3]),
        ("true", ["true", True]),
        ("[1]", ["[1]"]),
        ('"x"', ['"x"', "x"]),
        ("[" * 9999, ["[" * 9999]),
    ],
)
def test_what_is_typed_is_text_and_what_it_reads_as(value: str, values: list[object]) -> None:
    assert is_value("kind", value) == {"or": [{"kind": each} for each in values]}


def test_filters_reach_the_store(store: Few) -> None:
    found = nearest(store, np.array([0b111111], np.uint8), 9, {"kind": "x"}).found
    assert [each.id for each in found] == ["a"]
