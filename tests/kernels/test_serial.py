"""The pieces of the batch-one kernel against one-line numpy."""

import numpy as np
import pytest

from flatminima.kernels import serial

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("width", [1, 2, 7, 16])
@pytest.mark.parametrize("num_inputs", range(1, 8))
def test_apply_pending(num_inputs, width, dtype, rng):
    w = rng.normal(size=(num_inputs, width)).astype(dtype)
    coef = rng.normal(size=serial.BLOCK).astype(dtype)
    rows = rng.normal(size=(serial.BLOCK, num_inputs)).astype(dtype)
    g = rng.normal(size=(serial.BLOCK, width)).astype(dtype)
    expected = w + np.einsum("p,pi,pj->ij", coef, rows, g)
    serial.apply_pending(w, coef, rows, g)
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("start", [0, 4, 5])
def test_gather(start, rng):
    x = rng.normal(size=(6, 3))
    order = np.array([5, 0, 0, 3, 2, 1, 4])
    rows, gram = np.empty((serial.BLOCK, 3)), np.empty((serial.BLOCK, serial.BLOCK))
    serial.gather(x, order, start, rows, gram)
    block = [*order[start : start + serial.BLOCK], 4, 4, 4][: serial.BLOCK]
    np.testing.assert_array_equal(rows, x[block])
    upper = np.triu_indices(serial.BLOCK)
    np.testing.assert_allclose(gram[upper], (rows @ rows.T)[upper], rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_placed_and_aligned(dtype):
    for rows, width in [(1, 1), (4, 5), (3, 32)]:
        like = np.ones(width, dtype)
        for address in (0, 8, 2048, 10**6):
            a = serial.placed(like, rows, address, serial.PAGE)
            assert (a.ctypes.data - address) % serial.PAGE == 0
            np.testing.assert_array_equal(a, np.zeros((rows, width), dtype))
        assert serial.aligned(like, rows).ctypes.data % serial.CACHE_LINE == 0


def test_squared_norm_and_dot(rng):
    a, b = rng.normal(size=(2, 37))
    assert serial.squared_norm(a) == pytest.approx(a @ a, rel=1e-14)
    assert serial.dot(a, b) == pytest.approx(a @ b, rel=1e-13)
