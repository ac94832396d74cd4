"""What a caller says that a store holds, and whether it does."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from firebit.errors import UsageError
from firebit.search.codes import check_bits
from firebit.search.encoder import Encoder, as_encoder
from firebit.search.store.schema import Settings, create


@dataclass(frozen=True)
class Wanted:
    """What a store should hold, as far as anybody said.

    Attributes:
        bits: per code; None: any.
        encoder: what makes codes of pictures; None: nothing does.
        fingerprint: of the encoder; None: any.
    """

    bits: int | None
    encoder: Encoder | None
    fingerprint: str | None


def wanted_by(bits: int | None, encoder: object, layer: str | None, fingerprint: str | None) -> Wanted:
    """What follows from the arguments of :meth:`firebit.search.CodeStore.open`.

    Raises:
        UsageError: they contradict each other, or are none of these.
    """
    if bits is not None:
        check_bits(bits)
    if encoder is None:
        if layer is not None:
            raise UsageError("layer= is given without an encoder.", "Give encoder=firebit.load(…) too.")
        return Wanted(bits, None, fingerprint)
    found = as_encoder(encoder, layer)
    check_bits(found.bits)
    if bits is not None and bits != found.bits:
        raise UsageError(
            f"The encoder's codes have {found.bits} bits, not {bits}.", "Leave bits= out, or change layer=."
        )
    if fingerprint is not None and fingerprint != found.fingerprint:
        raise UsageError("fingerprint= is not that of the encoder.", "Leave it out.")
    return Wanted(found.bits, found, found.fingerprint)


def make(path: Path, wanted: Wanted) -> None:
    """Make a new store, unless somebody else was quicker.

    Raises:
        UnavailableError, FirebitError: the file cannot be written.
    """
    assert wanted.bits is not None
    with suppress(FileExistsError):
        create(path, Settings(int(wanted.bits), wanted.fingerprint or ""))


def check_same(settings: Settings, wanted: Wanted, name: str) -> None:
    """Refuse a store that holds other codes than wanted.

    Raises:
        UsageError: it does; `name` is what it is called.
    """
    if wanted.bits is not None and wanted.bits != settings.bits:
        raise UsageError(
            f"{name} holds codes of {settings.bits} bits, not {wanted.bits}.",
            "Use the layer it was made with, or a new store.",
        )
    if wanted.fingerprint is not None and wanted.fingerprint != settings.fingerprint:
        theirs = f"the encoder {settings.fingerprint[:12]}…" if settings.fingerprint else "an encoder that nobody named"
        raise UsageError(
            f"{name} holds codes of {theirs}, not of {wanted.fingerprint[:12]}….",
            "Codes of different networks cannot be compared: use the network it was made with, or a new store.",
        )
