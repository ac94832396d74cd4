"""firebit evaluate search: how good codes are for search, by the figures and protocols of the literature."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firebit.cli.model import check_there, compiled_file, named
from firebit.cli.pictures import data_of
from firebit.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from firebit.data import ImageSet
    from firebit.search.evaluate import SearchMetrics, Split
    from firebit.search.evaluate.coder import Coded, Coder

    Parts = tuple[tuple[ImageSet, Coded], tuple[ImageSet, Coded]]

app = typer.Typer(help="Measure what networks are used for.", no_args_is_help=True)

_PREFIXES = (12, 16, 24, 32, 48, 64, 128, 256, 512, 1024, 2048)


@app.callback()
def _evaluate() -> None:
    """Measure what networks are used for."""


@app.command("search")
def command(
    model: Annotated[Path, typer.Argument(help="A run, a .firebit file, an encoder, or a pretrained network's name.")],
    data: Annotated[str | None, typer.Argument(help="A data set or folder. Default: the run's own.")] = None,
    layer: Annotated[str | None, typer.Option(help="Whose bits are the code. Default: code, else the last.")] = None,
    protocol: Annotated[str, typer.Option(help="cifar10, cifar10-1, cifar10-2 or unseen.")] = "cifar10-2",
    seed: Annotated[int, typer.Option(min=0, help="Of what the protocol draws, and of the baselines.")] = 0,
    prefixes: Annotated[bool, typer.Option("--prefixes", help="Also judge the first bits of each code.")] = False,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also LSH and ITQ on what the codes are made of.")
    ] = False,
    plots: Annotated[Path | None, typer.Option(help="Write curves to this path, .svg and .png.")] = None,
    features: Annotated[Path | None, typer.Option(help="Where features of an encoder are kept.")] = None,
    bfloat16: Annotated[bool, typer.Option("--bfloat16", help="An encoder's backbone in bfloat16.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge the codes of MODEL as a search: mean average precision, precision within 2 bits, balance."""
    from firebit.cli.table import show
    from firebit.figure import check_drawing
    from firebit.search.evaluate.report import plot, search_table
    from firebit.search.evaluate.study import records

    if plots is not None:
        check_drawing()
    task = _Task(model, data, layer, protocol, seed, features, bfloat16)
    found = task.judge(prefixes=prefixes, baselines=baselines)
    title = f"{model} on {task.source}, protocol {protocol}"
    if plots is not None:
        plot(found, title, plots)
    if json_:
        facts = {"model": str(model), "data": task.source, "protocol": protocol, "seed": seed, "note": task.note}
        typer.echo(json.dumps({**facts, "codes": records(found)}, indent=2))
        return
    show(search_table(found, title))
    typer.echo(task.note)


@dataclass(frozen=True)
class _Task:
    model: Path
    data: str | None
    layer: str | None
    protocol: str
    seed: int
    features: Path | None
    bfloat16: bool

    @property
    def file(self) -> Path:
        """The model file that MODEL means: the compiled network of a run where there is one, else the hardened."""
        model = named(self.model)
        check_there(model)
        if not model.is_dir():
            return model
        hardened = model / "hardened.safetensors"
        if not (model / "model.firebit").is_file() and hardened.is_file():
            return hardened
        return compiled_file(model)

    @property
    def source(self) -> str:
        """The data set to measure on."""
        if self.data is not None:
            return self.data
        if (own := data_of(self.model, "firebit evaluate search RUN DATA")) is not None:
            return own
        raise UsageError(
            f"{self.model} does not say which data set to use.", "Name one: firebit evaluate search FILE DATA."
        )

    @property
    def note(self) -> str:
        """What a reader has to know of the protocol."""
        return {
            "cifar10-2": "The test set asks, the training set is the database. Figures of protocols do not compare.",
            "unseen": "Fair only if the network was trained without the classes that ask.",
        }.get(self.protocol, "Queries are drawn from all pictures: fair only if the network has not trained on them.")

    def judge(self, *, prefixes: bool, baselines: bool) -> "Mapping[str, SearchMetrics]":
        """Figures by name of the codes: the model's own first."""
        import numpy as np

        from firebit.search.evaluate import split
        from firebit.search.evaluate.study import Subject

        ((train, coded), (test, asked)), coder = self._coded()
        labels = np.concatenate([train.labels, test.labels])
        divided: Split = split(self.protocol, train.labels, test.labels, self.seed)
        subject = Subject(labels, divided)
        codes = np.concatenate([coded.codes, asked.codes])
        found = {"codes": subject.judge(codes, coder.bits)}
        if prefixes:
            shorter = tuple(length for length in _PREFIXES if length < coder.bits)
            found |= {f"first {n} bits": each for n, each in subject.prefixes(codes, coder.bits, shorter).items()}
        if baselines:
            found |= subject.baselines(_features(self.file, coded, asked), coder.bits, self.seed)
        return found

    def _coded(self) -> "tuple[Parts, Coder]":
        coder = self._coder()
        train, test = (coder.pictures(self.source, part) for part in ("train", "test"))
        if train.classes != test.classes:
            raise UsageError(f"{self.source}: train and test have other classes.", "Give a data set with both.")
        return ((train, coder.run(train)), (test, coder.run(test))), coder

    def _coder(self) -> "Coder":
        from firebit.engine.record import is_plan

        if is_plan(self.file):
            from firebit.search.evaluate.coder import compiled_coder

            return compiled_coder(self.file, self.layer)
        from firebit.data.load import data_root
        from firebit.train.coder import coder
        from firebit.train.features import FeatureStore

        store = FeatureStore(self.features or data_root().parent / "features")
        return coder(self.file, self.layer, store, quick=self.bfloat16)


def _features(file: Path, coded: "Coded", asked: "Coded") -> "NDArray[np.float32]":
    import numpy as np

    if coded.features is None or asked.features is None:
        raise ModelFileError(
            f"{file} does not show what its codes are made of.",
            "Leave --baselines out, or give a compiled network whose layer of codes is not its first.",
        )
    return np.concatenate([coded.features, asked.features])
