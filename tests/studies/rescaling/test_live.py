"""The experiment on rescaling: its numbers against automatic differentiation."""

import numpy as np
import pytest
import torch

from flatminima.sharpness.minimum import shares
from flatminima.studies.rescaling import live
from flatminima.studies.rescaling.curves import curve


@pytest.fixture(scope="module")
def parts():
    return live.weights()


def naive(parts, factor):
    """The Hessian of mean (f - y)^2 over w, b and a, as a program finds it."""
    found = live.data()
    x, y = torch.tensor([found["x"], found["y"]], dtype=torch.float64)
    w, b, a = (torch.tensor(parts[name]) for name in ("w", "b", "a"))

    def loss(theta):
        w, b, a = theta.reshape(3, -1)
        return ((torch.relu(x[:, None] * w + b) @ a - y) ** 2).mean()

    theta = torch.cat([factor * w, factor * b, a / factor])
    return torch.func.hessian(loss)(theta).numpy()


@pytest.mark.parametrize("factor", [0.1, 1.0, 4.0])
def test_numbers_are_those_of_the_dense_hessian(parts, factor):
    hessian = naive(parts, factor)
    found = live.numbers(factor)
    assert found["trace"] == pytest.approx(np.trace(hessian), rel=1e-11)
    largest = np.linalg.eigvalsh(hessian)[-1]
    assert found["lambda"] == pytest.approx(largest, rel=1e-9)


def test_the_trace_follows_the_chapter_s_curve():
    points = live.problem(live.CONFIG).data
    x, y = torch.from_numpy(points.x), torch.from_numpy(points.y)[:, None]
    formula = curve(shares(live.network(), x, y, live.LOSS))
    for factor in (0.3, 1.0, 5.0):
        trace = live.numbers(factor)["trace"]
        assert trace == pytest.approx(float(formula.at(factor)), rel=1e-11)


def test_the_network_fits_its_points(parts):
    x, y = np.array(live.data()["x"]), np.array(live.data()["y"])
    f = np.maximum(np.outer(x, parts["w"]) + parts["b"], 0) @ parts["a"]
    assert np.mean((f - y) ** 2) < 1e-3


def test_a_factor_must_be_positive():
    with pytest.raises(ValueError, match="above 0"):
        live.numbers(-1.0)
