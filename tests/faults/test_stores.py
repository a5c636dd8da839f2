"""Stores that cannot be one: said before any work, and nothing is touched."""

import os
import warnings
from pathlib import Path

import pytest

from flatminima.sweeps.store import StoreError
from flatminima.sweeps.sweep import run_all
from flatminima_book.__main__ import main as press
from flatminima_book.execute import environment
from flatminima_book.project import check_places
from tests.book.fixture_book import Book, make_book
from tests.faults.cells import SHORT, seeds

CELLS = seeds(SHORT, 3)


@pytest.fixture
def book(tmp_path) -> Book:
    """A sound book."""
    return make_book(tmp_path / "book-root")


@pytest.fixture(params=["file", "in a file", "lost link"])
def no_folder(request, tmp_path, monkeypatch):
    """A store that is no folder, and what is to be said of it."""
    file = tmp_path / "a file"
    file.write_text("mine")
    place, fault = {
        "file": (file, f"{file} is a file, where a folder should be"),
        "in a file": (file / "store", f"cannot be there: {file} is a file"),
        "lost link": (tmp_path / "link", "link is a file, where a folder should be"),
    }[request.param]
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    monkeypatch.setenv("FLATMINIMA_STORE", str(place))
    yield fault
    assert file.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_sweep_is_refused_before_it_looks(no_folder, started):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is damaged
        with pytest.raises(
            StoreError, match="set FLATMINIMA_STORE to another"
        ) as caught:
            run_all(CELLS, workers=1)
    assert no_folder in str(caught.value)
    assert started == {}


@pytest.mark.parametrize("command", ["build", "chapter one", "pages"])
def test_the_press_refuses_before_it_begins(no_folder, book, capsys, command):
    assert press(["--root", str(book.root), *command.split()]) == 1
    told = capsys.readouterr().err
    assert no_folder in told
    assert "FLATMINIMA_STORE" in told
    assert not (book.root / "_build" / "executed").exists()


def test_a_build_folder_that_is_a_file(book, capsys):
    book.write("_build", "mine")
    assert press(["--root", str(book.root), "build"]) == 1
    told = capsys.readouterr().err
    assert f"{book.root / '_build'} is a file, where a folder should be" in told
    assert (book.root / "_build").read_text() == "mine"


def test_a_build_folder_of_somebody_else(book, capsys, monkeypatch):
    (book.root / "_build").mkdir()
    monkeypatch.setattr(os, "access", lambda place, mode: mode != os.W_OK)
    assert press(["--root", str(book.root), "build"]) == 1
    told = capsys.readouterr().err
    assert f"{book.root / '_build'} cannot be written: a build keeps its" in told


def test_a_build_needs_no_home(tmp_path):
    found = environment(tmp_path)
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "FLATMINIMA_VERDICTS"):
        assert Path(found[name]).is_relative_to(tmp_path)


def test_sound_places_are_accepted(book):
    check_places(book.project)
    assert list((book.root / "_build").iterdir()) == []
