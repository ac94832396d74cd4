"""The report of a run as a file."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from firebit.data import ImageSet
from firebit.engine.plan import Input, Layer, Logits, Plan
from firebit.engine.term import Term
from firebit.errors import ModelFileError, UsageError
from firebit.web import Options, report

from .conftest import CLASSES, quadrant_plan

QUICK = Options(permutations=2, smallest=2)


class Page(HTMLParser):
    """The elements of a page, its ids, its links and its text."""

    VOID = ("meta", "link", "img", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if self.open[-1:] not in (["style"], ["script"]) else ""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def written(run_folder: Path, pictures: ImageSet | None = None, options: Options = QUICK) -> Page:
    path = report(run_folder, pictures, options=options)
    assert path == run_folder / "report.html"
    assert path.stat().st_size <= 2_000_000
    return Page(path.read_text("utf-8"))


def test_everything_is_there(run_folder: Path, pictures: ImageSet) -> None:
    page = written(run_folder, pictures)
    ids = page.values("id")
    for section in ("results", "training", "census", "costs", "confusion", "firing", "units", "made"):
        assert section in ids and f"#{section}" in page.values("href")
    assert "bench" not in ids and "search" not in ids
    for words in (
        "76.25", "−13.75 points to ReLU", "Accuracy on the test set", "384 pixel × int", "Most frequent mistakes",
        "Unit 0", "always fires", "SHA-256 " + "ab" * 32, "1.5 minutes", "With labels shuffled 2 times",
    ):  # fmt: skip
        assert words in page.text, words
    assert "The compiled network is right on 99.38 % of the 160 pictures of quadrants-test." in page.text


def test_ids_are_unique_and_every_link_leads_somewhere(run_folder: Path, pictures: ImageSet) -> None:
    page = written(run_folder, pictures)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link.removeprefix("#") for link in page.values("href") if link.startswith("#")} <= set(ids)
    for name in ("aria-labelledby", "for"):
        assert {each for value in page.values(name) for each in value.split()} <= set(ids)


def test_nothing_is_fetched(run_folder: Path, pictures: ImageSet) -> None:
    page = written(run_folder, pictures)
    assert all(value.startswith(("#", "data:")) for value in page.values("href"))
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert "srcset" not in dict(page.attributes) and "style" not in dict(page.attributes)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    (policy,) = [value for value in page.values("content") if "default-src" in value]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")


def test_names_stay_text(run_folder: Path, pictures: ImageSet) -> None:
    page = written(run_folder, pictures)
    assert page.tags.count("script") == 1
    for name in (*CLASSES, "four <b>corners</b>", "# <script>alert(2)</script>"):
        assert name in page.text


def test_every_picture_and_chart_has_words(run_folder: Path, pictures: ImageSet) -> None:
    page = written(run_folder, pictures)
    assert page.tags.count("img") == len(page.values("alt")) and all(page.values("alt"))
    assert page.tags.count("svg") == page.values("role").count("img") == 4
    # A table of numbers behind every chart.
    assert page.text.count("Numbers of “") >= 4


def test_without_pictures_it_says_what_is_missing(run_folder: Path) -> None:
    page = written(run_folder)
    assert "It needs the labelled pictures of the run's data set" in page.text
    assert "confusion" not in page.values("id") and "units" not in page.values("id")


def test_without_a_compiled_network(run_folder: Path, pictures: ImageSet) -> None:
    (run_folder / "model.firebit").unlink()
    page = written(run_folder, pictures)
    assert "There is no compiled network to look into." in page.text
    assert "costs" not in page.values("id")


def test_a_run_of_relu_alone_without_journal(run_folder: Path) -> None:
    path = run_folder / "results.json"
    found = json.loads(path.read_text())
    path.write_text(json.dumps({**found, "rows": found["rows"][:1], "compiled": None}))
    for name in ("metrics.jsonl", "model.firebit", "environment.json"):
        (run_folder / name).unlink()
    page = written(run_folder)
    assert "90.00 % on the test set." in page.text
    assert "training" not in page.values("id") and "census" not in page.values("id")


def test_no_more_unit_pages_than_fit(run_folder: Path, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(report(run_folder, pictures, options=QUICK).read_bytes())
    monkeypatch.setattr(sys.modules[report.__module__], "MOST_BYTES", whole - 2_000)
    page = report(run_folder, pictures, options=QUICK)
    assert len(page.read_bytes()) <= whole - 2_000
    found = Page(page.read_text())
    pages = [value for value in found.values("id") if re.fullmatch(r"u\d+", value)]
    assert 0 < len(pages) < 6
    assert f"The {len(pages)} units that tell most of the class have a page each." in found.text
    # The table has them all, and links only to those that are there.
    assert {f"#{value}" for value in pages} == {link for link in found.values("href") if re.fullmatch(r"#u\d+", link)}


def test_the_same_run_gives_the_same_bytes(run_folder: Path, pictures: ImageSet) -> None:
    first = report(run_folder, pictures, options=QUICK).read_bytes()
    assert report(run_folder, pictures, options=QUICK).read_bytes() == first


def test_it_is_written_where_it_is_asked_to(run_folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "page.html"
    assert report(run_folder, out=target) == target and target.is_file()
    assert not (run_folder / "report.html").exists()


def test_pictures_of_another_size_or_other_classes_are_refused(run_folder: Path, pictures: ImageSet) -> None:
    larger = ImageSet(pictures.images.repeat(2, axis=2), pictures.labels, pictures.classes, "larger")
    with pytest.raises(UsageError, match="larger has pictures of shape"):
        report(run_folder, larger)
    more = ImageSet(pictures.images, pictures.labels, (*pictures.classes, "up"), "more")
    with pytest.raises(UsageError, match="in 5 classes; the network takes"):
        report(run_folder, more)


def test_benchmarks_and_searches_are_shown_where_there_are_some(run_folder: Path) -> None:
    seconds = {"batch": 1, "threads": 1, "median": 0.5, "memory": None}
    contender = {"peer": "firebit", "precision": "exact", "network": "corners", "file_bytes": 9, "accuracy": 0.7}
    machine = {"processor": "<fast>", "cores": 2, "native": "avx2"}
    facts = {"firebit": "1", "date": "2026-11-25", "data": "digits", "rounds": 3, "machine": machine}
    (run_folder / "bench.json").write_text(json.dumps({**facts, "contenders": [{**contender, "timings": [seconds]}]}))
    codes = {
        **{"bits": 6, "queries": 5, "database": 7, "mean_average_precision": {"ALL": 0.75}, "precision_within": 0.5},
        **{"empty": 0.25, "balance": {"entropy": 0.9, "distinct_rate": 1.0}},
    }
    search = {"data": "digits", "protocol": "<b>cifar10-2", "seed": 0, "codes": {"own": codes}}
    (run_folder / "search.json").write_text(json.dumps(search))
    page = written(run_folder)
    assert "#bench" in page.values("href") and "#search" in page.values("href")
    assert (
        "<fast>, 2 cores, Firebit's kernels for avx2; 2026-11-25, Firebit 1, 3 rounds in turns, on digits." in page.text
    )
    assert "firebit exact, corners" in page.text and "protocol <b>cifar10-2" in page.text and "75.00" in page.text


@pytest.mark.parametrize("name", ["bench.json", "search.json"])
def test_a_damaged_record_is_named(run_folder: Path, name: str) -> None:
    (run_folder / name).write_text("{")
    with pytest.raises(ModelFileError, match=rf"{name} is not JSON"):
        report(run_folder)


def test_a_network_of_many_units_goes_by_channel(run_folder: Path, pictures: ImageSet) -> None:
    kernels = np.ones((80, 1, 1, 1), np.int16)
    wide = Layer("wide", (Term("input", kernels),), np.full((1, 80), 100, np.int32), np.ones(80, np.int8))
    votes = Term("wide", np.ones((4, 80 * 64), np.int16))
    Plan(Input((1, 8, 8)), (wide,), Logits("vote", (votes,), 1.0, np.zeros(4)), CLASSES).save(
        run_folder / "model.firebit"
    )
    page = written(run_folder, pictures)
    assert "How often each channel of wide fires for each class" in page.text


def test_an_encoder_has_units_and_no_confusion(run_folder: Path, pictures: ImageSet) -> None:
    plan = quadrant_plan()
    Plan(plan.input, plan.layers).save(run_folder / "model.firebit")
    page = written(run_folder, pictures)
    assert "units" in page.values("id") and "confusion" not in page.values("id")


def test_a_damaged_network_is_named(run_folder: Path) -> None:
    path = run_folder / "model.firebit"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelFileError, match=r"model\.firebit"):
        report(run_folder)
    assert not (run_folder / "report.html").exists()
