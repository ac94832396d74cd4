"""Stores of codes in the app."""

from pathlib import Path

import numpy as np
import pytest

from firebit.engine.network import Network
from firebit.engine.plan import Plan
from firebit.errors import UnavailableError, UsageError
from firebit.search import CodeStore
from firebit.web.neighbours import is_value
from firebit.web.stored import open_store

from .conftest import picture, quadrant_plan


@pytest.fixture
def file(network: Network, tmp_path: Path) -> Path:
    """A store of a picture of every class; the labels of the last two are numbers."""
    path = tmp_path / "photos.db"
    with CodeStore.open(path, encoder=network) as store:
        pictures = np.stack([picture(index) for index in range(4)])
        store.upsert(list("abcd"), pictures, payload=[{"label": "0"}, {"label": "1"}, {"label": 2}, {"label": 3}])
    return path


def test_nearest_pictures_have_their_codes(file: Path, network: Network) -> None:
    store = open_store(str(file), network)
    assert (store.name, store.bits, store.layer, len(store)) == ("photos.db", 6, "fire", 4)
    found = store.nearest(network.codes(picture(1))[0], 3, None)
    assert [(hit.id, hit.distance) for hit in found] == [("b", 0), ("a", 2), ("c", 2)]
    # Units 1 and 4 fire.
    assert found[0].code.tolist() == [0b010010]
    assert found[2].payload == {"label": 2}


@pytest.mark.parametrize(("value", "ids"), [("0", ["a"]), ("2", ["c"]), ("x", [])])
def test_fields_are_found_by_what_is_typed(file: Path, network: Network, value: str, ids: list[str]) -> None:
    store = open_store(str(file), network)
    found = store.nearest(network.codes(picture(1))[0], 9, is_value("label", value))
    assert [hit.id for hit in found] == ids


def test_codes_of_another_network_are_refused(file: Path) -> None:
    plan = quadrant_plan()
    layer = plan.layers[0]
    other = Plan(plan.input, (type(layer)(layer.name, layer.terms, layer.threshold + 1, layer.direction),))
    with pytest.raises(UsageError, match="holds codes of the encoder"):
        open_store(str(file), Network(other))


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path, network: Network) -> None:
    with pytest.raises(UnavailableError, match=r"There is no store .*none\.db"):
        open_store(str(tmp_path / "none.db"), network)
    assert not (tmp_path / "none.db").exists()
