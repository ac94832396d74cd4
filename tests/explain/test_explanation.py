"""Everything at once: that it is the sum of its parts, and JSON."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from firebit.errors import DataError, UsageError
from firebit.explain import Hierarchy, explain, firing, names, neuron_classifiers, selectivity
from firebit.explain.explanation import held_out

REDS = Hierarchy("colours", {"red": frozenset(range(6))})


def test_it_is_what_its_parts_are(planted: Callable[..., Any]) -> None:
    world = planted(each=40)
    arguments = (world.network, world.images, world.labels, world.classes)
    found = explain(*arguments, hierarchy=REDS, permutations=3, seed=4)
    whole = firing(*arguments, together=True)
    for name in ("counts", "sizes", "signatures", "signature", "together"):
        assert (getattr(found.found.firing, name) == getattr(whole, name)).all()
    later = held_out(world.labels, 0.5, 4)
    chosen, other = (
        firing(world.network, world.images[part], world.labels[part], world.classes) for part in (~later, later)
    )
    assert found.classifiers == neuron_classifiers(selectivity(chosen), other)
    assert len(found.classifiers) > 0
    assert found.names == names(selectivity(whole), REDS)
    assert found.names[0][0].concept == "red"
    assert found.null is not None
    assert found.null.permutations == 3


def test_everything_is_json(planted: Callable[..., Any]) -> None:
    world = planted(each=40)
    found = explain(world.network, world.images, world.labels, world.classes, hierarchy=REDS)
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["classes"][0] == {"class": "red-0", "pictures": 40}
    assert values["null"] is None
    unit = values["units"][0]
    assert unit["counts"] == found.found.firing.counts[:, 0].tolist()
    assert [each["class"] for each in unit["positive"]] == [f"red-{index}" for index in range(6)]
    assert unit["names"][0]["concept"] == "red"
    assert values["units"][4]["flag"] == "opposite of 0"
    first = values["classifiers"][0]
    assert first["positive"][0] in world.classes
    assert first["accuracy"] == first["correct"] / first["pictures"]


def test_lists_of_pictures_give_the_same(planted: Callable[..., Any]) -> None:
    world = planted(each=2)
    pictures = [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in world.images]
    one = explain(world.network, pictures, world.labels, world.classes)
    other = explain(world.network, world.images, world.labels, world.classes)
    assert one.to_dict() == other.to_dict()


def test_units_by_channel(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    found = explain(world.network, world.images, world.labels, world.classes, layer="squares", by="channel")
    assert found.found.firing.units == 4
    assert found.names == ((),) * 4
    assert [len(found.found.positives(unit)) for unit in range(4)] == [6] * 4


def test_one_class_and_classes_of_one_picture(planted: Callable[..., Any]) -> None:
    world = planted(each=1)
    with pytest.raises(DataError, match="No class has two pictures"):
        explain(world.network, world.images, world.labels, world.classes)
    with pytest.raises(DataError, match="1 class has pictures"):
        explain(world.network, world.images, np.zeros(24, int), world.classes)
    with pytest.raises(UsageError, match="without labels"):
        explain(world.network, world.images, None, world.classes)


def test_classes_without_pictures_are_left_out(planted: Callable[..., Any]) -> None:
    world = planted(each=20)
    found = explain(world.network, world.images, world.labels, (*world.classes, "nobody"))
    assert found.found.firing.sizes[-1] == 0
    assert not found.found.positive[-1].any()
    assert not found.found.negative[-1].any()
    json.dumps(found.to_dict(), allow_nan=False)
