"""Cheap checks: each flaw of the sources is one clear line, before any run."""

import json

import pytest
import yaml

from flatminima_book.__main__ import main
from flatminima_book.check import check_sources
from flatminima_book.pairs import update_pair
from flatminima_book.project import load
from tests.book.fixture_book import code


def only(book):
    """The single problem of a book."""
    problems = check_sources(book.project)
    assert len(problems) == 1, problems
    return problems[0]


def test_a_sound_book_has_no_problem(book):
    assert check_sources(book.project) == []
    assert main(["--root", str(book.root), "check"]) == 0


def test_a_deleted_pair(book):
    (book.root / "book/two.ipynb").unlink()
    line = "book/two.ipynb: the pair of two.md is missing; run: make pair"
    assert only(book) == line


def test_an_unsynced_pair(book):
    book.edit("book/two.md", "print(d)", "print(d + 1)")
    line = "book/two.ipynb: differs from two.md at cell 5; run: make pair"
    assert only(book) == line
    book.pair("two")
    assert check_sources(book.project) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("tags: [parameters]", "tags: [parameters, hide-input]", "cell 3"),
        ("display_name: Python 3", "display_name: Other", "the metadata (kernelspec)"),
        ("# Chapter two", "# Chapter 2", "cell 1"),
    ],
)
def test_metadata_and_prose_are_part_of_a_pair(book, old, new, place):
    book.edit("book/two.md", old, new)
    assert only(book) == f"book/two.ipynb: differs from two.md at {place}; " + (
        "run: make pair"
    )


def test_a_cell_more_is_an_unsynced_pair(book):
    with (book.root / "book/two.md").open("a") as file:
        file.write("\n" + code("1"))
    assert "differs from two.md at cell 7" in only(book)


def test_pairing_keeps_the_ids_of_unchanged_cells(book):
    path = book.root / "book/two.ipynb"
    before = [cell["id"] for cell in json.loads(path.read_text())["cells"]]
    book.edit("book/two.md", "print(d)", "print(d + 1)")
    assert update_pair(book.root / "book/two.md")
    after = [cell["id"] for cell in json.loads(path.read_text())["cells"]]
    assert len(set(after)) == len(after)
    assert [i for i in before if i in after] == before
    assert not update_pair(book.root / "book/two.md")


def test_committed_outputs(book):
    path = book.root / "book/two.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][4]["execution_count"] = 1
    path.write_text(json.dumps(notebook))
    assert only(book) == "book/two.ipynb: cell 5 has outputs; commit it without"


def test_a_notebook_that_is_none(book):
    (book.root / "book/two.ipynb").write_text("{")
    assert "book/two.ipynb: not a notebook" in only(book)


def test_a_notebook_without_chapter(book):
    (book.root / "book/three.ipynb").write_text("{}")
    assert only(book) == "book/three.ipynb: has no chapter three.md in _toc.yml"


def test_a_broken_link(book):
    book.edit("book/intro.md", "one.md", "gone.md#part")
    assert only(book) == "book/intro.md: broken link to gone.md#part"


def test_links_in_code_and_to_other_sites_are_left_alone(book):
    book.write(
        "book/intro.md",
        """\
        # Start

        `[a](b.md)`, [site](https://example.org), [label](#here), {doc}`one`.

        ```python
        x = [a](b.md)
        ```
        """,
    )
    assert check_sources(book.project) == []


def test_pages_missing_from_the_toc_or_the_folder(book):
    book.write("book/extra.md", "# Extra\n")
    assert only(book) == "book/extra.md: is not in _toc.yml"
    (book.root / "book/extra.md").rename(book.root / "extra.md")
    (book.root / "book/references.md").unlink()
    assert only(book) == "_toc.yml: book/references.md does not exist"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[setup, remove-cell]", "[setup]", "first code cell must be tagged setup"),
        ("[parameters]", "[other]", "needs exactly one cell tagged parameters, has 0"),
        ("d = 3  # input dimension", "d = 3", "parameters cell: line 1: d needs"),
        ("chapter.start()", "pass", "third code cell must call chapter.start()"),
    ],
)
def test_the_opening_of_a_chapter(book, old, new, message):
    book.edit("book/two.md", old, new)
    book.pair("two")
    assert message in only(book)


def test_after_names_chapters_without_cycle(book):
    def after(name, other):
        text = f"---\nflatminima:\n  after: [{other}]\njupytext:"
        book.edit(f"book/{name}.md", "---\njupytext:", text)
        book.pair(name)

    after("one", "two")
    assert check_sources(book.project) == []
    after("two", "one")
    assert only(book) == "chapters wait for each other: one -> two -> one"
    book.edit("book/two.md", "[one]", "[three]")
    book.pair("two")
    assert only(book) == "book/two.md: runs after three, which is no chapter"


def test_claims_file(book):
    path = book.root / "claims.yml"
    sound = yaml.safe_load(path.read_text())

    def spoil(**change):
        claims = [dict(claim) for claim in sound["claims"]]
        claims[1].update(change)
        path.write_text(yaml.safe_dump({"claims": claims, "tables": sound["tables"]}))
        return check_sources(book.project)

    assert "claims.yml: claim one-a appears twice" in spoil(id="one-a")
    assert "claim two-a: chapter three is not in _toc.yml" in spoil(chapter="three")
    assert "claims.yml: claim two-a has no statement" in spoil(statement="")
    assert spoil(chapter="intro") == [
        "claim two-a: book/intro.md has no kernel to decide"
    ]
    line = "claim two-b: book/two.md never mentions it"
    cell = "claims.yml: table summary, row 2-MLP: no claim two-a"
    assert spoil(id="two-b") == [cell, line]
    sound["tables"][0]["rows"][0]["cells"] = ["one-a"]
    problem = "claims.yml: table summary, row 2-MLP: 1 cells for 2 columns"
    assert spoil() == [problem]
    path.unlink()
    assert only(book) == "claims.yml: the claims file is missing"


def test_parameter_files(book):
    book.write("params/smoke/one.yml", "d: 4\n")
    assert check_sources(book.project) == []
    book.write("params/smoke/one.yml", "depth: 4\n")
    line = "params/smoke/one.yml: unknown parameter depth = 4; this chapter takes: "
    assert only(book) == line + "d, seeds"
    book.write("params/smoke/one.yml", "d: 4\n")
    book.write("params/paper/three.yml", "d: 4\n")
    assert only(book) == "params/paper/three.yml: there is no chapter three"


def test_a_verdict_expected_twice(book):
    text = "- chapter: one\n  parameters: {}\n  verdicts: {a: holds, a: fails}\n"
    book.write("book/expected.yml", text)
    assert only(book) == "expected.yml: line 3: a is given twice"


def test_settings_are_refused_when_unknown(book, tmp_path):
    with pytest.raises(ValueError, match=r"_toc.yml is missing"):
        load(tmp_path)
    book.write("pyproject.toml", "[tool.flatminima_book]\nworker = 1\n")
    with pytest.raises(ValueError, match="unknown setting 'worker'"):
        book.project  # noqa: B018


def test_pair_command_mends_pairs(book, capsys):
    (book.root / "book/two.ipynb").unlink()
    assert main(["--root", str(book.root), "check"]) == 1
    assert main(["--root", str(book.root), "pair"]) == 0
    assert "book/two.ipynb updated" in capsys.readouterr().out
    assert main(["--root", str(book.root), "check"]) == 0
