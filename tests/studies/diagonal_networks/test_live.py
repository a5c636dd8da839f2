"""The experiment on diagonal networks: its ends are the two norms."""

import numpy as np
import pytest

from flatminima.studies.diagonal_networks import live


def test_a_large_start_ends_at_the_least_l2_norm():
    found, kept = live.numbers(10.0), live.data()
    assert (found["beta-1"], found["beta-2"]) == pytest.approx((0.2, 0.4), rel=1e-4)
    assert found["l2"] == pytest.approx(kept["l2"], rel=1e-4)


def test_a_smaller_start_is_nearer_to_the_least_l1_norm():
    norms = [live.numbers(alpha)["l1"] for alpha in (1.0, 0.1, 0.01, 0.001)]
    assert norms == sorted(norms, reverse=True)
    assert live.data()["l1"] < norms[-1] < 1.02 * live.data()["l1"]


@pytest.mark.parametrize("alpha", [0.01, 0.3, 3.0])
def test_the_end_on_the_plane_fits_and_is_stationary(alpha):
    found = live.numbers(alpha)
    beta = np.array([found["beta-1"], found["beta-2"]])
    assert beta @ live.PLANE_X == pytest.approx(live.PLANE_Y, rel=1e-9)
    # the derivative of phi is a multiple of the one example
    slope = np.arcsinh(beta / (2 * alpha**2))
    assert slope[1] / slope[0] == pytest.approx(2, rel=1e-7)


def test_a_start_must_be_positive():
    with pytest.raises(ValueError, match="c = 0"):
        live.numbers(0.0)
