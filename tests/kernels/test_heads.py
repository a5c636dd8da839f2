"""The batch of heads is the head of every example."""

import numpy as np
import pytest

from flatminima.kernels.heads import heads
from flatminima.models.base import head, load

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln", "softplus"])
def test_batch_is_one_by_one(architecture, rng):
    model = load(architecture).Model()
    z, v = rng.normal(size=(4, 6)), rng.normal(size=6)
    f, u, g = np.empty(4), np.empty((4, 6)), np.empty((4, 6))
    heads(model, z, v, f, u, g)
    for i in range(4):
        u_i, g_i = np.empty(6), np.empty(6)
        assert head(model, z[i], v, u_i, g_i) == pytest.approx(f[i], rel=1e-14)
        np.testing.assert_allclose(u[i], u_i, rtol=1e-14)
        np.testing.assert_allclose(g[i], g_i, rtol=1e-13, atol=1e-15)
