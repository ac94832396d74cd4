"""firebit models: the trained networks that come with the package."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Model:
    """A row of the list: a network, what it was trained on, and how well it does there.

    Attributes:
        name: what it is loaded by.
        facts: of its card.
        bytes: size of its file.
        fingerprint: of the network.
        input: shape (C, H, W) of its pictures.
        classes: their names.
    """

    name: str
    facts: dict[str, str]
    bytes: int
    fingerprint: str
    input: tuple[int, ...]
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        shape, classes = list(self.input), list(self.classes)
        own = {"name": self.name, "bytes": self.bytes, "fingerprint": self.fingerprint, "input": shape}
        return {**own, "classes": classes, "facts": self.facts}


def command(
    name: Annotated[str | None, typer.Argument(help="Print the card of this network.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the trained networks that come with Firebit, or print the card of one."""
    import json

    from firebit.cli.table import show
    from firebit.pretrained import entry, names

    if json_:
        found = [_model(each).to_dict() for each in ([name] if name else names())]
        typer.echo(json.dumps(found[0] if name else found, indent=2))
    elif name:
        typer.echo(entry(name).card.rstrip("\n"))
    else:
        show(_table([_model(each) for each in names()]))


def _model(name: str) -> Model:
    from firebit.engine.record import load
    from firebit.pretrained import entry

    found = entry(name)
    plan = load(found.file)
    size = found.file.stat().st_size
    return Model(name, found.facts, size, plan.fingerprint, plan.input.shape, plan.classes)


def _table(models: list[Model]) -> "Table":
    from rich.table import Table

    from firebit.amounts import size

    table = Table("name", "network", "trained on", "pictures", "weights")
    for heading in ("classes", "top-1 %", "file"):
        table.add_column(heading, justify="right")
    for model in models:
        facts = model.facts
        words = [model.name, facts["net"], facts["data"], "×".join(map(str, model.input)), facts["weights"]]
        table.add_row(*words, str(len(model.classes)), facts["top1"], size(model.bytes))
    return table
