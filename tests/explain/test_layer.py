"""Bits and margins of units and of channels, against the network's own."""

from collections.abc import Callable
from typing import Any

import pytest

from firebit.errors import UsageError
from firebit.explain.layer import Reader


def test_channels_fire_where_they_fire_anywhere(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    reader = Reader(world.network, "squares", "channel")
    margins = world.network.margins(world.images, "squares")
    assert (reader.bits(world.images) == world.network.bits(world.images, "squares").any((2, 3))).all()
    assert (reader.margins(world.images, [3, 1]) == margins.max((2, 3))[:, [3, 1]]).all()
    assert ((reader.margins(world.images, range(4)) >= 0) == reader.bits(world.images)).all()


def test_units_are_the_networks(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    reader = Reader(world.network, None, "unit")
    assert (reader.layer, reader.shape, reader.units) == ("parts", (5,), 5)
    assert (reader.bits(world.images) == world.network.bits(world.images)).all()
    assert (reader.margins(world.images, [4]) == world.network.margins(world.images)[:, 4:]).all()


@pytest.mark.parametrize("units", [[5], [-1], [0.5], [[1]]])
def test_units_that_there_are_not(planted: Callable[..., Any], units: Any) -> None:
    with pytest.raises(UsageError, match="are not all among the 5"):
        Reader(planted(each=1).network, None, "unit").checked(units)
