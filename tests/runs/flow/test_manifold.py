"""Tangent directions are orthogonal to all constraints; landing satisfies them."""

import numpy as np
import pytest
import torch

from flatminima.models.base import load
from flatminima.runs.flow.manifold import Manifold
from tests.runs.flow.points import RADIUS, start

ARCHITECTURES = ["no_bias", "bias", "sim_ln"]
each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def jacobian(case, point):
    """Rows grad f_i over (w, v), by autograd; a row for the norm if it is held."""
    w = torch.tensor(point.w, requires_grad=True)
    v = torch.tensor(point.v, requires_grad=True)
    rows = []
    for x in torch.as_tensor(case.manifold.inputs):
        f = case.module.forward(case.manifold.model, w, v, x[None])[0]
        dw, dv = torch.autograd.grad(f, (w, v))
        rows.append(torch.cat([dw.flatten(), dv]).numpy())
    if case.manifold.radius > 0:
        rows.append(np.concatenate([point.w.ravel(), np.zeros_like(point.v)]))
    return np.stack(rows)


@pytest.mark.parametrize("seed", range(3))
@each_architecture
def test_projection_is_the_nearest_tangent_vector(architecture, seed):
    case = start(architecture, seed)
    point = case.point
    rng = np.random.default_rng(seed)
    dw = rng.standard_normal(point.w.shape)
    dv = rng.standard_normal(point.v.shape)
    got = np.concatenate([a.ravel() for a in case.manifold.project(point, dw, dv)])
    rows = jacobian(case, point)
    sizes = np.linalg.norm(rows, axis=1) * np.linalg.norm(got)
    assert np.all(np.abs(rows @ got) <= 1e-12 * sizes)
    p = np.concatenate([dw.ravel(), dv])
    nearest = p - np.linalg.pinv(rows) @ (rows @ p)
    np.testing.assert_allclose(got, nearest, atol=1e-10)


def test_repeated_examples_have_a_projection():
    case = start("bias")
    inputs = np.vstack([case.manifold.inputs] * 2)
    manifold = Manifold(case.manifold.model, inputs, np.tile(case.manifold.y, 2))
    case = case._replace(manifold=manifold)
    point = case.point
    dw, dv = manifold.project(point, np.ones_like(point.w), np.ones_like(point.v))
    p = np.concatenate([dw.ravel(), dv])
    assert np.linalg.norm(p) > 0.1
    assert np.abs(jacobian(case, point) @ p).max() < 1e-9


@each_architecture
def test_landing_interpolates_at_the_radius(architecture):
    case = start(architecture)
    point = case.point
    f = case.module.forward(case.manifold.model, point.w, point.v, case.manifold.inputs)
    np.testing.assert_allclose(f, case.manifold.y, atol=1e-8)
    if RADIUS[architecture]:
        assert np.linalg.norm(point.w) == pytest.approx(RADIUS[architecture])
    norm = np.sqrt(np.sum(point.w**2) + np.sum(point.v**2))
    assert point.norm == pytest.approx(norm)


def test_a_dead_network_does_not_land():
    case = start("bias")
    assert case.manifold.land(np.zeros_like(case.w), case.v) is None


def test_a_radius_below_eps_does_not_land():
    case = start("sim_ln")
    model = case.manifold.model
    tiny = Manifold(model, case.manifold.inputs, case.manifold.y, 1e-3 * model.eps)
    assert tiny.land(case.w, case.v) is None


@pytest.mark.parametrize(
    ("architecture", "radius"),
    [("bias", 1.0), ("no_bias", 1.0), ("sim_ln", -1.0), ("sim_ln", np.inf)],
)
def test_bad_radius(architecture, radius):
    model = load(architecture).Model()
    with pytest.raises(ValueError, match=r"radius = .*allowed"):
        Manifold(model, np.ones((1, 2)), np.ones(1), radius)
