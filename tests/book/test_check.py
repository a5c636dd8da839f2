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
        (
            "d: int = 3  # 0",
            "d = 3  # 0",
            "parameters cell: line 1: is not of the form",
        ),
        ("# 0 to 9: input", "# input", "line 1: d needs its range and its meaning"),
        ("# 0 to 9: input", "# any: input", "line 1: d: range 'any': is not of the"),
        ("d: int = 3", "d: int = 10", "parameters cell: d = 10: allowed is 0 to 9"),
        ("d: int = 3", "d: int = 1 + 2", "parameters cell: d is not a plain literal"),
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
    path = book.root / "studies/two/claims.yml"
    (sound,) = yaml.safe_load(path.read_text())

    def spoil(*more, **change):
        path.write_text(yaml.safe_dump([sound | change, *more]))
        return check_sources(book.project)

    where = "studies/two/claims.yml"
    line = f"{where}: claim one-a is also in studies/one/claims.yml"
    assert line in spoil(id="one-a")
    assert f"{where}: claim two-a is also in {where}" in spoil(sound)
    assert f"{where}: claim two-a has no statement" in spoil(statement="")
    unseen = "claim two-b: book/two.md never mentions it"
    unexpected = "params/two/expected.yml: chapter two has no claim two-a"
    cell = "tables.yml: table summary, row 2-MLP: no claim two-a"
    assert spoil(id="two-b") == [cell, unseen, unexpected]
    path.write_text("- id: two-a\n  id: two-b\n")
    assert f"{where}: line 2: id is given twice" in check_sources(book.project)


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("two_b", "claim two-a: chapter two-b is not in _toc.yml"),
        ("intro", "claim two-a: book/intro.md has no kernel to decide"),
    ],
)
def test_the_folder_of_a_claim_is_its_chapter(book, folder, line):
    (book.root / "studies/two").rename(book.root / "studies" / folder)
    expected = "params/two/expected.yml: chapter two has no claim two-a"
    assert check_sources(book.project) == [line, expected]


def test_tables_name_claims_in_every_cell(book):
    book.edit("tables.yml", "    - two-a\n", "")
    problem = "tables.yml: table summary, row 2-MLP: 1 cells for 2 columns"
    assert only(book) == problem
    (book.root / "tables.yml").unlink()
    assert only(book) == "tables.yml: the file of tables is missing"


def test_a_pattern_that_finds_no_claim(book):
    book.edit("pyproject.toml", "studies/*/claims.yml", "claims/*.yml")
    book.edit("pyproject.toml", 'tables = "tables.yml"\n', "")
    assert only(book) == "claims/*.yml: there is no claim"


def test_parameter_files(book):
    book.write("params/one/smoke.yml", "d: 4\n")
    assert check_sources(book.project) == []
    book.write("params/one/smoke.yml", "depth: 4\n")
    line = "params/one/smoke.yml: unknown parameter depth = 4; this chapter takes: "
    assert only(book) == line + "d, seeds"
    book.write("params/one/smoke.yml", "d: 10\n")
    assert only(book) == "params/one/smoke.yml: d = 10: allowed is 0 to 9"
    book.write("params/one/smoke.yml", "d: 4\nseeds: [0,\n")
    assert only(book).startswith("params/one/smoke.yml: no YAML: while parsing a flow")
    book.write("params/one/smoke.yml", "d: 4\n")
    book.write("params/three/paper.yml", "d: 4\n")
    assert only(book) == "params/three/paper.yml: there is no chapter three"


@pytest.mark.parametrize(
    ("parameters", "verdicts", "problem"),
    [
        ("{}", "{one-a: holds, one-a: fails}", "line 2: one-a is given twice"),
        ("{depth: 4}", "{}", "unknown parameter depth = 4; this chapter takes: d, "),
        ("{d: 4.0}", "{}", "d = 4.0: allowed is a whole number, 0 to 9"),
        ("{", "{}", "no YAML: while parsing a flow mapping"),
        ("{}", "{two-a: holds}", "chapter one has no claim two-a"),
        ("{}", "{one-a: holds or true}", "one-a: verdict 'holds or true' is none of "),
        ("{}", "{}\n  chapter: one", "entry 1: needs parameters and verdicts"),
        ("{}", "{one-a: fails or holds}", "one-a: 'fails or holds' is no expectation"),
        ("{}", "{one-a: partly or fails}", "one-a: 'partly or fails' is no expectat"),
        ("{}", "{one-a: holds or partly}", "one-a: 'holds or partly' needs a reason"),
        ("{}", "{one-a: holds}\n  why: {one-a: so}", "one-a: why is for two words"),
    ],
)
def test_expected_verdicts(book, parameters, verdicts, problem):
    entry = f"- parameters: {parameters}\n  verdicts: {verdicts}\n"
    book.write("params/one/expected.yml", entry)
    assert only(book).startswith(f"params/one/expected.yml: {problem}")


def test_expected_verdicts_of_no_chapter(book):
    book.write("params/three/expected.yml", "[]\n")
    assert only(book) == "params/three/expected.yml: there is no chapter three"


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("tables.yml", "tables:", "tables: [", "tables.yml: no YAML: while"),
        ("studies/two/claims.yml", "- id", "- [id", "studies/two/claims.yml: no YAML"),
        ("_toc.yml", "format:", "format: [", "_toc.yml: no YAML: while"),
        ("book/two.md", "jupytext:", "jupytext: [", "book/two.md: front matter: no Y"),
    ],
)
def test_a_file_that_is_no_yaml_is_named(book, capsys, name, old, new, line):
    path = book.root / name
    path.write_text(path.read_text("utf8").replace(old, new, 1), "utf8")
    assert main(["--root", str(book.root), "check"]) == 1
    assert f"error: {line}" in capsys.readouterr().err


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
