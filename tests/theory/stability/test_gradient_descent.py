"""Stable sharpness of descent with momentum, against roots and iterated updates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.theory.stability import gradient_descent as gd


def iterated(method: str, step: float, beta: float, count: int = 4000) -> float:
    """Growth of z an update, from the updates themselves."""
    z, v, total = 1.0, 0.0, 0.0
    for number in range(count):
        at = z + beta * v if method == "nesterov" else z
        v = beta * v - step * at
        z = z + v
        size = np.hypot(z, v)
        total += np.log(size) if number >= count // 2 else 0.0
        z, v = z / size, v / size
    return float(np.exp(total / (count - count // 2)))


@pytest.mark.parametrize("method", gd.METHODS)
@pytest.mark.parametrize("beta", [0.0, 0.3, 0.9])
def test_growth_is_one_at_the_edge(method, beta):
    if method == "gradient descent" and beta:
        return
    edge = gd.edge(method, beta)
    assert gd.growth(method, edge, beta) == pytest.approx(1, abs=1e-7)
    assert gd.growth(method, 1.01 * edge, beta) > 1
    assert gd.growth(method, 0.99 * edge, beta) < 1


@given(st.sampled_from(gd.METHODS), st.floats(0.05, 3.9), st.floats(0.01, 0.95))
def test_roots_against_updates(method, step, beta):
    beta = 0.0 if method == "gradient descent" else beta
    root = gd.growth(method, step, beta)
    if root > 0.05:
        assert iterated(method, step, beta) == pytest.approx(root, rel=0.02)


def test_known_values():
    assert gd.stable_sharpness(0.1) == pytest.approx(20)
    assert gd.stable_sharpness(0.1, "heavy ball", 0.9) == pytest.approx(38)
    assert gd.stable_sharpness(0.1, "nesterov", 0.9) == pytest.approx(38 / 2.8)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_kinks_hold_at_least_what_the_larger_curvature_says(left, right):
    lr = gd.kink_threshold(left, right)
    assert lr >= 2 / max(left, right) * (1 - 1e-12)
    assert (1 - lr * left) * (1 - lr * right) == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: gd.edge("newton"), "method = 'newton'"),
        (lambda: gd.edge("heavy ball", 1.0), "momentum = 1.0"),
        (lambda: gd.edge("gradient descent", 0.5), "momentum = 0.5"),
        (lambda: gd.stable_sharpness(0.0), "lr = 0.0"),
        (lambda: gd.kink_threshold(1.0, -2.0), "right = -2.0"),
    ],
)
def test_refuses(call, match):
    with pytest.raises(ValueError, match=match):
        call()


@pytest.mark.parametrize("momentum", [-0.1, 1.0, 1.5, float("nan")])
def test_a_momentum_is_at_least_0_and_below_1(momentum):
    with pytest.raises(ValueError, match="momentum = .*: must be at least 0 and below"):
        gd.edge("heavy ball", momentum)


def test_no_momentum_unless_told():
    for method in gd.METHODS:
        assert gd.edge(method) == 2
        assert gd.growth(method, 2.5) == pytest.approx(1.5)
        assert gd.stable_sharpness(0.5, method) == 4


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_and_curvatures_are_finite_and_above_0(value):
    for call in (
        lambda: gd.stable_sharpness(value),
        lambda: gd.kink_threshold(value, 1.0),
        lambda: gd.kink_threshold(1.0, value),
    ):
        with pytest.raises(ValueError, match="must be finite and above 0"):
            call()
