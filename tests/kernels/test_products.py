"""Products by tiles against numpy's."""

import numpy as np
import pytest

from flatminima.kernels.products import product
from flatminima.kernels.vectors import grid

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("m", [1, 5, 6, 7, 11, 19, 20, 31])
def test_product(m, dtype, rng):
    k, width = 3, 17
    a = rng.normal(size=(m, k)).astype(dtype)
    b, out = grid(a[0], k, width), grid(a[0], m, width)
    b[:, :width] = rng.normal(size=(k, width))
    out[:] = 7
    product(a, b, out, False)
    tolerance = 20 * np.finfo(dtype).eps
    near = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(out, a @ b, **near)
    product(np.asfortranarray(a), b, out, True)
    np.testing.assert_allclose(out, 2 * (a @ b), **near)
