"""Fixtures of the press's tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.book.fixture_book import Book, make_book
from tests.one_kernel import executor

Context = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A sound book that a test can spoil."""
    return make_book(tmp_path / "book-root")


@pytest.fixture(scope="session")
def quickly(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    """A context in which builds start no kernels: they share one of the tests."""

    @contextmanager
    def shared() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flatminima_book.running.execute", execute)
            yield

    with executor(tmp_path_factory.mktemp("kernel")) as execute:
        yield shared


@pytest.fixture
def quick(quickly: Context) -> Iterator[None]:
    """Builds of this test start no kernels."""
    with quickly():
        yield
