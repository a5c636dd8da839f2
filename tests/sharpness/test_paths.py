"""Paths between minima: their ends, convex losses, and a ring that a line cuts."""

import numpy as np
import pytest
import torch

from flatminima.sharpness.landscape import landscape, surface
from flatminima.sharpness.paths import Path, along, straight, trained

ENDS = torch.eye(2, dtype=torch.float64)
BUDGET = {"seed": 0, "num_steps": 300, "lr": 0.05}


def ring(theta: torch.Tensor) -> torch.Tensor:
    """Zero on the circle of radius 1, which the line between two points leaves."""
    return (theta @ theta - 1) ** 2


def linear(n: int = 12):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=g)
    y = torch.randint(2, (n,), generator=g)
    torch.manual_seed(0)
    return landscape(torch.nn.Linear(3, 2), x, y, "cross_entropy")


def test_the_barrier_of_the_ring_is_a_quarter():
    at = surface(ring, ENDS[0])
    path = straight(at, *ENDS, 101)
    assert path.barrier == pytest.approx(0.25, abs=1e-12)
    expected = ((1 - path.t) ** 2 + path.t**2 - 1) ** 2
    np.testing.assert_allclose(path.loss, expected, atol=1e-12)


def test_a_convex_loss_has_no_barrier():
    at = linear()
    g = torch.Generator().manual_seed(1)
    for _ in range(20):
        ends = 3 * torch.randn(2, at.size, generator=g, dtype=torch.float64)
        assert straight(at, *ends, 31).barrier <= 1e-12


@pytest.mark.parametrize("bends", [1, 3])
def test_a_curve_ends_at_the_given_points_and_goes_round_the_barrier(bends):
    at = surface(ring, ENDS[0])
    control = trained(at, *ENDS, **BUDGET, bends=bends)
    assert torch.equal(control[[0, -1]], ENDS)
    assert len(control) == bends + 2
    path = along(at, control, 101)
    assert path.loss[0] == path.loss[-1] == 0
    assert path.barrier < 0.01


def test_a_curve_that_is_not_trained_is_the_straight_line():
    at = surface(ring, ENDS[0])
    untrained = trained(at, *ENDS, **BUDGET | {"num_steps": 0}, bends=2)
    np.testing.assert_allclose(
        along(at, untrained, 11).loss, straight(at, *ENDS, 11).loss, atol=1e-14
    )


def test_training_with_batches_depends_on_the_seed_alone():
    at = linear()
    ends = torch.stack([at.theta, -at.theta])
    short = BUDGET | {"num_steps": 5}
    first, again = (trained(at, *ends, **short, batch=4) for _ in range(2))
    other = trained(at, *ends, **short | {"seed": 1}, batch=4)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_error_has_a_barrier_of_its_own():
    t = np.linspace(0, 1, 3)
    path = Path(t, np.zeros(3), np.array([0.0, 0.4, 0.2]))
    assert path.barrier == 0
    assert path.error_barrier == pytest.approx(0.3)


def test_a_loss_that_is_not_finite_stops_the_training():
    at = surface(lambda theta: theta.sum() * torch.inf, ENDS[0])
    with pytest.raises(ArithmeticError, match="step 0"):
        trained(at, *ENDS, **BUDGET)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"lr": 0.0}, "lr = 0"), ({"bends": 0}, "bends"), ({"num_steps": -1}, "steps")],
)
def test_bad_input_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        trained(surface(ring, ENDS[0]), *ENDS, **BUDGET | change)


def test_a_curve_has_one_bend_unless_told_and_all_examples_a_step():
    at = linear()
    ends = torch.stack([at.theta, -at.theta])
    short = BUDGET | {"num_steps": 3}
    found = trained(at, *ends, **short)
    assert torch.equal(found, trained(at, *ends, **short, bends=1, batch=None))
    assert torch.equal(found, trained(at, *ends, **short, batch=at.n))
    assert len(found) == 3


def test_the_learning_rate_of_adam_falls_along_half_a_cosine():
    """On a plane Adam's steps are about the learning rates, here 0.1 and 0.05."""
    slope = torch.tensor([1.0, -1.0], dtype=torch.float64)
    at = surface(lambda theta: slope @ theta, ENDS[0])
    for steps, far, within in ((1, 0.1, 1e-6), (2, 0.15, 5e-3)):
        control = trained(at, *ENDS, seed=0, num_steps=steps, lr=0.1)
        moved = (control[1] - ENDS.mean(dim=0)).numpy()
        assert moved == pytest.approx([-far, far], abs=within)


@pytest.mark.parametrize("lr", [-1.0, float("nan")])
def test_a_learning_rate_is_above_0(lr):
    with pytest.raises(ValueError, match="lr = .*: must be above 0"):
        trained(surface(ring, ENDS[0]), *ENDS, **BUDGET | {"lr": lr})
