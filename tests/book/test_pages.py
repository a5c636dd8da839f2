"""Pages: Sphinx runs on the small book, twice, in two places."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from flatminima_book.build import build_book
from flatminima_book.pages import log_problems, stopped_by
from flatminima_book.status import PLACE
from flatminima_book.typesetting import retypeset
from tests.book.fixture_book import make_book

pytestmark = pytest.mark.usefixtures("quick")


def press(book):
    """Build with pages; returns problems."""
    return build_book(book.project, lambda line: None)


@pytest.fixture(scope="module")
def built(tmp_path_factory, quickly):
    """The same book built at two paths of different lengths."""
    books = []
    for name in ("a", "another-place"):
        book = make_book(tmp_path_factory.mktemp(name) / name)
        with quickly():
            assert press(book) == []
        books.append(book)
    return books


def files(book) -> dict[str, bytes]:
    """All built files by relative path."""
    html: Path = book.root / "_build/html"
    return {
        path.relative_to(html).as_posix(): path.read_bytes()
        for path in sorted(html.rglob("*"))
        if path.is_file()
    }


def page(book, name: str) -> str:
    """Text of a built page."""
    return (book.root / f"_build/html/book/{name}.html").read_text("utf8")


def test_pages_are_the_same_bytes_at_another_path(built):
    one, other = (files(book) for book in built)
    assert list(one) == list(other)
    differ = [name for name in one if one[name] != other[name]]
    assert set(differ) <= {"book/status.html"}


def test_no_page_names_this_machine(built):
    for book in built:
        for name, data in files(book).items():
            assert str(book.root).encode() not in data, name


def test_status_page_is_filled_and_only_there(built):
    text = page(built[0], "status")
    assert PLACE not in text
    for word in ("whole build", "Sphinx", "python", "cores"):
        assert word in text
    assert "whole build" not in (
        built[0].root / "_build/html/searchindex.js"
    ).read_text("utf8")


def test_scorecard_page_shows_both_words_and_every_claim(built):
    text = page(built[0], "scorecard")
    assert "What the source says" in text
    assert "source ✓" in text
    assert "ours ✗" in text
    assert 'class="verdict verdict-holds"' in text
    assert "two-a" in text
    assert "Every figure of the paper" in text
    assert "9 of 10 seeds, retracted" in text


def test_rerun_page_lists_every_parameter_as_it_is_declared(built):
    soup = BeautifulSoup(page(built[0], "rerun"), "html.parser")
    rows = [
        [" ".join(cell.text.split()) for cell in row.find_all(["th", "td"])]
        for row in soup.find("table", class_="parameters").find_all("tr")
    ]
    assert rows == [
        ["Parameter", "Type", "Default", "Allowed", "What it is"],
        ["d", "int", "3", "0 to 9", "input dimension"],
        [
            *("seeds", "list[int]", "[0, 1]"),
            *("each 0 to 9, 1 to 9 of them, different", "seeds"),
        ],
    ]
    assert "papermill book/two.ipynb out.ipynb -p d 3" in soup.text


def test_setup_is_hidden_and_launch_links_point_at_the_pair(built):
    text = page(built[0], "two")
    assert "google.colab" not in text
    assert "blob/main/book/two.ipynb" in text
    assert "thebe" not in text.lower()


def test_a_table_shows_a_long_cell_whole(built):
    assert "word " * 29 + "word" in page(built[0], "one")


def test_bookkeeping_is_folded_below_its_prompt(built):
    text = page(built[0], "two")
    assert text.count('<details class="admonition') == 1
    folded = text.split('<details class="admonition')[1].split("</details>")[0]
    assert "Show the code" in folded
    assert "start" in folded
    assert "print" not in folded


def test_pages_carry_the_mark_and_link_the_icon(built):
    text = page(built[0], "one")
    for name in ("logo-light.svg", "logo-dark.svg", "favicon.svg"):
        assert f"_static/{name}" in text
        assert (built[0].root / f"_build/html/_static/{name}").is_file()


def test_mathjax_is_local(built):
    html = built[0].root / "_build/html"
    assert (html / "_static/mathjax/tex-chtml.js").is_file()
    assert list((html / "_static/mathjax").rglob("*.woff"))
    assert "_static/mathjax/tex-chtml.js" in page(built[0], "two")


def test_a_warning_of_sphinx_is_one_line_and_mending_it_restores_the_page(built):
    book = built[1]
    intro = book.root / "book/intro.md"
    sound, before = intro.read_text(), page(book, "intro")
    intro.write_text(sound + "\n{ref}`nowhere`\n")
    problems = retypeset(book.project, lambda line: None)
    assert problems == ["book/intro.md:5: WARNING: undefined label: 'nowhere'"]
    intro.write_text(sound)
    assert retypeset(book.project, lambda line: None) == []
    assert page(book, "intro") == before


def test_a_chapter_that_failed_is_not_typeset_again(built):
    book = built[1]
    path = book.root / "_build/status.json"
    sound, before = path.read_text(), page(book, "two")
    status = json.loads(sound)
    status["chapters"]["two"]["failed"] = True
    path.write_text(json.dumps(status))
    assert retypeset(book.project, lambda line: None) == [
        "chapter two failed when it was last executed; run: make book CHAPTERS=two"
    ]
    assert page(book, "two") == before
    path.write_text(sound)
    assert retypeset(book.project, lambda line: None) == []


def test_an_error_that_stops_sphinx_is_found_in_its_log():
    log = "\x1b[91mExtension error:\x1b[0m\nCould not import x\nTraceback\n  File\n"
    assert stopped_by(log) == "Could not import x"
    assert stopped_by("a\nb\n") == "b"
    assert stopped_by("") == "no message"
    assert log_problems(
        "/s/a.md:1: WARNING: x\n/s/a.md:1: WARNING: x\n", Path("/s")
    ) == ["a.md:1: WARNING: x"]
