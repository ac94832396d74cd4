"""What callers say that a store holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firebit.errors import UsageError
from firebit.search.store.agreement import check_same, make, wanted_by
from firebit.search.store.schema import Settings, open_existing


@dataclass(frozen=True)
class Own:
    bits: int = 8
    fingerprint: str = "own"

    def codes(self, images: Any) -> np.ndarray:
        return np.zeros((len(images), 1), np.uint8)


def test_an_encoder_says_everything() -> None:
    found = wanted_by(None, Own(), None, None)
    assert (found.bits, found.encoder, found.fingerprint) == (8, Own(), "own")
    assert wanted_by(None, None, None, None).bits is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((0, None, None, None), "bits=0"),
        ((None, None, "act1", None), "without an encoder"),
        ((9, Own(), None, None), "8 bits, not 9"),
        ((8, Own(), None, "other"), "not that of the encoder"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: tuple[Any, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        wanted_by(*arguments)


def test_other_codes_are_refused_by_name(tmp_path: Path) -> None:
    wanted = wanted_by(None, Own(), None, None)
    check_same(Settings(8, "own"), wanted, "a.db")
    for settings in (Settings(9, "own"), Settings(8, "other"), Settings(8, "")):
        with pytest.raises(UsageError, match=r"a\.db holds codes of"):
            check_same(settings, wanted, "a.db")
    make(tmp_path / "a.db", wanted)
    make(tmp_path / "a.db", wanted_by(9, None, None, None))
    connection, settings = open_existing(tmp_path / "a.db")
    connection.close()
    assert settings == Settings(8, "own")
