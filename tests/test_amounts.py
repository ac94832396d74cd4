"""How amounts are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from firebit import amounts


@pytest.mark.parametrize(("bits", "count"), [(0, 0), (1, 1), (8, 1), (9, 2), (2**40 + 1, 2**37 + 1)])
def test_bits_fill_whole_bytes(bits: int, count: int) -> None:
    assert amounts.in_bytes(bits) == count


@given(st.integers(0, 2**70))
def test_bytes_hold_the_bits_and_none_is_spare(bits: int) -> None:
    assert 8 * amounts.in_bytes(bits) - bits in range(8)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1000, "1,000 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1590, "1.6 KiB"), (2**21, "2,048.0 KiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert amounts.size(count) == text


def test_multiply_accumulates() -> None:
    counts = {"pixel × int": 288_000, "bit × ±1": 5}
    assert amounts.macs(counts) == "288,000 pixel × int, 5 bit × ±1"
    assert amounts.macs(counts, "\n") == "288,000 pixel × int\n5 bit × ±1"
    assert amounts.macs({}) == ""


def test_totals_keep_the_order_of_kinds() -> None:
    found = amounts.total([{"b": 1}, {}, {"a": 2, "b": 3}])
    assert list(found.items()) == [("b", 4), ("a", 2)]
    assert amounts.total([]) == {}


def test_changes() -> None:
    assert amounts.change("4 B", "1 B") == "4 B → 1 B"
    assert amounts.change("4 B", "1 B", " →\n") == "4 B →\n1 B"
    assert amounts.change("4 B", "4 B") == "4 B"


def test_tables_are_text_without_colours_or_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("name", "value")
    table.add_row("[red]a[/red] :warning:", "b" * 60)
    text = amounts.plain(table)
    assert "[red]a[/red] :warning:" in text and "b" * 60 in text
    assert "\x1b" not in text
