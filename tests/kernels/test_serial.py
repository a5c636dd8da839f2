"""The pieces of the batch-one kernel against one-line numpy."""

import numpy as np
import pytest

from flatminima.kernels import serial
from flatminima.kernels.vectors import grid

pytestmark = pytest.mark.uncompiled


def filled(rows, columns, dtype, rng):
    """A grid, and what is in its columns; the padding stays 0."""
    a = grid(np.empty(0, dtype), rows, columns)
    a[:, :columns] = rng.normal(size=(rows, columns))
    return a, a[:, :columns].copy()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [None, 0.75])
@pytest.mark.parametrize(("num_inputs", "width"), [(1, 1), (3, 7), (7, 16), (5, 33)])
def test_update_and_project(num_inputs, width, scale, dtype, rng):
    w, w_before = filled(num_inputs, width, dtype, rng)
    g, gradients = filled(serial.BLOCK, width, dtype, rng)
    z, _ = filled(serial.BLOCK, width, dtype, rng)
    terms, following = rng.normal(size=(2, serial.BLOCK, num_inputs)).astype(dtype)
    scale = None if scale is None else np.dtype(dtype).type(scale)
    serial.update_and_project(w, scale, terms, g, following, z)
    expected = (1 if scale is None else scale) * w_before + terms.T @ gradients
    tolerance = 40 * np.finfo(dtype).eps
    near = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(w[:, :width], expected, **near)
    np.testing.assert_allclose(z[:, :width], following @ expected, **near)
    for a in (w, z):
        np.testing.assert_array_equal(a[:, width:], 0)


@pytest.mark.parametrize("steps", [serial.ONE, serial.TWO, serial.THREE])
def test_add_pending(steps, rng):
    z, before = filled(serial.BLOCK, 19, "float64", rng)
    g, gradients = filled(serial.BLOCK, 19, "float64", rng)
    coef, q = rng.normal(size=(serial.BLOCK, 1)), len(steps)
    serial.add_pending(steps, z, 0.5, coef, g)
    before[q] = 0.5 * before[q] + coef[:q, 0] @ gradients[:q]
    np.testing.assert_allclose(z[:, :19], before, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("start", [0, 4, 5])
def test_gather(start, rng):
    x = rng.normal(size=(6, 3))
    order = np.array([5, 0, 0, 3, 2, 1, 4])
    rows, gram = np.empty((serial.BLOCK, 3)), np.empty((serial.BLOCK, serial.BLOCK))
    serial.gather(x, order, start, rows)
    serial.inner_products(rows, gram)
    block = [*order[start : start + serial.BLOCK], 4, 4, 4][: serial.BLOCK]
    np.testing.assert_array_equal(rows, x[block])
    upper = np.triu_indices(serial.BLOCK)
    np.testing.assert_allclose(gram[upper], (rows @ rows.T)[upper], rtol=1e-14)


def test_squared_norm_and_dot(rng):
    a, b = rng.normal(size=(2, 37))
    assert serial.squared_norm(a) == pytest.approx(a @ a, rel=1e-14)
    assert serial.dot(a, b) == pytest.approx(a @ b, rel=1e-13)
    norm = np.sqrt(a @ a + 3 * (b @ b))
    assert serial.gradient_norm(a, b, 3.0) == pytest.approx(norm, rel=1e-14)
