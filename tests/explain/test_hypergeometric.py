"""Tails against SciPy, and against fractions."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from firebit.explain.hypergeometric import tails


@given(st.data())
def test_tails_are_those_of_exact_fractions(data: st.DataObject) -> None:
    total = data.draw(st.integers(1, 60))
    size, marked = data.draw(st.integers(0, total)), data.draw(st.integers(0, total))
    drawn = data.draw(st.integers(0, size))
    masses = [Fraction(comb(marked, k) * comb(total - marked, size - k), comb(total, size)) for k in range(size + 1)]
    at_least, at_most = tails(drawn, size, marked, total)
    assert float(at_least) == pytest.approx(float(sum(masses[drawn:])), rel=1e-10, abs=1e-300)
    assert float(at_most) == pytest.approx(float(sum(masses[: drawn + 1])), rel=1e-10, abs=1e-300)


def test_tails_of_a_matrix_against_scipy() -> None:
    rng = np.random.default_rng(0)
    sizes, marked = rng.integers(1, 900, (8, 1)), rng.integers(0, 10_001, 12)
    drawn = rng.hypergeometric(marked, 10_000 - marked, np.broadcast_to(sizes, (8, 12)))
    at_least, at_most = tails(drawn, sizes, marked, 10_000)
    np.testing.assert_allclose(at_least, hypergeom.sf(drawn - 1, 10_000, marked, sizes), rtol=1e-8)
    np.testing.assert_allclose(at_most, hypergeom.cdf(drawn, 10_000, marked, sizes), rtol=1e-8)


def test_tails_far_out_are_small_but_right() -> None:
    at_least, at_most = tails(np.array([50]), 50, 420_000, 1_000_000)
    assert at_least[0] == pytest.approx(0.42**50, rel=5e-3)
    assert at_most[0] == 1
