"""Concepts above classes: WordNet's for ImageNet, or the user's own."""

import gzip
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from firebit.errors import DataError, UsageError

AUTO, NONE, WORDNET = "auto", "none", "wordnet"

_CLOSURE = Path(__file__).parent / "wordnet" / "imagenet.tsv.gz"
_CLASSES = 1000
_SHAPE = 'Give a file like: [concepts] animal = ["cat", "dog"]'


@dataclass(frozen=True)
class Hierarchy:
    """Concepts above classes.

    Attributes:
        source: where it comes from: "WordNet 3.0", or the name of a file.
        members: indices of the classes below every concept, by its name; of concepts with the same classes the most
            specific comes first.
    """

    source: str
    members: Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class _Synset:
    wnid: str
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]


def wordnet(classes: Sequence[str]) -> Hierarchy:
    """WordNet 3.0 above the classes of ImageNet, or above some of them.

    Args:
        classes: wnids as ImageNet's folders are called ("n01440764"), or names: all of a synset's lemmas as ImageNet
            gives them ("tench, Tinca tinca"), or one of them ("tench"). A name that several classes have ("crane") is
            below what is above all of these.

    Raises:
        UsageError: one is no class of ImageNet.
    """
    synsets = _synsets()
    leaves = _leaves(synsets[:_CLASSES])
    by_id = {each.wnid: each for each in synsets}
    members: dict[str, set[int]] = {}
    for index, name in enumerate(classes):
        for wnid in set.intersection(*(_above(by_id, leaf) for leaf in _meanings(leaves, name))):
            members.setdefault(wnid, set()).add(index)
    names = _unique_names([by_id[wnid] for wnid in members])
    depths = {wnid: _depth(by_id, wnid) for wnid in members}
    order = sorted(members, key=lambda wnid: (-depths[wnid], wnid))
    return Hierarchy("WordNet 3.0", {names[wnid]: frozenset(members[wnid]) for wnid in order})


def hierarchy_of(source: str, classes: Sequence[str]) -> Hierarchy | None:
    """The hierarchy that a command names.

    Args:
        source: "wordnet", the path of a TOML file, "none", or "auto": WordNet where all classes are wnids.
        classes: names of the classes, by label.

    Raises:
        UsageError, DataError: as of :func:`wordnet` and :func:`load_hierarchy`.
    """
    if source == NONE or (source == AUTO and not all(map(is_wnid, classes))):
        return None
    return wordnet(classes) if source in (AUTO, WORDNET) else load_hierarchy(source, classes)


def is_wnid(text: str) -> bool:
    """Whether a text has the form of a WordNet id of a noun, such as "n01440764"."""
    return re.fullmatch(r"n\d{8}", text) is not None


def _synsets() -> list[_Synset]:
    lines = gzip.decompress(_CLOSURE.read_bytes()).decode().splitlines()
    rows = (line.split("\t") for line in lines)
    return [_Synset(wnid, tuple(lemmas.split(", ")), tuple(parents.split())) for wnid, lemmas, parents in rows]


def _leaves(synsets: Sequence[_Synset]) -> tuple[dict[str, list[str]], ...]:
    """What a class may be called, in small letters, and which it then is: whole names first, then single lemmas."""
    whole: dict[str, list[str]] = {}
    single: dict[str, list[str]] = {}
    for each in synsets:
        for text in (each.wnid, ", ".join(each.lemmas)):
            whole.setdefault(text.lower(), []).append(each.wnid)
        for lemma in each.lemmas:
            single.setdefault(lemma.lower(), []).append(each.wnid)
    return whole, single


def _meanings(leaves: Sequence[Mapping[str, list[str]]], name: str) -> list[str]:
    """The classes that a name may mean."""
    text = name.lower().replace("_", " ")
    for known in leaves:
        if text in known:
            return known[text]
    raise UsageError(
        f"{name!r} is no class of ImageNet.",
        "Call classes by their wnids (n01440764), or give a hierarchy of your own as a TOML file.",
    )


def _above(by_id: Mapping[str, _Synset], wnid: str) -> set[str]:
    """All ancestors of a synset."""
    found: set[str] = set()
    waiting = [wnid]
    while waiting:
        new = set(by_id[waiting.pop()].parents) - found
        found |= new
        waiting += new
    return found


def _depth(by_id: Mapping[str, _Synset], wnid: str) -> int:
    """The longest way up from a synset."""
    return max((1 + _depth(by_id, parent) for parent in by_id[wnid].parents), default=0)


def _unique_names(synsets: Sequence[_Synset]) -> dict[str, str]:
    """The usual lemma of each, with its wnid behind where another has the same."""
    first = [each.lemmas[0] for each in synsets]
    return {
        each.wnid: each.lemmas[0] if first.count(each.lemmas[0]) == 1 else f"{each.lemmas[0]} ({each.wnid})"
        for each in synsets
    }


def load_hierarchy(path: str | Path, classes: Sequence[str]) -> Hierarchy:
    """A hierarchy of the user's own: a TOML file with a table ``[concepts]`` of lists of classes and other concepts.

    Example:
        [concepts]
        pet = ["cat", "dog"]
        animal = ["pet", "bird", "frog"]
        vehicle = ["airplane", "ship"]

    Args:
        path: the file.
        classes: names of the classes, by label.

    Raises:
        DataError: the file is missing, no TOML of that form, names what is neither class nor concept, calls a concept
            like a class, or goes in a circle.
    """
    path = Path(path)
    concepts = _concepts(path)
    labels = {name: index for index, name in enumerate(classes)}
    for name, below in concepts.items():
        if name in labels:
            raise DataError(f"{path}: the concept {name!r} is called like a class.", "Give it another name.")
        for each in below:
            if each not in labels and each not in concepts:
                raise _unknown(path, name, each, [*labels, *concepts])
    members: dict[str, frozenset[int]] = {}
    for name in concepts:
        _collect(path, name, concepts, labels, members, ())
    return Hierarchy(path.name, members)


def _concepts(path: Path) -> dict[str, list[str]]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", "Check the path.") from error
    except ValueError as error:
        raise DataError(f"{path} is no TOML: {' '.join(str(error).split())}.", _SHAPE) from error
    found = table.get("concepts")
    if set(table) != {"concepts"} or not isinstance(found, dict) or not found:
        raise DataError(f"{path} is no hierarchy: it needs one table [concepts].", _SHAPE)
    for name, below in found.items():
        if not isinstance(below, list) or not below or not all(isinstance(each, str) for each in below):
            raise DataError(f"{path}: the concept {name!r} is no list of names.", _SHAPE)
    return found


def _unknown(path: Path, name: str, each: str, known: Sequence[str]) -> DataError:
    near = get_close_matches(each, known, 1)
    return DataError(
        f"{path}: {each!r}, below {name!r}, is neither a class nor a concept.",
        f"Did you mean {near[0]!r}?" if near else "Give names of classes of the data set, or of other concepts.",
    )


def _collect(
    path: Path,
    name: str,
    concepts: Mapping[str, list[str]],
    labels: Mapping[str, int],
    members: dict[str, frozenset[int]],
    way: tuple[str, ...],
) -> frozenset[int]:
    """Classes below a concept; those of the concepts below it are entered before its own."""
    if name in way:
        raise DataError(f"{path}: {' → '.join((*way, name))} goes in a circle.", "Take one of them out of the other.")
    if name not in members:
        found: set[int] = set()
        for each in concepts[name]:
            if each in labels:
                found.add(labels[each])
            else:
                found |= _collect(path, each, concepts, labels, members, (*way, name))
        members[name] = frozenset(found)
    return members[name]
