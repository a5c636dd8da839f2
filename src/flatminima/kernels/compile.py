"""The one way a kernel is compiled, and where its machine code is kept.

numba decides whether cached machine code is fresh by the file of the compiled
function alone, so it would serve stale code after an edit of a helper in
another file. The cache folder is therefore named by the digest of all the
kernels and models.
"""

import numba

from flatminima.identity import package_digest
from flatminima.kernels.machine_code import keep
from flatminima.models.base import FASTMATH

FOLDER = package_digest("flatminima.kernels", "flatminima.models")[:16]


def compiled(function):
    """Compile a kernel: machine code is kept, the GIL is released."""
    kernel = numba.njit(function, nogil=True, fastmath=FASTMATH, error_model="numpy")
    return function if kernel is function else keep(kernel, FOLDER)
