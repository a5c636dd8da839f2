"""Vectors as values, for kernels whose sums are to stay in registers.

LLVM makes vectors of innermost loops only, so a product of matrices written as loops
loads and stores its sums at every term. Here a vector is a value like a number: it
is loaded, multiplied, added to and stored by name, and a tuple of vectors is a tile
of as many rows. What the functions do to numbers is said by their plain numpy bodies,
which run where nothing is compiled.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import (
    lower_builtin,
    models,
    overload,
    register_model,
    type_callable,
)

from flatminima.kernels.compile import compiled

LINE = 64
"""Bytes of a cache line."""


def _bytes_of_two_registers() -> int:
    features = vars(numba.config)["CPU_FEATURES"]  # not declared
    if features is None:
        features = get_host_cpu_features()
    return 128 if "+avx512f" in features else 64


SHORT = 32
"""Bytes of a piece, see `gather_block`: a register of most processors."""

BYTES = _bytes_of_two_registers()
"""Of a vector: two of the longest registers that code is compiled for, so that enough
sums are under way at a time. No number depends on it, but for sums over the units."""


class Vector(types.Type):
    """numba's type of a vector.

    Attributes:
        dtype: of its numbers.
        lanes: how many they are.
    """

    def __init__(self, dtype):
        self.dtype = dtype
        self.lanes = 8 * BYTES // dtype.bitwidth
        super().__init__(f"vector({dtype} x {self.lanes})")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = manager.lookup(vector.dtype).get_value_type()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


def lanes(a):
    """How many numbers of the dtype of an array are a vector."""
    return BYTES // a.itemsize


@overload(lanes)
def _lanes(a):
    count = 8 * BYTES // a.dtype.bitwidth
    return lambda a: count


def piece(a):
    """How many numbers of the dtype of an array are a piece."""
    return SHORT // a.itemsize


@overload(piece)
def _piece_size(a):
    count = 8 * SHORT // a.dtype.bitwidth
    return lambda a: count


@compiled
def grid(like, rows, columns):
    """Zeros of shape (rows, at least `columns`) in the dtype of `like`.

    Rows are whole vectors, an odd number of them, and begin on cache lines: those of
    one column would otherwise compete for a few places of the cache.
    """
    size = lanes(like)
    length = (-(-columns // size) | 1) * size
    flat = np.zeros(rows * length + size, like.dtype)
    start = -flat.ctypes.data % LINE // like.itemsize
    return flat[start : start + rows * length].reshape(rows, length)


@compiled
def copy(source, rows, columns, out):
    """Write the first rows and columns of one matrix into another.

    As loops: an assignment of slices takes a second to compile.
    """
    for i in range(rows):
        for j in range(columns):
            out[i, j] = source[i, j]


def zeros(rows, a):
    """A tile of zeros.

    Args:
        rows: a tuple as long as the tile is high; its entries do not matter.
        a: an array of the dtype.
    """
    return tuple(np.zeros(lanes(a), a.dtype) for _ in rows)


def zero(a):
    """A vector of zeros in the dtype of an array."""
    return np.zeros(lanes(a), a.dtype)


def load(a, i, j):
    """The vector that starts at a[i, j]."""
    return a[i, j : j + lanes(a)].copy()


def look_up(a, index, i, j):
    """Vector number index[i, j] of the first row of a."""
    return load(a, 0, index[i, j] * lanes(a))


def store(a, i, j, x):
    """Write a vector from a[i, j] on."""
    a[i, j : j + lanes(a)] = x


def load_tile(rows, a, i, j):
    """The vectors that start at a[i, j], a[i + 1, j], ..., one for each of `rows`."""
    return tuple(load(a, i + r, j) for r in range(len(rows)))


def store_tile(a, i, j, tile):
    """Write a tile from a[i, j] on."""
    for r, x in enumerate(tile):
        store(a, i + r, j, x)


def add_outer(tile, a, i, k, x):
    """tile_r + a[i + r, k] x, for every row r of the tile."""
    return tuple(sums + a[i + r, k] * x for r, sums in enumerate(tile))


def add_inner(x, a, i, k, tile):
    """x + sum_r a[i + r, k] tile_r."""
    for r, y in enumerate(tile):
        x = x + a[i + r, k] * y
    return x


def gather_block(a, i, index, k, out):
    """Pieces of row i of a become columns of `out`.

    With P = `piece(a)`, out[P i + r, k + l] = a[i, P index[k + l] + r] for r, l < P.
    """
    size = piece(a)
    for column in range(k, k + size):
        start = size * index[column]
        out[size * i : size * (i + 1), column] = a[i, start : start + size]


def scatter_block(columns, i, index, k, a):
    """The reverse of `gather_block`."""
    size = piece(a)
    for column in range(k, k + size):
        start = size * index[column]
        a[i, start : start + size] = columns[size * i : size * (i + 1), column]


def times(x, factor):
    """The vector times a number."""
    return x * factor


def plus(x, y):
    """The sum of two vectors."""
    return x + y


def minus(x, y):
    """The difference of two vectors."""
    return x - y


def add_product(x, y, z):
    """x + y z, number by number."""
    return x + y * z


def add_square(x, y):
    """x + y^2, number by number."""
    return x + y * y


def rectified(x):
    """max(x, 0), number by number; NaN is kept."""
    return np.where(x <= 0, x.dtype.type(0), x)


# --- what they compile to -------------------------------------------------------

MULTIPLY_ADD = ("contract",)


def _pointer(context, builder, array_type, array, *indices):
    view = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, view, indices)


def _vector_at(context, builder, array_type, array, i, j):
    pointer = _pointer(context, builder, array_type, array, i, j)
    data_type = context.get_value_type(Vector(array_type.dtype))
    align = array_type.dtype.bitwidth // 8
    return builder.bitcast(pointer, data_type.as_pointer()), align


def _load(context, builder, array_type, array, i, j):
    pointer, align = _vector_at(context, builder, array_type, array, i, j)
    return builder.load(pointer, align=align)


def _store(context, builder, array_type, array, i, j, x):
    pointer, align = _vector_at(context, builder, array_type, array, i, j)
    builder.store(x, pointer, align=align)


def _spread(builder, number, vector_type):
    index = ir.IntType(32)
    one = builder.insert_element(
        ir.Constant(vector_type, ir.Undefined), number, index(0)
    )
    mask = ir.Constant(ir.VectorType(index, vector_type.count), None)
    return builder.shuffle_vector(one, one, mask)


def _multiply_add(context, builder, array_type, array, i, k, x, total):
    """total + array[i, k] x."""
    number = builder.load(_pointer(context, builder, array_type, array, i, k))
    factor = _spread(builder, number, x.type)
    product = builder.fmul(factor, x, flags=MULTIPLY_ADD)
    return builder.fadd(total, product, flags=MULTIPLY_ADD)


def _row(builder, i, r):
    return builder.add(i, i.type(r))


def _tile_type(rows, a):
    return types.UniTuple(Vector(a.dtype), len(rows))


def _typed(function):
    """Decorator: the result type of a function, from the types of its arguments."""
    return lambda typer: type_callable(function)(lambda context: typer)


ARRAY, INDEX, TILE, VECTOR = types.Array, types.Integer, types.BaseTuple, Vector

_typed(zeros)(_tile_type)
_typed(zero)(lambda a: Vector(a.dtype))
_typed(load)(lambda a, i, j: Vector(a.dtype))
_typed(look_up)(lambda a, index, i, j: Vector(a.dtype))
_typed(store)(lambda a, i, j, x: types.none)
_typed(load_tile)(lambda rows, a, i, j: _tile_type(rows, a))
_typed(store_tile)(lambda a, i, j, tile: types.none)
_typed(add_outer)(lambda tile, a, i, k, x: tile)
_typed(add_inner)(lambda x, a, i, k, tile: x)
_typed(times)(lambda x, factor: x)
_typed(gather_block)(lambda a, i, index, k, out: types.none)
_typed(scatter_block)(lambda columns, i, index, k, a: types.none)
_typed(plus)(lambda x, y: x)
_typed(minus)(lambda x, y: x)
_typed(add_product)(lambda x, y, z: x)
_typed(add_square)(lambda x, y: x)
_typed(rectified)(lambda x: x)


@lower_builtin(zeros, TILE, ARRAY)
def _zeros(context, builder, signature, args):
    tile = signature.return_type
    zero = ir.Constant(context.get_value_type(tile.dtype), None)
    return context.make_tuple(builder, tile, [zero] * tile.count)


@lower_builtin(zero, ARRAY)
def _zero(context, builder, signature, args):
    return ir.Constant(context.get_value_type(signature.return_type), None)


@lower_builtin(load, ARRAY, INDEX, INDEX)
def _lower_load(context, builder, signature, args):
    return _load(context, builder, signature.args[0], *args)


@lower_builtin(look_up, ARRAY, ARRAY, INDEX, INDEX)
def _lower_look_up(context, builder, signature, args):
    array_type, index_type = signature.args[:2]
    array, index, i, j = args
    number = builder.load(_pointer(context, builder, index_type, index, i, j))
    number = context.cast(builder, number, index_type.dtype, types.intp)
    start = builder.mul(number, number.type(signature.return_type.lanes))
    return _load(context, builder, array_type, array, start.type(0), start)


@lower_builtin(store, ARRAY, INDEX, INDEX, VECTOR)
def _lower_store(context, builder, signature, args):
    _store(context, builder, signature.args[0], *args)
    return context.get_dummy_value()


@lower_builtin(load_tile, TILE, ARRAY, INDEX, INDEX)
def _lower_load_tile(context, builder, signature, args):
    tile, array_type = signature.return_type, signature.args[1]
    _, array, i, j = args
    vectors = [
        _load(context, builder, array_type, array, _row(builder, i, r), j)
        for r in range(tile.count)
    ]
    return context.make_tuple(builder, tile, vectors)


@lower_builtin(store_tile, ARRAY, INDEX, INDEX, TILE)
def _lower_store_tile(context, builder, signature, args):
    array_type = signature.args[0]
    array, i, j, tile = args
    for r, x in enumerate(cgutils.unpack_tuple(builder, tile)):
        _store(context, builder, array_type, array, _row(builder, i, r), j, x)
    return context.get_dummy_value()


@lower_builtin(add_outer, TILE, ARRAY, INDEX, INDEX, VECTOR)
def _lower_add_outer(context, builder, signature, args):
    array_type = signature.args[1]
    tile, array, i, k, x = args
    sums = [
        _multiply_add(
            context, builder, array_type, array, _row(builder, i, r), k, x, total
        )
        for r, total in enumerate(cgutils.unpack_tuple(builder, tile))
    ]
    return context.make_tuple(builder, signature.return_type, sums)


@lower_builtin(add_inner, VECTOR, ARRAY, INDEX, INDEX, TILE)
def _lower_add_inner(context, builder, signature, args):
    array_type = signature.args[1]
    x, array, i, k, tile = args
    for r, y in enumerate(cgutils.unpack_tuple(builder, tile)):
        x = _multiply_add(
            context, builder, array_type, array, _row(builder, i, r), k, y, x
        )
    return x


@lower_builtin(times, VECTOR, types.Float)
def _lower_times(context, builder, signature, args):
    x, factor = args
    return builder.fmul(x, _spread(builder, factor, x.type), flags=MULTIPLY_ADD)


@lower_builtin(plus, VECTOR, VECTOR)
def _lower_plus(context, builder, signature, args):
    return builder.fadd(*args)


@lower_builtin(minus, VECTOR, VECTOR)
def _lower_minus(context, builder, signature, args):
    return builder.fsub(*args)


@lower_builtin(add_product, VECTOR, VECTOR, VECTOR)
def _lower_add_product(context, builder, signature, args):
    x, y, z = args
    product = builder.fmul(y, z, flags=MULTIPLY_ADD)
    return builder.fadd(x, product, flags=MULTIPLY_ADD)


def _piece(context, builder, array_type, pointer):
    """Where the piece that begins at a number lies, and its alignment."""
    number = context.get_value_type(array_type.dtype)
    piece = ir.VectorType(number, 8 * SHORT // array_type.dtype.bitwidth)
    return builder.bitcast(pointer, piece.as_pointer()), array_type.dtype.bitwidth // 8


def _pieces(context, builder, array_type, array, i, index_type, index, k):
    """Where the pieces of a block lie, by their places in the index."""
    size = 8 * SHORT // array_type.dtype.bitwidth
    for column in range(size):
        at = _pointer(context, builder, index_type, index, _row(builder, k, column))
        start = context.cast(builder, builder.load(at), index_type.dtype, types.intp)
        start = builder.mul(start, start.type(size))
        pointer = _pointer(context, builder, array_type, array, i, start)
        yield _piece(context, builder, array_type, pointer)


def _block(context, builder, array_type, array, i, k):
    """Where the rows of a block lie."""
    size = 8 * SHORT // array_type.dtype.bitwidth
    first = builder.mul(i, i.type(size))
    for row in range(size):
        at = _row(builder, first, row)
        pointer = _pointer(context, builder, array_type, array, at, k)
        yield _piece(context, builder, array_type, pointer)


def _transposed(builder, block):
    """The columns of a square block, in place of its rows.

    Half of the entries change places at a time: those whose row has a bit of its
    number set and whose column has not, with those where it is the other way.
    """
    size, index = len(block), ir.IntType(32)
    block, bit = list(block), 1
    while bit < size:
        upper = [e - bit + size if e & bit else e for e in range(size)]
        lower = [e + size if e & bit else e + bit for e in range(size)]
        for i in (i for i in range(size) if not i & bit):
            pair = block[i], block[i + bit]
            block[i], block[i + bit] = (
                builder.shuffle_vector(
                    *pair, ir.Constant(ir.VectorType(index, size), mask)
                )
                for mask in (upper, lower)
            )
        bit *= 2
    return block


def _move_block(builder, sources, targets):
    block = [builder.load(pointer, align=align) for pointer, align in sources]
    for x, (pointer, align) in zip(_transposed(builder, block), targets, strict=True):
        builder.store(x, pointer, align=align)


@lower_builtin(gather_block, ARRAY, INDEX, ARRAY, INDEX, ARRAY)
def _lower_gather_block(context, builder, signature, args):
    array_type, _, index_type, _, out_type = signature.args
    array, i, index, k, out = args
    _move_block(
        builder,
        _pieces(context, builder, array_type, array, i, index_type, index, k),
        _block(context, builder, out_type, out, i, k),
    )
    return context.get_dummy_value()


@lower_builtin(scatter_block, ARRAY, INDEX, ARRAY, INDEX, ARRAY)
def _lower_scatter_block(context, builder, signature, args):
    columns_type, _, index_type, _, array_type = signature.args
    columns, i, index, k, array = args
    _move_block(
        builder,
        _block(context, builder, columns_type, columns, i, k),
        _pieces(context, builder, array_type, array, i, index_type, index, k),
    )
    return context.get_dummy_value()


@lower_builtin(add_square, VECTOR, VECTOR)
def _lower_add_square(context, builder, signature, args):
    x, y = args
    square = builder.fmul(y, y, flags=MULTIPLY_ADD)
    return builder.fadd(x, square, flags=MULTIPLY_ADD)


@lower_builtin(rectified, VECTOR)
def _lower_rectified(context, builder, signature, args):
    (x,) = args
    nothing = ir.Constant(x.type, None)
    return builder.select(builder.fcmp_ordered("<=", x, nothing), nothing, x)
