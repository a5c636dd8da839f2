"""A build at another scale: which chapters take which parameters."""

import errno
import json
import os
import re

import pytest

from flatminima_book import build
from flatminima_book.__main__ import main
from flatminima_book.build import build_book
from flatminima_book.harvest import used
from flatminima_book.notebooks import load_chapters, read_notebook
from flatminima_book.running import scaled
from flatminima_book.sole import sole_build
from flatminima_book.typesetting import retypeset
from tests.book.fixture_book import claim, code

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def big(book):
    """The book with a scale that has parameters for chapter two."""
    book.chapter("two", code("print('d is', d)"), claim("two-a", "two", "fails"))
    book.write("params/two/big.yml", "d: 7\n")
    book.write("params/one/small.yml", "d: 1\n")
    return book


def given(book, scale, only=()):
    """What `scaled` gives."""
    return scaled(book.project, load_chapters(book.project), scale, only)


def test_chapters_with_a_file_are_given_it(big):
    assert given(big, "big") == {"two": {"d": 7}}
    assert given(big, "big", ["two"]) == {"two": {"d": 7}}
    assert given(big, None) == given(big, None, ["two"]) == {}


@pytest.mark.parametrize(
    ("scale", "only", "message"),
    [
        ("huge", [], "no scale huge; there are: big, small"),
        ("expected", [], "no scale expected; there are: big, small"),
        ("big", ["nine"], "no chapter nine; there are: one, two"),
        ("big", ["one"], "chapter one has no parameters at scale big"),
        (None, ["nine"], "no chapter nine; there are: one, two"),
    ],
)
def test_a_scale_or_chapter_that_is_not_there_is_refused(big, scale, only, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        given(big, scale, only)


def test_a_book_without_parameter_files_has_no_scale(book):
    with pytest.raises(ValueError, match="no scale big; there are: "):
        given(book, "big")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scale", "huge"], "error: no scale huge"),
        (["--scale", "big", "--chapters", "one"], "error: chapter one has no param"),
        (["--chapters", "nine"], "error: no chapter nine"),
    ],
)
def test_the_command_line_refuses_before_anything_runs(big, capsys, arguments, message):
    assert main(["--root", str(big.root), "build", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not (big.root / "_build/executed").exists()


def test_an_unknown_parameter_in_a_file_is_refused_before_anything_runs(big):
    big.write("params/two/big.yml", "depth: 7\n")
    problems = build_book(big.project, lambda line: None, scale="big", pages=False)
    assert len(problems) == 1 and "unknown parameter depth = 7" in problems[0]
    assert not (big.root / "_build/executed").exists()


def test_parameters_reach_the_kernel_and_nothing_is_expected_of_them(big):
    """Chapter one keeps its defaults, and what is expected of it."""
    assert build_book(big.project, lambda line: None, scale="big", pages=False) == []
    executed = big.root / "_build/executed"
    assert "d is 7" in (executed / "two.ipynb").read_text()
    one, two = load_chapters(big.project)
    assert used(one, read_notebook(executed / "one.ipynb")) == one.defaults
    assert used(two, read_notebook(executed / "two.ipynb")) == two.defaults | {"d": 7}
    card = json.loads((big.root / "_build/scorecard.json").read_text())
    assert [entry["expected"] for entry in card] == ["holds", None]
    assert sorted(path.name for path in executed.iterdir()) == [
        "one.ipynb",
        "two.ipynb",
    ]


def test_chosen_chapters_alone_are_executed(book):
    """The book then shows the others as they last ran, and waits for lost ones."""

    def press(*only):
        said: list[str] = []
        problems = build_book(book.project, said.append, only=only, pages=True)
        card = json.loads((book.root / "_build/scorecard.json").read_text())
        return problems, said, [entry["id"] for entry in card]

    problems, said, card = press("two")
    assert problems == []
    assert said[-1] == "no pages: not executed are one; run: make book"
    assert card == ["two-a"]
    assert not (book.root / "_build/html").exists()

    book.edit("book/one.md", "from IPython", "raise RuntimeError('no way')\nfrom I")
    book.pair("one")
    assert press("one")[0] == ["chapter one, cell 4: RuntimeError: no way"]
    assert press("two")[2] == ["two-a"]  # a run that failed is none

    book.edit("book/one.md", "raise RuntimeError('no way')\nfrom I", "from IPython")
    book.pair("one")
    before = (book.root / "_build/executed/two.ipynb").read_bytes()
    problems, said, card = press("one")
    assert (problems, card) == ([], ["one-a", "two-a"])
    assert any(line.startswith("[1/1] one done") for line in said)
    assert said[-1] == "typesetting"
    assert (book.root / "_build/executed/two.ipynb").read_bytes() == before
    status = json.loads((book.root / "_build/status.json").read_text())
    assert list(status["chapters"]) == ["one", "two"]


def test_what_was_not_executed_is_not_compared(book):
    assert build_book(book.project, lambda line: None, pages=False) == []
    book.edit("params/two/expected.yml", "two-a: fails", "two-a: holds")
    quiet = {"say": lambda line: None, "pages": False}
    assert build_book(book.project, only=["one"], **quiet) == []
    (problem,) = build_book(book.project, only=["two"], **quiet)
    assert "claim two-a: expected holds, got fails" in problem


def test_an_expectation_at_the_scale_is_still_compared(big):
    text = (big.root / "params/two/expected.yml").read_text()
    entry = "- parameters: {d: 7, seeds: [0, 1]}\n  verdicts: {two-a: holds}\n"
    big.write("params/two/expected.yml", text + entry)
    problems = build_book(big.project, lambda line: None, scale="big", pages=False)
    assert len(problems) == 1
    assert "claim two-a: expected holds, got fails" in problems[0]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EWOULDBLOCK])
def test_a_build_without_locks_says_so_and_goes_on(book, capsys, monkeypatch, number):
    def flock(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(build, "_build", lambda *_: [])
    monkeypatch.setattr("fcntl.flock", flock)
    assert main(["--root", str(book.root), "build"]) == 0
    place = book.root / "_build" / "build.lock"
    assert f"note: {place} cannot be locked" in capsys.readouterr().err


def test_a_second_build_in_the_folder_is_refused(book, capsys, monkeypatch):
    monkeypatch.setattr(build, "_build", lambda *_: [])
    with sole_build(book.project):
        assert main(["--root", str(book.root), "build"]) == 1
        line = "error: another build is at work in this folder"
        assert line in capsys.readouterr().err
        for name in ("one", "two"):
            book.write(f"_build/executed/{name}.ipynb", "half of a noteb")
        with pytest.raises(ValueError, match="another build is at work"):
            retypeset(book.project, lambda line: None)
    assert main(["--root", str(book.root), "build"]) == 0
