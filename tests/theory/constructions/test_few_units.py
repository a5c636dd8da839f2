"""What few units can do on the square, by search and by a construction."""

from types import SimpleNamespace

import numpy as np
import pytest

from flatminima.data.xor import hypercube, xor_labels
from flatminima.theory.constructions import few_units
from flatminima.theory.constructions.few_units import (
    LABELS,
    fewest_errors_on_square,
    three_unit_errors,
    three_unit_flattest,
)
from flatminima.theory.constructions.generalising_networks import SIGNS
from flatminima.theory.constructions.verify import verify


@pytest.mark.parametrize(("width", "errors"), [(1, 2), (2, 1), (3, 0)])
def test_fewest_errors(width, errors):
    assert fewest_errors_on_square(width) == errors


@pytest.mark.parametrize("width", [1, 2])
def test_random_networks_do_no_better(width, rng):
    points = np.column_stack([SIGNS, np.ones(4)])
    z = np.einsum("ik,tkj->tij", points, rng.normal(size=(20_000, 3, width)))
    f = np.einsum("tij,tj->ti", np.maximum(z, 0), rng.normal(size=(20_000, width)))
    wrong = np.sum(~(f * LABELS > 0), axis=1)
    assert wrong.min() == fewest_errors_on_square(width)


@pytest.mark.parametrize(
    ("rows", "limits", "possible"),
    [
        ([[1.0], [-1.0]], [1.0, 1.0], True),  # -1 <= z <= 1
        ([[1.0], [-1.0]], [-1.0, 1.0], True),  # z = -1
        ([[1.0], [-1.0]], [-1.0, -1.0], False),  # z <= -1 and z >= 1
        ([[0.0]], [0.0], True),
        ([[0.0]], [-1.0], False),
        ([[1.0, 1], [-1, 0], [0, -1]], [-1.0, 0, 0], False),
        ([[1.0, 1], [-1, 0], [0, -1]], [-1.0, 0, 2], True),
    ],
)
def test_solutions_of_inequalities_by_hand(rows, limits, possible):
    assert few_units._has_solution(np.array(rows), np.array(limits)) is possible


@pytest.mark.parametrize(
    "found",
    [
        {"x": None},
        {"x": np.ones(2), "ineqlin": SimpleNamespace(marginals=np.zeros(2))},
        {"x": np.ones(2), "ineqlin": SimpleNamespace(marginals=np.array([-1.0, 0.0]))},
        {"x": np.ones(2), "ineqlin": SimpleNamespace(marginals=np.array([1.0, 1.0]))},
    ],
)
def test_a_solver_that_proves_nothing_is_reported(monkeypatch, found):
    """Neither a point that fits 2 <= z <= 1 nor multipliers that rule it out."""
    answer = SimpleNamespace(status=4, message="numerical difficulties", **found)
    monkeypatch.setattr(few_units, "linprog", lambda *_, **__: answer)
    rows, limits = np.array([[1.0], [-1.0]]), np.array([1.0, -2.0])
    with pytest.raises(ArithmeticError, match="status 4 .* proved neither"):
        few_units._has_solution(rows, limits)


def test_a_solver_that_gives_up_is_not_taken_for_an_answer(monkeypatch):
    answer = SimpleNamespace(status=1, message="iteration limit", x=None)
    monkeypatch.setattr(few_units, "linprog", lambda *_, **__: answer)
    with pytest.raises(ArithmeticError, match="status 1 .iteration limit."):
        fewest_errors_on_square(1)


def test_three_units_are_flattest_and_right_everywhere():
    errors = three_unit_errors([2, 3])
    assert len(errors) == 4 + 56
    assert errors.max() < 1e-12


def test_three_units_by_hand():
    x = np.array([[1.0, 1, 1], [1, -1, 1], [-1, 1, -1]])
    w, v = three_unit_flattest(x, xor_labels(x))
    # z / r at the quadrants ++, +-, -+, --, and r v
    z = np.column_stack([SIGNS, np.ones(4), np.ones(4)]) @ w / 2**0.5
    np.testing.assert_allclose(
        z, [[1, -3, -0.5], [-1, -1, 1], [-1, -1, 1], [-3, 1, 2.5]], atol=1e-12
    )
    np.testing.assert_allclose(v * 2**0.5, [1, 4, -1])


def test_an_error_is_found(monkeypatch):
    def flattest(x, y):
        w, v = three_unit_flattest(x, y)
        return w, v * [1, 0, 1]  # the quadrant without training points goes wrong

    monkeypatch.setattr(few_units, "three_unit_flattest", flattest)
    assert three_unit_errors([2]).max() == pytest.approx(1 / 4)


def test_bad_arguments():
    with pytest.raises(ValueError, match="width = 0: must be an integer of at least 1"):
        fewest_errors_on_square(0)
    with pytest.raises(ValueError, match="tilt = 2: allowed are 0 < tilt < 2"):
        three_unit_flattest(hypercube(2)[:3], xor_labels(hypercube(2)[:3]), tilt=2)


def test_a_tilt_of_one_half_unless_told_and_any_below_two():
    x = hypercube(3)[[0, 3, 5]]
    y = xor_labels(x)
    w, _ = three_unit_flattest(x, y)
    np.testing.assert_array_equal(w, three_unit_flattest(x, y, tilt=0.5)[0])
    for tilt in (0.01, 1.0, 1.99):
        w, v = three_unit_flattest(x, y, tilt=tilt)
        seen = verify("bias", w, v, x, y)
        assert seen.worst_error < 1e-12
        assert abs(seen.relative_excess) < 1e-12


@pytest.mark.parametrize("tilt", [0, -0.1, 2, np.nan])
def test_other_tilts_are_refused(tilt):
    x = hypercube(2)[:3]
    with pytest.raises(ValueError, match="allowed are 0 < tilt < 2"):
        three_unit_flattest(x, xor_labels(x), tilt=tilt)
