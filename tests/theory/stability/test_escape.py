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


def test_a_thousand_updates_from_a_hundred_thousandth_unless_told():
    assert Descent() == Descent("gradient descent", 0.0, 1000, 1e-5)


def test_a_threshold_is_known_to_a_thousandth_unless_told():
    given = gradient, CENTRES, DIRECTIONS, Descent(steps=400)
    found = escape.thresholds(*given, first=1e-3)
    assert torch.equal(found, escape.thresholds(*given, first=1e-3, precision=1e-3))
    coarse = escape.thresholds(*given, first=1e-3, precision=0.5)
    assert not torch.equal(found, coarse)
    torch.testing.assert_close(found, coarse, rtol=0.3, atol=0)
    # of all learning rates tried within a thousandth, those below stay
    for share, far in ((0.998, False), (1.002, True)):
        lr = share * found[:, None]
        assert (escape.repelled(*given[:3], lr, given[3]) == far).all()


@pytest.mark.parametrize(("factor", "far"), [(9.9, False), (10.1, True)])
def test_ten_times_as_far_counts_as_repelled(factor, far):
    """One update takes z to -(lr - 1) z, and ten of them to its tenth power."""
    lr = torch.tensor([[1 + factor**0.1]], dtype=torch.float64)
    centre = torch.zeros(1, 1, dtype=torch.float64)
    found = escape.repelled(
        lambda z: z, centre, torch.ones_like(centre), lr, Descent(steps=10)
    )
    assert found.tolist() == [[far]]


@pytest.mark.parametrize("name", ["first", "precision"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_first_and_precision_are_above_0(name, value):
    arguments = {"first": 1.0} | {name: value}
    with pytest.raises(ValueError, match=f"{name} = .*: must be finite and above 0"):
        escape.thresholds(gradient, CENTRES, DIRECTIONS, Descent(), **arguments)
