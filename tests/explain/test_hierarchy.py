"""WordNet above ImageNet, and hierarchies of TOML."""

import gzip
import importlib.util
import sys
from pathlib import Path

import pytest

from firebit.errors import DataError, UsageError
from firebit.explain import hierarchy as module
from firebit.explain import load_hierarchy, wordnet

CLOSURE = Path(module.__file__).parent / "wordnet" / "imagenet.tsv.gz"
CLASSES = ("cat", "dog", "ship", "truck")


def rows() -> list[list[str]]:
    return [line.split("\t") for line in gzip.decompress(CLOSURE.read_bytes()).decode().splitlines()]


def test_the_closure_is_whole() -> None:
    found = rows()
    ids = [row[0] for row in found]
    assert len(ids) == len(set(ids)) == 1860
    parents = [row[2].split() for row in found]
    assert sum(map(len, parents)) == 1937
    assert {parent for each in parents for parent in each} <= set(ids)
    assert [row[0] for row in found if not row[2]] == ["n00001740"]
    assert ids[:1000] == sorted(ids[:1000])
    assert "Princeton University" in CLOSURE.with_name("LICENSE").read_text("utf-8")


def test_what_is_above_all_of_imagenet() -> None:
    found = wordnet([row[0] for row in rows()[:1000]]).members
    sizes = {name: len(members) for name, members in found.items()}
    assert (sizes["entity"], sizes["animal"], sizes["device"], sizes["dog"]) == (1000, 398, 130, 118)
    assert sum(5 <= size <= 500 for size in sizes.values()) == 174
    assert {151, 268} <= found["dog"]
    assert 281 not in found["dog"]


def test_the_most_specific_concepts_come_first() -> None:
    found = list(wordnet(["n02085620", "n02123045"]).members)
    assert found.index("dog") < found.index("carnivore") < found.index("animal") < found.index("entity")


@pytest.mark.parametrize("name", ["n01440764", "tench, Tinca tinca", "tench", "Tench", "Tinca_tinca"])
def test_what_classes_may_be_called(name: str) -> None:
    assert wordnet([name]).members["fish"] == {0}


def test_a_name_of_two_classes_is_below_what_is_above_both() -> None:
    found = wordnet(["crane"]).members
    assert "physical entity" in found
    assert "bird" not in found
    assert "artifact" not in found


def test_no_class_of_imagenet() -> None:
    with pytest.raises(UsageError, match="'airplane thing' is no class of ImageNet"):
        wordnet(["tench", "airplane thing"])


def written(folder: Path, text: str) -> Path:
    path = folder / "concepts.toml"
    path.write_text(text, "utf-8")
    return path


def test_concepts_of_classes_and_concepts(tmp_path: Path) -> None:
    path = written(tmp_path, '[concepts]\nthing = ["animal", "ship", "truck"]\nanimal = ["cat", "dog"]\n')
    found = load_hierarchy(path, CLASSES)
    assert found.source == "concepts.toml"
    assert found.members == {"animal": {0, 1}, "thing": {0, 1, 2, 3}}
    assert list(found.members) == ["animal", "thing"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("concepts = 3", r"needs one table \[concepts\]"),
        ('[concepts]\na = ["cat"]\n[more]\n', r"needs one table \[concepts\]"),
        ("[concepts]\n", r"needs one table \[concepts\]"),
        ("[concepts]\na = []", "'a' is no list of names"),
        ("[concepts]\na = [1]", "'a' is no list of names"),
        ('[concepts]\na = "cat"', "'a' is no list of names"),
        ('[concepts]\na = ["cta"]', "'cta', below 'a', is neither"),
        ('[concepts]\ncat = ["dog"]', "'cat' is called like a class"),
        ('[concepts]\na = ["b"]\nb = ["a"]', "a → b → a goes in a circle"),
        ("[concepts", "is no TOML"),
    ],
)
def test_hierarchies_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        load_hierarchy(written(tmp_path, text), CLASSES)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        load_hierarchy(tmp_path / "none.toml", CLASSES)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is no TOML"):
        load_hierarchy(tmp_path / "binary.toml", CLASSES)


WORDNET = """  1 This software is WordNet, by Princeton
  2
  3 and may be copied.
00001740 03 n 01 entity 0 001 ~ 00002137 n 0000 | what is
00002137 05 n 02 animal 0 living_creature 0 002 @ 00001740 n 0000 ~ 00002684 n 0000 | what lives | or seems to
00002684 05 n 01 Rex 1 002 @i 00002137 n 0000 + 00001234 v 0101 | a dog
"""


def test_the_builder_reads_wordnet_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = Path(__file__).parents[2] / "scripts" / "build_wordnet.py"
    if not script.is_file():
        pytest.skip("the builder is not in an installed package")
    spec = importlib.util.spec_from_file_location("build_wordnet", script)
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "build_wordnet", builder)
    spec.loader.exec_module(builder)
    monkeypatch.setattr(builder, "CLASSES", 1)
    (tmp_path / "data.noun").write_text(WORDNET, "ascii")
    (tmp_path / "ids.json").write_text('{"n00002684": 0}', "ascii")
    builder.main(tmp_path / "data.noun", tmp_path / "ids.json", tmp_path)
    lines = gzip.decompress((tmp_path / "imagenet.tsv.gz").read_bytes()).decode().splitlines()
    assert lines == [
        "n00002684\tRex\tn00002137",
        "n00001740\tentity\t",
        "n00002137\tanimal, living creature\tn00001740",
    ]
    licence = "This software is WordNet, by Princeton\n\nand may be copied.\n"
    assert (tmp_path / "LICENSE").read_text("utf-8") == licence
    (tmp_path / "ids.json").write_text("n00000001", "ascii")
    with pytest.raises(SystemExit, match="1 ids, 1 of which WordNet does not know"):
        builder.main(tmp_path / "data.noun", tmp_path / "ids.json", tmp_path)
