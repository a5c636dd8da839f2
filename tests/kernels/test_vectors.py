"""What vectors compile to against what their plain bodies say."""

import numpy as np
import pytest

from flatminima.kernels import vectors
from flatminima.kernels.compile import compiled

pytestmark = pytest.mark.uncompiled

THREE = (0,) * 3


@compiled
def lookups(a, index, out):
    """Sums of looked-up rows, squared and rectified."""
    total = vectors.zero(a)
    for k in range(index.shape[1]):
        total = vectors.plus(total, vectors.look_up(a, index, 0, k))
    vectors.store(out, 0, 0, total)
    vectors.store(out, 1, 0, vectors.rectified(total))
    vectors.store(out, 2, 0, vectors.add_square(vectors.load(a, 0, 0), total))
    difference = vectors.minus(total, vectors.load(a, 0, 0))
    vectors.store(out, 3, 0, vectors.add_product(total, difference, total))


@compiled
def tiles(a, factors, x, out):
    """Every operation on tiles."""
    tile = vectors.load_tile(THREE, a, 0, 0)
    tile = vectors.add_outer(tile, factors, 1, 1, vectors.load(x, 0, 0))
    vectors.store_tile(out, 0, 0, tile)
    inner = vectors.add_inner(vectors.load(x, 0, 0), factors, 1, 0, tile)
    vectors.store(out, 3, 0, vectors.times(inner, a[0, 0]))
    vectors.store_tile(out, 4, 0, vectors.zeros(THREE, a))


@compiled
def blocks(a, index, out, back):
    """One block there and back, from a row of pieces and into one."""
    vectors.gather_block(a, 1, index, 2, out)
    vectors.scatter_block(out, 1, index, 2, back)


def rows(count, dtype, rng):
    a = vectors.grid(np.empty(0, dtype), count, 1)
    a[:] = rng.normal(size=a.shape)
    return a


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_grid(dtype):
    like = np.empty(0, dtype)
    lanes = vectors.lanes(like)
    assert lanes * like.itemsize == vectors.BYTES
    for count, columns in [(1, 1), (3, lanes), (4, lanes + 1), (2, 5 * lanes)]:
        a = vectors.grid(like, count, columns)
        assert a.dtype == dtype and len(a) == count
        assert columns <= a.shape[1] < columns + 2 * lanes
        assert a.shape[1] // lanes % 2 == 1 and a.shape[1] % lanes == 0
        assert a.ctypes.data % vectors.LINE == 0
        assert not a.any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_lookups(dtype, rng):
    out = rows(4, dtype, rng)
    lanes = vectors.lanes(out)
    a = vectors.grid(out, 1, 5 * lanes)
    a[:] = rng.normal(size=a.shape)
    lookups(a, np.array([[3, 1, 3]], np.int32), out)
    parts = a.reshape(-1, lanes)
    total = parts[3] + parts[1] + parts[3]
    near = {"rtol": 20 * np.finfo(dtype).eps, "atol": 1e-6 * np.finfo(dtype).eps}
    np.testing.assert_allclose(out[0], total, **near)
    np.testing.assert_allclose(out[1], np.maximum(total, 0), **near)
    near = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(out[2], parts[0] + total**2, **near)
    np.testing.assert_allclose(out[3], total + (total - parts[0]) * total, **near)


def test_rectified_keeps_nan(rng):
    a, out = rows(1, "float64", rng), rows(4, "float64", rng)
    a[0, :4] = np.nan, -1, 2, -np.inf
    lookups(a, np.zeros((1, 1), np.int64), out)
    np.testing.assert_array_equal(out[1, :4], [np.nan, 0, 2, 0])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tiles(dtype, rng):
    a, x, out = rows(3, dtype, rng), rows(1, dtype, rng), rows(7, dtype, rng)
    factors = rng.normal(size=(4, 2)).astype(dtype)
    tiles(a, factors, x, out)
    expected = a + np.outer(factors[1:, 1], x[0])
    near = {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(out[:3], expected, **near)
    inner = (x[0] + factors[1:, 0] @ expected) * a[0, 0]
    np.testing.assert_allclose(out[3], inner, **near)
    np.testing.assert_array_equal(out[4:], 0)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks(dtype, rng):
    like = np.empty(0, dtype)
    size = vectors.piece(like)
    assert size * like.itemsize == vectors.SHORT
    a = vectors.grid(like, 2, 20 * size)
    a[:] = rng.normal(size=a.shape)
    index = rng.permutation(20)
    out, back = vectors.grid(like, 2 * size, size + 2), np.zeros_like(a)
    blocks(a, index, out, back)
    pieces, expected = a[1, : 20 * size].reshape(20, size), np.zeros((20, size))
    chosen = index[2 : size + 2]
    np.testing.assert_array_equal(out[size:, 2 : size + 2], pieces[chosen].T)
    assert not out[:size].any() and not out[:, :2].any()
    assert not out[:, size + 2 :].any()
    expected[chosen] = pieces[chosen]
    np.testing.assert_array_equal(back[1, : 20 * size].reshape(20, size), expected)
    assert not back[0].any() and not back[1, 20 * size :].any()
