"""Fixtures of the press's tests."""

from pathlib import Path

import pytest

from tests.book.fixture_book import Book, make_book


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """A sound book that a test can spoil."""
    return make_book(tmp_path / "book-root")
