"""Deep networks of cells interpolate and attain the bound, whatever the cells are."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.data.xor import hypercube, sample_xor, xor_labels
from flatminima.models import deep
from flatminima.sharpness.deep import per_example_gradients, trace_hessian
from flatminima.theory.constructions.deep_cells import (
    decision_tree,
    deep_from_subcubes,
    deep_on_sphere,
)


def quadrants(d):
    cubes = np.zeros((4, d), dtype=int)
    cubes[:, :2] = list(product((1, -1), repeat=2))
    return cubes, 1.0 * cubes[:, 0] * cubes[:, 1]


def relative(model, network, x, y):
    """Trace over bound minus 1, at an interpolator away from kinks."""
    inputs = deep.inputs(model, x)
    at = per_example_gradients(*network, inputs)
    np.testing.assert_allclose(at.f, y, atol=1e-12)
    assert at.kink_distance > 1e-6
    shares = trace_hessian(at)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-9)
    return shares.sum() / deep.lower_bound(model, np.sum(inputs**2, axis=1), y) - 1


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("depth", [3, 4, 7])
def test_points_trees_and_quadrants_attain_the_bound(depth, bias, rng):
    data = sample_xor(23, 6, seed=1)
    model = deep.Model(depth, float(bias))
    for cells in (
        (data.x.astype(int), data.y),
        decision_tree(data.x, data.y, rng),
        quadrants(6),
    ):
        network = deep_from_subcubes(*cells, depth, bias=bias)
        assert abs(relative(model, network, data.x, data.y)) < 1e-12


def test_the_published_value_of_the_bound_without_a_bias():
    data = sample_xor(100, 30, seed=0)
    network = deep_from_subcubes(*quadrants(30), 3)
    at = per_example_gradients(*network, data.x)
    assert trace_hessian(at).sum() == pytest.approx(6 * 30 ** (1 / 3), rel=1e-12)


def test_the_trace_is_that_of_the_dense_hessian():
    data = sample_xor(5, 3, seed=0)
    network = deep_from_subcubes(data.x.astype(int), data.y, 3)
    shapes = [a.shape for a in network]
    flat = torch.from_numpy(np.concatenate([a.ravel() for a in network]))
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)

    def loss(theta):
        parts = torch.split(theta, [int(np.prod(s)) for s in shapes])
        w, middle, v = (p.reshape(s) for p, s in zip(parts, shapes, strict=True))
        h = torch.relu(torch.relu(x @ w) @ middle[0])
        return torch.mean((h @ v - y) ** 2)

    dense = torch.autograd.functional.hessian(loss, flat)
    assert float(dense.trace()) == pytest.approx(6 * 3 ** (1 / 3), rel=1e-12)


def test_off_its_subcubes_the_network_is_zero_and_on_them_its_label():
    cube = hypercube(6)
    points = cube[::5]
    network = deep_from_subcubes(points.astype(int), xor_labels(points), 4)
    f = deep.forward(deep.Model(4, 0.0), *network, cube)
    np.testing.assert_allclose(f[::5], xor_labels(points), atol=1e-12)
    assert np.count_nonzero(f) == len(points)
    right = deep_from_subcubes(*quadrants(6), 5, bias=True)
    model = deep.Model(5, 1.0)
    f = deep.forward(model, *right, deep.inputs(model, cube))
    np.testing.assert_allclose(f, xor_labels(cube), atol=1e-12)


@given(seed=st.integers(0, 10**6), d=st.integers(2, 7), data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_tree_fits_its_points_and_parts_the_cube(seed, d, data):
    n = data.draw(st.integers(1, 2**d))
    rng = np.random.default_rng(seed)
    x = hypercube(d)[rng.permutation(2**d)[:n]]
    y = rng.choice([-1.0, 1.0], n)
    cubes, labels = decision_tree(x, y, rng)
    inside = np.all((cubes[:, None] == 0) | (cubes[:, None] == hypercube(d)), axis=2)
    assert np.all(inside.sum(axis=0) == 1)
    network = deep_from_subcubes(cubes, labels, 3)
    assert abs(relative(deep.Model(3, 0.0), network, x, y)) < 1e-12


@pytest.mark.parametrize("size", [1.0, 2.5])
@pytest.mark.parametrize("depth", [3, 5])
def test_any_labels_on_the_sphere(depth, size, rng):
    x = rng.normal(size=(40, 5))
    x *= 3 / np.linalg.norm(x, axis=1, keepdims=True)
    y = size * rng.choice([-1.0, 1.0], 40)
    network = deep_on_sphere(np.vstack([x, x[:3]]), np.append(y, y[:3]), depth, seed=1)
    inputs = per_example_gradients(*network, x)
    np.testing.assert_allclose(inputs.f, y, atol=1e-9)
    bound = deep.lower_bound(deep.Model(depth, 0.0), np.full(40, 9.0), y)
    assert trace_hessian(inputs).sum() == pytest.approx(bound, rel=1e-9)
    assert inputs.kink_distance > 0


def test_bad_arguments(rng):
    cubes, labels = quadrants(3)
    with pytest.raises(ValueError, match="depth = 2: must be an integer of at least 3"):
        deep_from_subcubes(cubes, labels, 2)
    with pytest.raises(ValueError, match="subcubes 0 and 1 meet"):
        deep_from_subcubes(np.array([[1, 0], [0, 1]]), np.ones(2), 3)
    with pytest.raises(ValueError, match="allowed entries are -1, 0 and 1"):
        deep_from_subcubes(2 * cubes, labels, 3)
    with pytest.raises(ValueError, match="sizes 1 to 2: allowed is one size above 0"):
        deep_from_subcubes(cubes, labels * [1, 1, 1, 2], 3)
    with pytest.raises(ValueError, match=r"cubes has shape \(0, 3\) and labels"):
        deep_from_subcubes(cubes[:0], labels[:0], 3)
    with pytest.raises(ValueError, match="x has sizes .* allowed is one size above 0"):
        deep_on_sphere(rng.normal(size=(3, 2)), np.ones(3), 3)
    near = np.array([[1.0, 0.0], [1.0, 1e-9]])
    with pytest.raises(ValueError, match="no unit tells two of the points apart"):
        deep_on_sphere(near, np.array([1.0, -1.0]), 3, frames=1)
    with pytest.raises(ValueError, match="frames = 0: must be an integer of at least"):
        deep_on_sphere(near, np.array([1.0, -1.0]), 3, frames=0)


def test_four_frames_of_seed_0_unless_told(rng):
    x = rng.standard_normal((3, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.ones(3)
    found = deep_on_sphere(x, y, 3)
    told = deep_on_sphere(x, y, 3, frames=4, seed=0)
    assert found[0].shape == (3, 2 * 3 * 4)
    for one, other in zip(found, told, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(found[0], deep_on_sphere(x, y, 3, seed=1)[0])
    assert deep_on_sphere(x, y, 3, frames=9)[0].shape == (3, 2 * 3 * 9)


@pytest.mark.parametrize(("cells", "width"), [(1, 6), (6, 6), (7, 12)])
def test_the_width_is_the_least_multiple_that_holds_all_cells(cells, width):
    points = hypercube(3)[:cells].astype(int)
    w, middle, v = deep_from_subcubes(points, np.ones(cells), 4)
    assert w.shape == (3, width)
    assert middle.shape == (2, width, width)
    assert v.shape == (width,)
