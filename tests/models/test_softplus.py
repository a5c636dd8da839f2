"""The arithmetic of the softplus head against scipy, up to the ends of the range."""

import numpy as np
import pytest
from scipy.special import expit, log1p

from flatminima.kernels.compile import compiled
from flatminima.kernels.heads import heads
from flatminima.models import softplus
from flatminima.models.exponential import exp_negative, log1p_unit

pytestmark = pytest.mark.uncompiled
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@compiled
def fill_exp(x, out):
    for j in range(x.size):
        out[j] = exp_negative(x[j])


@compiled
def fill_log1p(x, out):
    for j in range(x.size):
        out[j] = log1p_unit(x[j])


def filled(fill, x):
    out = np.empty_like(x)
    fill(x, out)
    return out


def through_head(z):
    """softplus(z) and sigmoid(z): the two gradients of the head where v = 1."""
    f, u, g = np.empty(1, z.dtype), np.empty_like(z[None]), np.empty_like(z[None])
    heads(softplus.Model(), z[None], np.ones_like(z), f, u, g)
    return u[0], g[0]


def grid(low, high, dtype):
    """Evenly spaced numbers, and random ones, whose last bits have no pattern."""
    random = np.random.default_rng(0).uniform(low, high, 2000)
    return np.concatenate([np.linspace(low, high, 2001), random]).astype(dtype)


def ulps(a, expected):
    """Largest distance in units of the last place of a's dtype; both are finite."""
    spacing = np.spacing(np.abs(expected).astype(a.dtype))
    return np.max(np.abs(a - expected) / spacing)


# 2 of ours and 1 of the reference's
CLOSE = 3
# where e^z is a normal number
LIMIT = {np.float32: 87.3, np.float64: 700.0}


@each_dtype
def test_exp_is_numpys(dtype):
    for x in (grid(-LIMIT[dtype], 0, dtype), grid(-1, 0, dtype)):
        assert ulps(filled(fill_exp, x), np.exp(x.astype(np.float64))) <= CLOSE


@each_dtype
def test_log1p_is_scipys(dtype):
    tiny = np.geomspace(np.finfo(dtype).tiny, 1, 999).astype(dtype)
    for a in (grid(0, 1, dtype), tiny):
        assert ulps(filled(fill_log1p, a), log1p(a.astype(np.float64))) <= CLOSE


@each_dtype
def test_head_is_scipys(dtype):
    limit = LIMIT[dtype]
    for z in (grid(-limit, limit, dtype), grid(-2, 2, dtype)):
        u, g = through_head(z)
        exact = z.astype(np.float64)
        assert u.dtype == g.dtype == dtype
        assert ulps(g, expit(exact)) <= CLOSE
        expected = np.maximum(exact, 0) + log1p(np.exp(-np.abs(exact)))
        assert ulps(u, expected) <= CLOSE


@each_dtype
def test_exp_where_the_reduction_rounds(dtype):
    # rint(x / ln 2) at its ties and at its integers
    x = (np.arange(-250, 1) / 2 * np.log(2)).astype(dtype)
    assert ulps(filled(fill_exp, x), np.exp(x.astype(np.float64))) <= CLOSE


@each_dtype
@pytest.mark.filterwarnings("error")
def test_ends_of_the_range(dtype):
    largest = np.finfo(dtype).max
    z = np.array([0, -0.0, 800, 1e30, largest, np.inf], dtype)
    u, g = through_head(z)
    np.testing.assert_array_equal(u[2:], z[2:])
    np.testing.assert_array_equal(g, [0.5, 0.5, 1, 1, 1, 1])
    assert u[0] == u[1] and ulps(u[:1], np.log(2)) <= CLOSE
    u, g = through_head(np.array([-800, -1e30, -largest, -np.inf] * 5, dtype))
    assert not u.any() and not g.any()


@each_dtype
def test_what_underflows_is_zero_or_right(dtype):
    tiny = np.finfo(dtype).tiny
    x = np.linspace(1.1 * np.log(tiny), np.log(tiny), 1001).astype(dtype)
    values = filled(fill_exp, x)
    below = values == 0
    assert below[0] and not below[-1]
    assert np.exp(x.astype(np.float64))[below].max() < tiny
    expected = np.exp(x.astype(np.float64))[~below]
    np.testing.assert_allclose(values[~below], expected, rtol=1e-6, atol=0)


@each_dtype
def test_nan_stays_where_it_is(dtype, rng):
    # in the vectors of a loop and in what is left over
    z = rng.normal(size=39).astype(dtype)
    broken = np.arange(39) % 5 == 3
    u_whole, g_whole = through_head(z)
    u, g = through_head(np.where(broken, dtype(np.nan), z))
    for a, whole in ((u, u_whole), (g, g_whole)):
        np.testing.assert_array_equal(np.isnan(a), broken)
        np.testing.assert_array_equal(a[~broken], whole[~broken])
