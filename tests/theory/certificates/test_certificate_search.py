"""The search for dear cones: its seed, its ascents, and where they end."""

import numpy as np

from flatminima.data.xor import hypercube
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.certificate_search import (
    climb,
    search_certificate,
)
from tests.theory.certificates.test_certificate import kappa, with_bias


def test_the_search_is_told_by_its_seed():
    x, y = with_bias(hypercube(2)) * [1, 2, 1], np.array([1.0, 2.0, -1.0, 0.5])
    found = search_certificate(x, y)
    told = search_certificate(x, y, starts=200, ascents=15, tolerance=1e-3, seed=0)
    assert found.trace == told.trace
    np.testing.assert_array_equal(found.w, told.w)


def test_labels_of_0_need_no_unit():
    x = np.ones((2, 1))
    found, exact = (find(x, np.zeros(2)) for find in (search_certificate, certify))
    assert found.certified and found.w.shape == exact.w.shape == (1, 0)
    assert (found.value, found.lower, found.trace) == (0, 0, 0)


def unit_prices(x, dual, w):
    return dual @ np.maximum(x @ w.T, 0) / kappa(x, w.T)


def test_no_ascent_descends():
    rng = np.random.default_rng(0)
    x, dual = rng.normal(size=(6, 3)), rng.normal(size=6)
    w = rng.normal(size=(50, 3))
    w = w[(x @ w.T > 0).any(axis=0)]
    before = unit_prices(x, dual, w)
    for ascents in (1, 2, 5, 15):
        after = unit_prices(x, dual, climb(x, dual, w, ascents))
        assert (after >= before - 1e-12).all()
        before = after
    assert (after > unit_prices(x, dual, w) + 0.1).any()


def test_an_ascent_reaches_the_direction_of_least_squares():
    """Where all examples are active nu . X w / |X w| is largest at X w = nu."""
    rng = np.random.default_rng(1)
    x, best = rng.uniform(0.1, 1, (6, 3)), np.array([1.0, 0.5, 2.0])
    best /= np.linalg.norm(best)
    found = climb(x, x @ best, rng.uniform(0.1, 1, (4, 3)), 1)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.tile(best, (4, 1)), atol=1e-7)
