import numpy as np
import pytest

from firebit.search.codes import pack
from firebit.search.evaluate.balance import balance


def test_balance_by_hand() -> None:
    bits = np.array([[0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    found = balance(pack(bits), 3)
    quarter = -(np.log2(1 / 4) / 4 + 3 * np.log2(3 / 4) / 4)
    assert found.mean == pytest.approx(5 / 12)
    assert found.constant == 1
    assert found.entropy == pytest.approx((0 + 1 + quarter) / 3)
    # Of bits 1 and 2: covariance 1/4 - 1/2 · 3/4 = -1/8 over the product of their deviations, 1/2 and √3/4.
    assert found.correlation == pytest.approx((1 / 8) / (1 / 2 * np.sqrt(3) / 4), rel=1e-5)
    assert (found.distinct, found.distinct_rate, found.largest) == (3, 0.75, 0.5)
    assert found.code_entropy == pytest.approx(1.5)
    assert found.to_dict()["distinct_rate"] == 0.75


def test_codes_that_are_all_the_same_have_no_entropy() -> None:
    found = balance(np.full((5, 1), 3, np.uint8), 8)
    assert (found.entropy, found.code_entropy, found.constant, found.distinct) == (0, 0, 8, 1)
    assert found.correlation is None


def test_fair_independent_bits_have_all_the_entropy_there_is() -> None:
    every = np.arange(256, dtype=np.uint8)[:, None]
    found = balance(every, 8)
    assert (found.entropy, found.code_entropy) == (pytest.approx(1), pytest.approx(8))
    assert found.correlation == pytest.approx(0, abs=1e-6)
