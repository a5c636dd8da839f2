"""Output that never ends a run: for programs that compute longer than they print."""

import io
import sys
from contextlib import suppress
from typing import Any, TextIO


class _Deaf(io.FileIO):
    """A file descriptor that drops what it cannot write."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:  # a closed pipe, a full disk, a terminal that is gone
            return memoryview(data).nbytes


def unbreakable(stream: TextIO) -> TextIO:
    """A stream to the same place that no print can fail on.

    What its encoding lacks is written as an escape, and what its other end does not
    take is dropped.

    Args:
        stream: with a file descriptor; any other is returned as it is.
    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):  # none, or no file behind it
        return stream
    with suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Deaf(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


def never_break() -> None:
    """Make both standard streams of this process `unbreakable`.

    Called once, where a program begins.
    """
    sys.stdout, sys.stderr = unbreakable(sys.stdout), unbreakable(sys.stderr)
