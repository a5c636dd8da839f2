"""The one way a kernel is compiled, and where numba keeps the machine code.

numba decides whether cached machine code is fresh by the file of the compiled
function alone, so it would serve stale code after an edit of a helper in
another file. The cache folder is therefore named by the digest of all the
kernels and models.
"""

import numba

from flatminima.identity import package_digest
from flatminima.models.base import FASTMATH
from flatminima.paths import build_folder


def _use_own_cache_folder() -> None:
    digest = package_digest("flatminima.kernels", "flatminima.models")
    folder = build_folder() / "numba" / digest[:16]
    setattr(numba.config, "CACHE_DIR", str(folder))  # noqa: B010 (not declared)


_use_own_cache_folder()


def compiled(function):
    """Compile a kernel: machine code is cached, the GIL is released."""
    return numba.njit(
        function, cache=True, nogil=True, fastmath=FASTMATH, error_model="numpy"
    )
