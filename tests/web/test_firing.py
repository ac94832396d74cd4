"""The section on units."""

import numpy as np
import pytest

from firebit.data import ImageSet
from firebit.engine.network import Network
from firebit.errors import UsageError
from firebit.extras import MissingExtraError
from firebit.web.firing import Options, section


def test_every_unit_of_the_table_has_a_page(network: Network, pictures: ImageSet) -> None:
    told: list[str] = []
    found = section(network, pictures, Options(smallest=2, permutations=0), told.append)
    assert found.units is not None and found.why_not == ""
    assert [page.row for page in found.pages] == list(found.units.rows)
    # Smallest pictures of the two most telling units alone.
    assert [bool(page.positive or page.negative) for page in found.pages] == [True, True, False, False, False, False]
    assert told == ["the firing matrix", "smallest pictures"]
    assert found.units.null == ""


def test_without_smallest_pictures(network: Network, pictures: ImageSet) -> None:
    found = section(network, pictures, Options(smallest=0, permutations=0), lambda what: None)
    assert not any(page.positive or page.negative or page.blank for page in found.pages)


def test_what_is_missing_is_said(network: Network, pictures: ImageSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MissingExtraError("torch", "Explaining")

    monkeypatch.setattr("firebit.explain.explain", fails)
    found = section(network, pictures, Options(), lambda what: None)
    assert found.units is None and found.pages == ()
    assert found.why_not == "Explaining needs torch, which is not installed. pip install 'firebit[train]'"


def test_data_of_which_nothing_can_be_held_out_are_said(network: Network, pictures: ImageSet) -> None:
    few = pictures.subset(np.array([0, 50, 90, 130]))
    found = section(network, few, Options(), lambda what: None)
    assert "No class has two pictures" in found.why_not


def test_another_layer_is_refused(network: Network, pictures: ImageSet) -> None:
    with pytest.raises(UsageError, match="no hidden layer 'fir'"):
        section(network, pictures, Options(layer="fir"), lambda what: None)


@pytest.mark.parametrize(
    "wrong", [{"share": 0.5}, {"share": 1.1}, {"smallest": -1}, {"seed": -1}, {"permutations": -1}]
)
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Options(**wrong)  # type: ignore[arg-type]
