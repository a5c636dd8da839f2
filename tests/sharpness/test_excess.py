"""What average sharpness has beyond its quadratic part, and interpolation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from flatminima.sharpness.average import average_sharpness
from flatminima.sharpness.excess import excess
from flatminima.sharpness.interpolation import interpolate
from flatminima.sharpness.landscape import squared, surface
from flatminima.sharpness.products import hessian
from tests.sharpness.nets import dense_hessian, mlp, within_binomial


def noise(seed):
    return torch.Generator().manual_seed(seed)


def test_a_quadratic_has_none():
    at = surface(lambda t: t[0] ** 2 + 3 * t[0] * t[1] - t[1], torch.tensor([1.0, 2.0]))
    (found,) = excess(at, hessian(at), np.array([0.3]), noise(0), pairs=50)
    assert abs(found.value) < 1e-14
    assert found.standard_error < 1e-14


def quartic_surface():
    # E (sigma v)^4 = 3 sigma^4, and the third order averages to 0
    return surface(lambda t: (2 * t**4 + t**3 + 5 * t**2).sum(), torch.zeros(2))


def test_a_quartic_has_its_fourth_moment():
    at, sigmas = quartic_surface(), np.array([0.01, 0.1, 1.0])
    found = excess(at, hessian(at), sigmas, noise(0), pairs=4000)
    for sigma, each in zip(sigmas, found, strict=True):
        expected = 2 * 2 * 3 * sigma**4
        assert abs(each.value - expected) < 3 * each.standard_error
        assert each.standard_error < 0.1 * expected
        assert each.draws == 4000


def test_error_bars_cover_as_often_as_they_say():
    at, sigmas = quartic_surface(), np.array([0.5])
    operator = hessian(at)
    found = [
        excess(at, operator, sigmas, noise(seed), pairs=200)[0] for seed in range(200)
    ]
    expected = 12 * 0.5**4
    hits = sum(abs(f.value - expected) < 2 * f.standard_error for f in found)
    # v^4 is skewed: of 20,000 such means 92 % cover, where a normal has 95.4 %
    assert within_binomial(int(hits), 200, 0.92)


def test_with_the_trace_it_makes_average_sharpness():
    at = mlp(0, n=8)
    sigma = 0.2
    plain = average_sharpness(at, sigma, noise(1), pairs=4000)
    (rest,) = excess(at, hessian(at), np.array([sigma]), noise(2), pairs=4000)
    whole = rest.value + sigma**2 / 2 * np.trace(dense_hessian(at))
    error = np.hypot(plain.standard_error, rest.standard_error)
    assert abs(plain.value - whole) < 3 * error
    assert rest.standard_error < plain.standard_error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sigmas": np.array([0.0])}, "must be above 0"),
        ({"pairs": 1}, "pairs = 1: must be an integer of at least 2"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    at = quartic_surface()
    given = {"sigmas": np.array([0.1]), "pairs": 4} | arguments
    with pytest.raises(ValueError, match=message):
        excess(at, hessian(at), given["sigmas"], noise(0), pairs=given["pairs"])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_network_is_moved_to_fit(activation):
    at = mlp(3, n=4, widths=(12,), activation=activation)
    found = interpolate(at)
    assert found.reached
    torch.testing.assert_close(found.at.outputs(), at.y, atol=1e-9, rtol=0)
    assert found.distance == pytest.approx(float((found.at.theta - at.theta).norm()))
    assert interpolate(found.at).distance == 0


def test_a_linear_model_moves_as_little_as_it_can():
    at = mlp(5, n=3, d=6, widths=(), outputs=1, bias=False)
    least = np.linalg.pinv(at.x.numpy()) @ (at.y - at.outputs()).numpy()
    assert interpolate(at).distance == pytest.approx(np.linalg.norm(least))


def test_what_cannot_be_fitted_says_so():
    with pytest.raises(ValueError, match="must have the squared loss"):
        interpolate(mlp(0, loss="cross_entropy"))
    with pytest.raises(ValueError, match="80 outputs to fit, and 26 parameters"):
        interpolate(mlp(0, n=40))
    dead = mlp(0, n=4, widths=(12,), activation="relu")
    dead = dead.at(dead.theta * 0)
    assert not interpolate(dead).reached


@pytest.mark.parametrize("sigmas", [[-0.1], [0.1, -0.1], [0.1, np.nan]])
def test_every_sigma_is_above_0(sigmas):
    at = quartic_surface()
    with pytest.raises(ValueError, match="must be above 0"):
        excess(at, hessian(at), np.array(sigmas), noise(0))


def test_a_hundred_pairs_are_drawn_unless_told():
    at = quartic_surface()
    (found,) = excess(at, hessian(at), np.array([0.1]), noise(0))
    assert found.draws == 100


def square(start):
    """The network f = p^2, whose target is 0, at a point."""
    at = surface(lambda t: t[0] ** 2, torch.tensor([start]))
    return replace(at, criterion=squared, y=torch.zeros(1, dtype=torch.float64))


def test_steps_to_a_double_root_halve_the_way():
    """The loss p^4 falls by 16 a step: from 1 to 16^-17 = 3.4e-21."""
    found = interpolate(square(1.0))
    assert found.reached
    assert found.loss == pytest.approx(0.5**68)
    assert found.distance == pytest.approx(1 - 0.5**17, rel=1e-12)


def test_there_are_100_steps_at_most():
    found = interpolate(square(1.0), tolerance=0)
    assert not found.reached
    assert float(found.at.theta) == pytest.approx(0.5**100)
    assert float(interpolate(square(1.0), num_steps=3).at.theta) == 1 / 8


def test_a_step_that_raises_the_loss_is_halved():
    """arctan: from 2 the plain step goes to -3.5, and further at every next one."""
    at = surface(lambda t: torch.arctan(t[0]), torch.tensor([2.0]))
    at = replace(at, criterion=squared, y=torch.zeros(1, dtype=torch.float64))
    first = interpolate(at, num_steps=1)
    assert float(first.at.theta) == pytest.approx(2 - 5 * np.arctan(2) / 2)
    found = interpolate(at)
    assert found.reached
    assert float(found.at.theta) == pytest.approx(0, abs=1e-9)


def test_two_pairs_are_enough():
    at = quartic_surface()
    (found,) = excess(at, hessian(at), np.array([0.1]), noise(0), pairs=2)
    assert found.draws == 2
