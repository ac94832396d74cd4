"""Which networks come with the package, where their files are, and what their cards say."""

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from firebit.errors import ModelFileError

SUFFIX = ".firebit"
_FOLDER = Path(__file__).parent
_FENCE = "---"


@dataclass(frozen=True)
class Entry:
    """A network that comes with the package.

    Attributes:
        name: what it is loaded by.
        file: its `.firebit` file.
        card: its model card, Markdown, without the facts at its head.
        facts: what the head of the card says: "data", "net", "top1" (in per cent, as text), "pictures", "weights", …
    """

    name: str
    file: Path
    card: str
    facts: dict[str, str]


def names() -> tuple[str, ...]:
    """The names of all networks that come with the package, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob(f"*{SUFFIX}")))


def entry(name: str) -> Entry:
    """The network of that name.

    Raises:
        ModelFileError: there is none; the nearest name is suggested.

    Example:
        >>> entry("mnist-lenet").facts["net"]
        'lenet'
    """
    if name not in names():
        raise _unknown(name)
    facts, card = _parted((_FOLDER / f"{name}.md").read_text("utf-8"))
    return Entry(name, _FOLDER / f"{name}{SUFFIX}", card, facts)


def find(name_or_path: str | Path) -> Path:
    """The file that is meant: the path, where something is there; else the file of that name in the package.

    Args:
        name_or_path: a path, or a name of :func:`names`.

    Raises:
        ModelFileError: it reads like a name, not like a path, and there is no network of that name.
    """
    path, name = Path(name_or_path), str(name_or_path)
    try:
        there = path.exists()
    except (OSError, ValueError):  # a path that the system refuses: reading it says so
        return path
    if there or not _is_name(name):
        return path
    return entry(name).file


def _is_name(text: str) -> bool:
    """Whether a text may be a name: paths have separators or suffixes."""
    return text.replace("-", "").isalnum() and text.isascii()


def _unknown(name: str) -> ModelFileError:
    near = get_close_matches(name, names(), 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    return ModelFileError(
        f"There is neither a file nor a pretrained network {name!r}.",
        f"{hint}Give the path of a .firebit file or of a run, or one of: {', '.join(names())}.",
    )


def _parted(text: str) -> tuple[dict[str, str], str]:
    """The facts at the head of a card, "key: value" between two fences, and the rest."""
    _, head, card = text.split(f"{_FENCE}\n", 2)
    pairs = (line.partition(": ") for line in head.splitlines())
    return {key: value for key, _, value in pairs}, card.lstrip("\n")
