"""Measured thresholds, on quadratics whose thresholds are known."""

import pytest
import torch

from flatminima.theory.stability import escape
from flatminima.theory.stability.escape import Descent
from flatminima.theory.stability.gradient_descent import METHODS, edge

CURVATURES = torch.tensor([[1.0, 0.3], [7.0, 2.0], [0.01, 0.002]], dtype=torch.float64)
CENTRES = torch.tensor([[1.0, -2.0], [0.0, 0.0], [3.0, 3.0]], dtype=torch.float64)
DIRECTIONS = torch.full((3, 2), 0.5**0.5, dtype=torch.float64)


def gradient(theta: torch.Tensor) -> torch.Tensor:
    return CURVATURES[:, None] * (theta - CENTRES[:, None])


@pytest.mark.parametrize("method", METHODS)
def test_thresholds_of_quadratics(method):
    beta = 0.0 if method == "gradient descent" else 0.8
    descent = Descent(method, beta, steps=600)
    found = escape.thresholds(gradient, CENTRES, DIRECTIONS, descent, first=1e-3)
    expected = edge(method, beta) / CURVATURES.max(dim=1).values
    torch.testing.assert_close(found, expected, rtol=0.01, atol=0)


def test_longer_runs_are_late_by_less():
    late = [
        escape.thresholds(
            gradient, CENTRES, DIRECTIONS, Descent(steps=steps), first=1e-3
        )[0].item()
        / 2
        - 1
        for steps in (100, 1000)
    ]
    assert 0 < late[1] < late[0] / 4


def test_starts_in_the_stable_direction_stay():
    along = torch.tensor([[0.0, 1.0]] * 3, dtype=torch.float64)
    lr = (2.5 / CURVATURES.max(dim=1).values)[:, None]
    far = escape.repelled(gradient, CENTRES, along, lr, Descent(steps=300))
    assert not far.any()
    across = torch.tensor([[1.0, 0.0]] * 3, dtype=torch.float64)
    assert escape.repelled(gradient, CENTRES, across, lr, Descent(steps=300)).all()


def test_there_may_be_no_threshold():
    def nothing(theta: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(theta)

    descent = Descent(steps=20)
    none = escape.thresholds(nothing, CENTRES, DIRECTIONS, descent, first=1.0)
    assert none.isnan().all()
    late = escape.thresholds(gradient, CENTRES, DIRECTIONS, descent, first=5.0)
    assert late[:2].isnan().all() and not late[2].isnan()


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"method": "newton"}, "method = 'newton'"),
        ({"momentum": -0.1}, "momentum = -0.1"),
        ({"steps": 1}, "steps = 1"),
        ({"radius": 0.0}, "radius = 0.0"),
    ],
)
def test_refuses(given, match):
    with pytest.raises(ValueError, match=match):
        Descent(**given)
