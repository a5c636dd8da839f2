"""Machine code on disk: found again, or compiled again where it is damaged.

numba keeps an index and data files of each function and trusts what it reads: after a
power failure or on a bad disk every later program stops, or computes with wrong code.
Here each file ends with a checksum, which numba does not see. What does not match, or
is not a file at all, is said, removed and compiled again. Where nothing can be kept,
programs compile for themselves.
"""

import contextlib
import hashlib
import inspect
import os
import shutil
import sys
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba.core.caching import (
    CompileResultCacheImpl,
    FunctionCache,
    IndexDataCacheFile,
    _CacheLocator,
    _SourceFileBackedLocatorMixin,
)

from flatminima.paths import CACHE_VARIABLE, build_folder, make_folder

BYTES_OF_CHECKSUM = 32

_said: set[str] = set()


def keep(kernel: Any, name: str) -> Any:
    """Keep what a kernel compiles, and take what was kept.

    Args:
        kernel: of numba, compiled when it is called.
        name: of the folder, below `numba` in that of `paths.build_folder`. It has to
            change when any helper of the kernel does: numba itself looks at the file
            of the kernel alone.

    Returns:
        The kernel.
    """
    kernel._cache = _Kept(kernel.py_func, build_folder(), name)
    return kernel


class _Kept(FunctionCache):
    """What is kept of one function."""

    def __init__(self, function: Any, root: Path, name: str):
        # In place of numba's own, which takes the first of several folders that can be
        # written, and so may end beside the source.
        self._name = repr(function)
        self._py_func = function
        self._impl = _Code(function, root, name)
        place = self._impl.locator
        self._cache_path = place.get_cache_path()
        self._cache_file = _Files(
            self._cache_path, self._impl.filename_base, place.get_source_stamp()
        )
        self.enable()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        with contextlib.suppress(OSError):  # then nothing is found, and saving says why
            self._impl.locator.ensure_cache_path()
        return super().load_overload(sig, target_context)

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _say(
                f"machine code cannot be kept in {self._impl.locator.folder} "
                f"({error.strerror or error}): every program compiles for itself. Mend "
                f"it, or set {CACHE_VARIABLE} to another folder"
            )


class _Place(_SourceFileBackedLocatorMixin, _CacheLocator):
    """The folder of the functions of one source file."""

    def __init__(self, function: Any, root: Path, name: str):
        self._py_file = inspect.getfile(function)
        self._lineno = function.__code__.co_firstlineno
        self.folder = root / "numba"
        self._root = root
        self._names = (
            "numba",
            name,
            self.get_suitable_cache_subpath(self._py_file),
        )
        self._cache_path = str(root.joinpath(*self._names))

    def get_cache_path(self) -> str:
        return self._cache_path

    def ensure_cache_path(self) -> None:
        make_folder(self._root, *self._names)


class _Code(CompileResultCacheImpl):
    """How the code of one function becomes bytes; as numba does it."""

    def __init__(self, function: Any, root: Path, name: str):
        self._locator = _Place(function, root, name)
        self._lineno = self._locator._lineno
        module = Path(self._locator._py_file).stem
        self._filename_base = self.get_filename_base(
            f"{module}.{function.__qualname__}", getattr(sys, "abiflags", "")
        )


class _Files(IndexDataCacheFile):
    """The files of one function, each with a checksum at its end."""

    def _load_index(self) -> Any:
        return super()._load_index() if _whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:
        path = Path(self._data_path(name))
        if not _whole(path):
            raise FileNotFoundError(f"no machine code in {path}")
        return super()._load_data(name)

    def _data_name(self, number: int) -> str:
        # Two programs that compile at once may number alike, and an index would then
        # name the code of other types. So no name is given twice.
        return super()._data_name(uuid.uuid4().int)

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[Any]:
        with super()._open_for_write(filepath) as file:
            yield file
            file.flush()
            file.write(_checksum(Path(file.name).read_bytes()))


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _whole(path: Path) -> bool:
    """Whether a file is there, as it was written; what is damaged is removed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        if not os.access(path.parent, os.X_OK):  # the folder's fault: saving says so
            return False
        problem = error.strerror or str(error)
    else:
        end = len(content) - BYTES_OF_CHECKSUM
        if end > 0 and content[end:] == _checksum(content[:end]):
            return True
        problem = "it does not match its checksum"
    _say(f"machine code in {path} is damaged ({problem}): it is compiled again")
    with contextlib.suppress(OSError):  # it is replaced, or else saving says why not
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return False


def _say(message: str) -> None:
    """Warn, once in a program."""
    if message not in _said:
        _said.add(message)
        warnings.warn(message, stacklevel=2)
