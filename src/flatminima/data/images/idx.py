"""The IDX format, in which Fashion-MNIST is published."""

import gzip
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from flatminima.data.images.faults import DataFault

BYTES = 0x08
"""The format's code for entries of one unsigned byte."""


def unpacked(path: Path) -> bytes:
    """Content of a file, unzipped if its name ends in .gz.

    Raises:
        DataFault: if the file cannot be read, or is no whole gzip file.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFault(
            path, f"it is cut short or damaged ({error}); fetch it again"
        ) from error
    except OSError as error:
        raise DataFault(path, f"it cannot be read: {error.strerror}") from error


def parse(path: Path, content: bytes) -> UInt8[np.ndarray, "..."]:
    """An array of bytes from the content of an IDX file.

    Its head is two zero bytes, a code of the type of its entries, the number of
    dimensions, and each dimension as four bytes, the most significant first.

    Args:
        path: where it was read, for messages.
        content: of the file, unzipped.

    Raises:
        DataFault: if it is no IDX file of bytes, or not a whole one.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != BYTES:
        raise DataFault(path, "it is no IDX file of bytes")
    dimensions = content[3]
    head = 4 + 4 * dimensions
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, head, 4))
    expected = head + int(np.prod(shape, dtype=np.int64))
    if len(content) != expected:
        raise DataFault(
            path,
            f"it has {len(content)} bytes, where its head says {expected}: it is cut "
            "short or damaged; fetch it again",
        )
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)
