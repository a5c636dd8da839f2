"""Products of small matrices, by tiles of sums that stay in registers.

BLAS copies its operands into an order of its own first. At the sizes of two-layer
networks that takes about as long as the product.
"""

from flatminima.kernels.compile import compiled
from flatminima.kernels.vectors import (
    add_outer,
    lanes,
    load,
    load_tile,
    store_tile,
    zeros,
)

SIX, FIVE, ONE = (0,) * 6, (0,) * 5, (0,)
"""Heights of tiles. Six rows of two registers each fit the 16 that most processors
have, and leave room for what is multiplied."""


@compiled
def tile_of_product(rows, a, b, i, j, adds, out):
    """One tile of `product`, from out[i, j] on."""
    tile = load_tile(rows, out, i, j) if adds else zeros(rows, out)
    for k in range(a.shape[1]):
        tile = add_outer(tile, a, i, k, load(b, k, j))
    store_tile(out, i, j, tile)


@compiled
def product(a, b, out, adds):
    """out = a b, or out = out + a b if it `adds`.

    Args:
        a: shape (m, k), in any order.
        b, out: of `vectors.grid`, the same number of columns, at least k and m rows.
        adds: whether to keep what is in `out`.
    """
    m = a.shape[0]
    # sixes and fives leave no row over from 20 rows on
    tiles = -(-m // 6)
    sixes = m - 5 * tiles if 5 * tiles <= m else m // 6
    fives = tiles - sixes if 5 * tiles <= m else 0
    for j in range(0, out.shape[1], lanes(out)):
        for t in range(sixes):
            tile_of_product(SIX, a, b, 6 * t, j, adds, out)
        for t in range(fives):
            tile_of_product(FIVE, a, b, 6 * sixes + 5 * t, j, adds, out)
        for i in range(6 * sixes + 5 * fives, m):
            tile_of_product(ONE, a, b, i, j, adds, out)
