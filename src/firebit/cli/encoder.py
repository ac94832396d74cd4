"""firebit encoder: codes for photos from a network that was trained on ImageNet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firebit.errors import UsageError

if TYPE_CHECKING:
    from firebit.train.photos import Made


def command(
    data: Annotated[str, typer.Argument(help="A folder of pictures, a folder per class, or a known data set.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("photos.encoder"),
    bits: Annotated[int, typer.Option(help="Length of the codes, 12 to 4096.")] = 48,
    backbone: Annotated[str, typer.Option(help="efficientnet_lite0, efficientnet_lite1 or efficientnet_lite2.")] = (
        "efficientnet_lite0"
    ),
    side: Annotated[int | None, typer.Option(help="Pixels that pictures are resized to. Default: as trained.")] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Fit codes to the pictures, without classes.")
    ] = False,
    hidden: Annotated[int, typer.Option(min=0, help="Bits of a hidden layer before the code.")] = 0,
    keep: Annotated[
        float, typer.Option(min=0, help="Serve classes that DATA has not: 3 is a fair weight. Default: none.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the features.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    features: Annotated[Path | None, typer.Option(help="Where features of known pictures are kept.")] = None,
    bfloat16: Annotated[bool, typer.Option("--bfloat16", help="Compute features in bfloat16.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make an encoder of photos: a pretrained network and a layer of codes that is learned from DATA."""
    import json

    import torch

    from firebit.data import load, names
    from firebit.data.load import data_root
    from firebit.train.features import FeatureStore
    from firebit.train.head import HeadOptions
    from firebit.train.photos import fit, learn
    from firebit.zoo.backbone import pretrained

    options = HeadOptions(bits=bits, hidden=hidden, epochs=epochs, keep=keep, seed=seed)
    if unlabelled and (hidden or keep):
        given = "--hidden" if hidden else "--keep"
        raise UsageError(f"{given} does not go with --unlabelled, which learns no classes.", "Leave one of them out.")
    net = pretrained(backbone, side)
    dtype = torch.bfloat16 if bfloat16 else torch.float32
    told = None if json_ else _told
    if unlabelled:
        made = fit(net, Path(data), bits, seed=seed, dtype=dtype, told=told)
    else:
        pictures = load(data, "train", size=None if data in names() else net.side)
        store = FeatureStore(features or data_root().parent / "features")
        made = learn(net, pictures, options, store, dtype=dtype, told=told)
    made.encoder.save(out)
    typer.echo(json.dumps(_record(made, out), indent=2) if json_ else _line(made, out))


def _told(done: int, count: int) -> None:
    typer.echo(f"features: {done:,} of {count:,}", err=True)


def _record(made: "Made", out: Path) -> dict[str, Any]:
    return {
        "file": str(out),
        "fingerprint": made.encoder.fingerprint,
        "backbone": made.encoder.backbone.name,
        "side": made.encoder.backbone.side,
        "pictures": made.pictures,
        "skipped": [str(path) for path in made.skipped],
        "balance": made.balance.to_dict(),
    }


def _line(made: "Made", out: Path) -> str:
    left_out = f", {len(made.skipped):,} left out that cannot be read" if made.skipped else ""
    return (
        f"{out}: {made.encoder.bits} bits of {made.encoder.backbone.name} at {made.encoder.backbone.side} pixels, from "
        f"{made.pictures:,} pictures{left_out}; entropy of a bit {made.balance.entropy:.3f}, "
        f"{made.balance.distinct:,} distinct codes"
    )
