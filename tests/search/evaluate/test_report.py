import io
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from firebit.errors import UsageError
from firebit.search.codes import pack
from firebit.search.evaluate import SearchMetrics, measure
from firebit.search.evaluate.report import cells, plot, search_table


@pytest.fixture(scope="module")
def metrics() -> SearchMetrics:
    labels = np.arange(40) % 4
    codes = pack(np.eye(12, dtype=bool)[labels])
    return measure(12, codes, labels, codes, labels)


def test_cells_are_rounded_to_what_can_be_read(metrics: SearchMetrics) -> None:
    found = cells(metrics)
    assert list(found) == ["mAP@ALL", "mAP@1000", "mAP@5000", "P@H≤2", "empty", "entropy", "distinct"]
    assert (found["mAP@ALL"], found["empty"], found["distinct"]) == ("100.00", "0.00", "10.00")
    # Four of twelve bits are set in a quarter of the codes.
    assert found["entropy"] == "0.270"


def test_the_table_has_a_row_for_each_kind(metrics: SearchMetrics) -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(search_table({"[codes]": metrics, "LSH": metrics}, "a [title]"))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "[codes]" in text
    assert "a [title]" in text
    assert text.count("100.00") == 6


def test_curves_are_the_same_bytes_on_every_run(metrics: SearchMetrics, tmp_path: Path) -> None:
    plot({"codes": metrics, "LSH": metrics}, "title", tmp_path / "a")
    plot({"codes": metrics, "LSH": metrics}, "title", tmp_path / "b")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert "precision" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "a.png").exists()


def test_without_matplotlib_it_says_what_to_install(
    metrics: SearchMetrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match="matplotlib"):
        plot({"codes": metrics}, "title", tmp_path / "a")
