"""The hinge's experiment: its numbers against closed forms."""

import numpy as np
import pytest

from flatminima.studies.hinge import live


@pytest.mark.parametrize("c", [0.02, 0.5, 1.0, 2.0])
def test_both_networks_attain_the_bound(c):
    found = live.numbers(c)
    assert found["bound"] == pytest.approx(4 * (6 + c**2) ** 0.5, rel=1e-14)
    for name in ("memorises", "generalises"):
        assert found[f"{name}-ratio"] == pytest.approx(1, abs=1e-9)
    assert found["generalises-right"] == 1
    assert found["memorises-right"] < 0.5


@pytest.mark.parametrize("c", [0.1, 0.5, 2.0])
def test_the_norm_of_the_generalising_network_has_a_closed_form(c):
    # four rows (+-r, +-r, 0, ...) with the bias -r / c, and r^4 = d + c^2
    r = (6 + c**2) ** 0.25
    norm = 2 * r * np.sqrt(2 + 1 / c**2)
    assert live.numbers(c)["generalises-norm"] == pytest.approx(norm, rel=1e-12)


def test_accuracy_is_that_of_the_committed_runs_at_the_nearest_constant():
    kept = live.trained()
    assert kept["c"] == list(np.linspace(0, 2, 9))
    for low, mean, high in zip(kept["low"], kept["mean"], kept["high"], strict=True):
        assert 0 < low <= mean <= min(high, 1)
    assert live.numbers(0.6)["accuracy"] == kept["mean"][2]


def test_without_a_bias_there_is_no_such_network():
    with pytest.raises(ValueError, match="bias_input = 0"):
        live.numbers(0.0)
