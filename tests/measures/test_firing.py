"""Firing rates in which units count by their size, by hand and by symmetry."""

import numpy as np
import pytest

from flatminima.measures.firing import weighted_rate


def test_a_unit_counts_by_its_size():
    on = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]], dtype=bool)
    assert weighted_rate(on, np.array([2.0, 1.0, 1.0])) == pytest.approx(2.25 / 4)
    assert weighted_rate(on, np.array([0.0, 5.0, 0.0])) == 0.25
    assert np.isnan(weighted_rate(on, np.zeros(3)))


def test_units_without_bias_fire_on_half_of_symmetric_points():
    rng = np.random.default_rng(0)
    half, w = rng.standard_normal((40, 5)), rng.standard_normal((5, 7))
    x = np.concatenate([half, -half])
    assert weighted_rate(x @ w > 0, rng.random(7)) == pytest.approx(0.5)
