"""Which side of a pair was edited, and that no edit is lost in silence."""

import json
import re

import pytest

from flatminima_book.__main__ import main
from flatminima_book.build import build_book
from flatminima_book.notebooks import read_notebook, read_source
from flatminima_book.pairs import (
    DIGEST,
    PairConflict,
    check_pair,
    digest,
    state_of,
    update_pair,
    update_text,
)
from flatminima_book.running import build_chapter
from tests.book.fixture_book import REPOSITORY, Book, code

OURS = "print(d + 1)"
THEIRS = "print(d + 2)"


@pytest.fixture
def text(book):
    """The text of a chapter that ends with two code cells."""
    return book.root / "book/two.md"


def edit_text(book: Book) -> None:
    book.edit("book/two.md", "print(d)", OURS)


def edit_notebook(book: Book) -> None:
    book.edit("book/two.ipynb", "print(d)", THEIRS)


def cells(book: Book) -> list[dict]:
    return json.loads((book.root / "book/two.ipynb").read_text())["cells"]


def change(book: Book, how) -> None:
    """Change the notebook as a program would that saves it."""
    path = book.root / "book/two.ipynb"
    notebook = json.loads(path.read_text())
    how(notebook)
    path.write_text(json.dumps(notebook))


EDITS = {
    "a cell changed": lambda n: n["cells"][-1].update(source="print(1)"),
    "a cell deleted": lambda n: n["cells"].pop(),
    "a cell added": lambda n: n["cells"].append(dict(n["cells"][-1], id="new")),
    "cells exchanged": lambda n: n["cells"].insert(-1, n["cells"].pop()),
    "a tag added": lambda n: n["cells"][-1]["metadata"].update(tags=["hide-input"]),
    "prose changed": lambda n: n["cells"][0].update(source="# Two"),
}
NO_EDITS = {
    "it was run": lambda n: n["cells"][-1].update(
        execution_count=3,
        outputs=[{"output_type": "stream", "name": "stdout", "text": "3\n"}],
    ),
    "Jupyter's own metadata": lambda n: n["cells"][-1]["metadata"].update(
        collapsed=True, editable=True
    ),
    "another kernel": lambda n: n["metadata"]["kernelspec"].update(name="conda"),
    "the language": lambda n: n["metadata"].update(language_info={"name": "python"}),
}


def test_a_sound_pair(book, text):
    assert state_of(text) == "same"
    assert check_pair(text) == []
    assert not update_pair(text)


@pytest.mark.parametrize("edit", NO_EDITS.values(), ids=NO_EDITS)
def test_what_jupyter_adds_is_no_edit(book, text, edit):
    change(book, edit)
    assert state_of(text) == "same"
    edit_text(book)
    assert state_of(text) == "text"
    assert update_pair(text)
    assert check_pair(text) == []


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_of_the_notebook_is_not_dropped(book, text, edit):
    change(book, edit)
    after = (book.root / "book/two.ipynb").read_bytes()
    assert state_of(text) == "notebook"
    with pytest.raises(PairConflict, match="the notebook was edited"):
        update_pair(text)
    edit_text(book)
    assert state_of(text) == "both"
    with pytest.raises(PairConflict, match="both were edited"):
        update_pair(text)
    assert (book.root / "book/two.ipynb").read_bytes() == after


def test_the_message_names_both_and_settles_it(book, text, capsys):
    edit_notebook(book)
    assert main(["--root", str(book.root), "pair"]) == 1
    said = capsys.readouterr()
    assert "book/one.ipynb is up to date" in said.out  # the others are still paired
    line = said.err.splitlines()[0]
    assert line.startswith(
        "error: book/two.ipynb differs from two.md, and the notebook was edited. "
    )
    commands = re.findall(r"flatminima_book (pair two --keep \w+)", line)
    assert [command.split()[-1] for command in commands] == ["text", "notebook"]
    for command in commands:
        assert main(["--root", str(book.root), *command.split()]) == 0
        assert check_pair(text) == []


def test_the_text_is_kept(book, text):
    edit_notebook(book)
    edit_text(book)
    assert update_pair(text, "text")
    assert cells(book)[-2]["source"] == [OURS]
    assert check_pair(text) == [] and not update_pair(text)


def test_the_notebook_is_kept(book, text):
    head = text.read_text().split("# Chapter")[0]
    edit_notebook(book)
    edit_text(book)
    assert update_text(text)
    assert THEIRS in text.read_text() and OURS not in text.read_text()
    assert text.read_text().startswith(head)
    assert check_pair(text) == [] and not update_text(text)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_every_edit_of_a_notebook_can_be_kept(book, text, edit):
    change(book, edit)
    wanted = digest(read_notebook(book.root / "book/two.ipynb"))
    assert update_text(text)
    assert digest(read_source(text)) == wanted
    assert check_pair(text) == []


def test_the_order_of_chapters_can_be_kept_too(book, text):
    own = {"after": ["one"]}
    change(book, lambda n: n["metadata"].update(flatminima=own))
    assert state_of(text) == "notebook"
    assert update_text(text)
    assert read_source(text).metadata["flatminima"] == own
    assert check_pair(text) == []
    change(book, lambda n: n["metadata"].pop("flatminima"))
    assert update_text(text)
    assert "flatminima" not in read_source(text).metadata


def test_what_myst_cannot_say_is_refused(book, text):
    two = {"cell_type": "markdown", "id": "two", "metadata": {}}
    change(book, lambda n: n["cells"].append(two | {"source": "one\n\n+++\n\ntwo"}))
    before = text.read_bytes()
    with pytest.raises(PairConflict, match="cannot say"):
        update_text(text)
    assert text.read_bytes() == before


def test_a_pasted_picture_is_not_dropped(book, text):
    picture = {"sketch.png": {"image/png": "iVBORw0KGgo="}}
    cell = {"cell_type": "markdown", "id": "two", "metadata": {}}
    cell |= {"source": "![a sketch](attachment:sketch.png)", "attachments": picture}
    change(book, lambda n: n["cells"].append(cell))
    before = text.read_bytes(), (book.root / "book/two.ipynb").read_bytes()
    with pytest.raises(PairConflict, match="a picture that was pasted"):
        update_text(text)
    with pytest.raises(PairConflict, match="the notebook was edited"):
        update_pair(text)
    assert before == (text.read_bytes(), (book.root / "book/two.ipynb").read_bytes())


NO_NOTEBOOKS = {
    "a list": "[]",
    "null": "null",
    "nothing in it": "{}",
    "no cells": '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "a cell without metadata": json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {},
            "cells": [{"cell_type": "code", "id": "one", "source": "print(d)"}],
        }
    ),
    "no JSON": "print(d)",
}


@pytest.mark.parametrize("content", NO_NOTEBOOKS.values(), ids=NO_NOTEBOOKS)
def test_what_is_no_notebook_is_said_and_can_be_replaced(book, text, content, capsys):
    (book.root / "book/two.ipynb").write_text(content)
    (line,) = check_pair(text)
    assert line.startswith("book/two.ipynb: not a notebook: ")
    pair = ["--root", str(book.root), "pair", "two"]
    assert main(pair) == 1
    assert "cannot be read" in capsys.readouterr().err
    assert main([*pair, "--keep", "text"]) == 0
    assert check_pair(text) == []


def test_a_notebook_of_unknown_origin_is_not_overwritten(book, text):
    change(book, lambda n: n["metadata"].pop(DIGEST))
    (line,) = check_pair(text)
    assert line == (
        "book/two.ipynb: does not say what it was written from; run: make pair"
    )
    edit_text(book)
    with pytest.raises(PairConflict, match="nobody knows which"):
        update_pair(text)
    book.edit("book/two.md", OURS, "print(d)")
    assert update_pair(text)  # it is equal, so nothing is lost
    assert check_pair(text) == []


def test_marks_of_a_merge_are_not_overwritten(book, text):
    path = book.root / "book/two.ipynb"
    path.write_text("<<<<<<< ours\n" + path.read_text())
    with pytest.raises(PairConflict, match="cannot be read"):
        update_pair(text)
    with pytest.raises(PairConflict, match="no notebook to keep"):
        update_text(text)
    assert update_pair(text, "text")
    assert check_pair(text) == []


def test_both_sides_edited_alike_are_a_pair(book, text):
    """As by Jupyter with jupytext, which writes both."""
    edit_text(book)
    book.edit("book/two.ipynb", "print(d)", OURS)
    assert state_of(text) == "same"
    assert "run: make pair" in check_pair(text)[0]
    assert update_pair(text)
    edit = "print(d + 3)"
    book.edit("book/two.md", OURS, edit)
    assert state_of(text) == "text"


def test_a_chapter_that_is_not_there(book, capsys):
    assert main(["--root", str(book.root), "pair", "three"]) == 1
    assert "no chapter three; there are: one, two" in capsys.readouterr().err


# --- what runs the notebooks ----------------------------------------------------


def test_a_chapter_runs_the_text_of_now(book, quick):
    edit_text(book)
    said: list[str] = []
    problems, _ = build_chapter(book.project, "two", {}, said.append)
    assert problems == []
    assert "book/two.ipynb updated" in said
    executed = read_notebook(book.root / "_build/chapters/two.ipynb")
    assert [o.text for c in executed.cells for o in c.get("outputs", []) if "text" in o]
    assert any(
        output.get("text") == "4\n"
        for cell in executed.cells
        for output in cell.get("outputs", [])
    )


@pytest.mark.parametrize("edited", ["notebook", "both"])
def test_nothing_runs_while_an_edit_would_be_passed_over(book, edited):
    edit_notebook(book)
    if edited == "both":
        edit_text(book)
    problems, verdicts = build_chapter(book.project, "two", {}, print)
    assert verdicts == [] and len(problems) == 1
    assert "two.ipynb differs from two.md" in problems[0]
    problems = build_book(book.project, print, pages=False)
    assert len(problems) == 1 and "--keep notebook" in problems[0]
    assert not (book.root / "_build/chapters").exists()
    assert not (book.root / "_build/executed").exists()


def test_a_book_with_a_stale_pair_asks_for_it(book):
    edit_text(book)
    (problem,) = build_book(book.project, print, pages=False)
    assert problem.endswith("differs from two.md at cell 5; run: make pair")


@pytest.mark.parametrize("name", ["intro", "scenario-3", "hinge"])
def test_chapters_of_the_book_can_be_written_from_their_notebooks(name, tmp_path):
    """An edit in Jupyter costs the text nothing but that edit."""
    source, paired = tmp_path / f"{name}.md", tmp_path / f"{name}.ipynb"
    source.write_bytes((REPOSITORY / "book" / source.name).read_bytes())
    update_pair(source)
    notebook = json.loads(paired.read_text())
    notebook["cells"].append(
        {
            "cell_type": "code",
            "id": "new",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": "1 + 1",
        }
    )
    paired.write_text(json.dumps(notebook))
    before = source.read_text()
    assert update_text(source)
    assert source.read_text() == f"{before}\n{code('1 + 1')}"
