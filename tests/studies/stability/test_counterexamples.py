"""The losses that show what each word of the stability statement is there for."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from flatminima.studies.stability import counterexamples as examples


def test_stairs_are_smooth_and_have_two_curvatures():
    z = np.linspace(-2, 2, 40001)[:, None]
    curvature = np.gradient(examples.stairs(z)[:, 0], z[:, 0])
    assert curvature[20000] == pytest.approx(3, abs=1e-6)
    assert curvature[100] == pytest.approx(1, abs=1e-6)
    assert np.abs(np.diff(curvature)).max() < 0.01
    assert curvature.min() > 0  # convex


def test_one_learning_rate_is_exceptional():
    found = examples.stairs_table([0.9, 1.0, 1.0001], 50, 0)
    assert found["converging"].tolist() == [0, 1, 0]
    assert examples.wrong_side(found).tolist() == [0, 0]


def test_a_start_lands_exactly():
    path = examples.double_well(*examples.LANDING, steps=3)
    assert path == [Fraction(1, 2), 1, 1, 1]
    beside = examples.double_well(Fraction(51, 100), Fraction(4, 3), steps=3)
    assert 1 not in beside
    away = examples.around_the_well(4 / 3, [0.0, 1e-9], 60)
    assert away[0, 1:].max() == 0 and away[1].max() > 0.1 and away[1].min() < 1e-8


@pytest.mark.parametrize(("lr", "some"), [(0.5, True), (4 / 3, False)])
def test_random_starts_reach_the_well_below_its_threshold_only(lr, some):
    assert (examples.well_share(lr, 200, 0) > 0.3) == some


def loss(z: torch.Tensor) -> torch.Tensor:
    """The loss whose gradient `cusp` is, from its definition."""
    x, y = z.abs()
    inner = examples.GENTLE * x**2 / 2
    edge = y**2
    outer = examples.GENTLE * edge**2 / 2 + examples.GENTLE * edge * (x - edge)
    outer = outer + examples.SHARP * (x - edge) ** 2 / 2
    return examples.SLOW * y**2 / 2 + torch.where(x <= edge, inner, outer)


def test_cusp_is_a_gradient():
    z = np.random.default_rng(0).uniform(-0.5, 0.5, (200, 2))
    expected = torch.func.vmap(torch.func.grad(loss))(torch.tensor(z))
    np.testing.assert_allclose(examples.cusp(z), expected, atol=1e-12)


def test_cusp_has_a_hessian_at_its_minimum_that_jumps_beside_it():
    generator = np.random.default_rng(1)
    for radius in (1e-1, 1e-3, 1e-5):
        z = generator.standard_normal((500, 2))
        z *= radius / np.linalg.norm(z, axis=1, keepdims=True)
        gap = examples.cusp(z) - examples.quadratic(z)
        assert np.linalg.norm(gap, axis=1).max() < 5 * radius**2
    y = 1e-3
    inside = examples.cusp(np.array([[0.5 * y**2, y]]))[0, 0] / (0.5 * y**2)
    assert inside == pytest.approx(examples.GENTLE)


def test_cusp_draws_where_its_quadratic_repels():
    found = examples.cusp_table([0.5, 1.0, 1.5], 100, 0)
    assert found["quadratic"].tolist() == [1, 0, 0]
    assert found["with a cusp"].min() > 0.95


def test_kinks():
    found = examples.random_kinks(5, 3, 600)
    np.testing.assert_allclose(found["measured"], found["predicted"], rtol=0.01)
    assert (found["measured"] > found["2 / largest"]).all()
    equal = examples.kinked(np.array([2.0]), np.array([2.0]), 600)
    assert equal["measured"][0] == pytest.approx(1.0, rel=0.01)


def test_vee_is_the_network_and_is_never_reached():
    w = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    ((torch.relu(w) + 1) ** 2 + (torch.relu(-w) + 1) ** 2).div(2).backward()
    assert float(w.grad) == pytest.approx(1.3)
    found = examples.vee([0.1, 0.5], 20, 0)
    assert not found["converging"].any() and (found["distance"] > 0.1).all()
