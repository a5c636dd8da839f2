"""One build at a time in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from flatminima import folders
from flatminima_book.project import Project


@contextmanager
def sole_build(project: Project) -> Iterator[None]:
    """Hold the build folder, so that two builds do not mix their files.

    Where there are no locks, only their user can see to that, and is told so.

    Raises:
        ValueError: Another build holds it.
    """
    project.build.mkdir(parents=True, exist_ok=True)
    lock = FileLock(project.build / "build.lock")
    problem = ""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        problem = folders.no_locks(project.build)
        if not problem:
            raise ValueError("another build is at work in this folder") from None
    except (OSError, NotImplementedError) as error:
        problem = folders.reason(error)
    if problem:
        print(
            f"note: {lock.lock_file} cannot be locked ({problem}): see to it that no "
            "other build is at work there",
            file=sys.stderr,
        )
    try:
        yield
    finally:
        lock.release()
