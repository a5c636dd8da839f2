"""The pieces of the batch-one kernel against one-line numpy."""

import numpy as np
import pytest

from flatminima.kernels import serial

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("width", [1, 2, 7, 16])
@pytest.mark.parametrize("num_inputs", range(1, 14))
def test_update_and_project(num_inputs, width, dtype, rng):
    shape = (num_inputs, width)
    w = rng.normal(size=shape).astype(dtype)
    g, z = rng.normal(size=(2, width)).astype(dtype)
    x_old, x_new = rng.normal(size=(2, num_inputs)).astype(dtype)
    scale, step = np.array([0.9, -0.1], dtype)
    expected = scale * w + step * np.outer(x_old, g)
    serial.update_and_project(w, z, g, x_old, x_new, scale, step)
    tolerance = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(w, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(z, x_new @ expected, rtol=tolerance, atol=20 * tolerance)


def test_squared_norm(rng):
    a = rng.normal(size=37)
    assert serial.squared_norm(a) == pytest.approx(a @ a, rel=1e-14)
