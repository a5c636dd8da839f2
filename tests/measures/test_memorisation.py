import numpy as np
import pytest

from flatminima.measures.memorisation import memorisation


def test_one_unit_an_example():
    seen = memorisation(np.diag([1.0, 2.0, 0.1]))
    assert seen.single == 1
    assert seen.injective


def test_a_shared_unit_is_not_injective():
    seen = memorisation(np.array([[1.0, 0.0], [2.0, 0.0]]))
    assert seen.single == 1
    assert not seen.injective


def test_the_tolerance_is_relative_to_the_examples_largest():
    h = np.array([[10.0, 0.4], [0.1, 1.0]])
    assert memorisation(h, active=0.05).single == 0.5
    assert memorisation(h, active=0.2).single == 1
    assert memorisation(h, active=0.0).single == 0


def test_a_silent_example_has_no_active_unit():
    seen = memorisation(np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert seen.single == 0.5
    assert seen.injective


@pytest.mark.parametrize("active", [-0.1, 1.0, float("nan")])
def test_tolerances_are_refused(active):
    with pytest.raises(ValueError, match="active = .*: allowed are 0 <= active < 1"):
        memorisation(np.eye(2), active)
