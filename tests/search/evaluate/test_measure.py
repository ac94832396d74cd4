import json

import numpy as np
import pytest

from firebit.search.codes import pack
from firebit.search.evaluate.measure import measure


def test_codes_that_are_the_class_are_perfect() -> None:
    labels = np.arange(40) % 4
    codes = pack(np.eye(4, dtype=bool)[labels])
    found = measure(4, codes, labels, codes, labels)
    assert set(found.mean_average_precision) == {"ALL", "1000", "5000"}
    # Within two bits lies everything: all codes of one bit differ in two.
    assert found.precision_within == pytest.approx(1 / 4)
    assert found.mean_average_precision["ALL"] == pytest.approx(1)
    assert found.precision[0] == pytest.approx(1)
    assert found.recall[0] == pytest.approx(1)
    assert found.precision_at[found.places.index(10)] == pytest.approx(1)
    assert (found.empty, found.balance.distinct, found.queries, found.database) == (0, 4, 40, 40)


def test_codes_that_are_all_the_same_are_worth_their_share() -> None:
    labels = np.arange(1000) % 10
    codes = np.zeros((1000, 6), np.uint8)
    found = measure(48, codes[:10], labels[:10], codes, labels, cutoffs=(None,))
    # One tie of 1000 codes of which 100 are right: 1/1000 · Σ (1 + (t − 1)·99/999) / t, a little above 1/10.
    expected = sum((1 + (t - 1) * 99 / 999) / t for t in range(1, 1001)) / 1000
    assert found.mean_average_precision["ALL"] == pytest.approx(expected)
    assert found.precision_at == pytest.approx([0.1] * len(found.places))


def test_the_record_is_json() -> None:
    codes, labels = np.arange(8, dtype=np.uint8)[:, None], np.zeros(8, int)
    record = json.loads(json.dumps(measure(3, codes, labels, codes, labels).to_dict()))
    assert record["balance"]["distinct_rate"] == 1
    assert len(record["precision"]) == 4
