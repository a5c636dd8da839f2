"""What the chapters found: checked before a run, put at its place after it."""

import html
import re

import pytest
from nbformat import v4

from flatminima.claims.found import Found, Told
from flatminima_book.build import build_book
from flatminima_book.check import check_sources
from flatminima_book.found import place, resting, struck
from tests.book.fixture_book import FOUND, add_found, code, make_book

pytestmark = pytest.mark.usefixtures("quick")
FILE = "studies/one/found.yml"


@pytest.fixture
def book(book):
    """The sound book of the other tests, whose first chapter says what it found."""
    add_found(book)
    return book


def only(book) -> str:
    """The single problem of a book."""
    problems = check_sources(book.project)
    assert len(problems) == 1, problems
    return problems[0]


def spoil(book, old: str, new: str) -> str:
    """The single problem once the sentences are changed."""
    assert old in FOUND
    book.write(FILE, FOUND.replace(old, new))
    return only(book)


# --- before anything runs -----------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "It is flat, by {one-a}",
            "By 0.5",
            f"{FILE}: box, sentence 1: '0.5' is typed",
        ),
        ("{one-a: holds or partly}", "{one-b: holds}", "there is no claim one-b"),
        (
            "{one-a: holds or partly}",
            "{two-a: fails}",
            "claim two-a is of chapter two, after which one does not run",
        ),
        (
            "{one-a: holds or partly}",
            "{one-a: partly}",
            f"{FILE}: box, “In dimension {{setting.d}} it is flat too.”: written for "
            "one-a: partly, but holds is expected",
        ),
        ("{one-a: holds or partly}", "{one-a: yes}", "box, sentence 2, for, one-a: "),
        ("intro.md", "gone.md", "passage later, “See [the start](gone.md).”: broken"),
        ("later:", "sooner:", None),
        ("{setting.d}", "{setting.n}", "one.md: its box is not given the setting n"),
        ("box:\n", "box: 1\nmore:\n", None),
    ],
)
def test_flaws_of_the_sentences(book, old, new, message):
    book.write(FILE, FOUND.replace(old, new))
    problems = check_sources(book.project)
    assert FOUND.count(old) == 1
    if message is not None:
        assert len(problems) == 1, problems
        assert message in problems[0]
    elif old == "later:":
        assert problems == [
            f"book/one.md: {FILE} has no passage later",
            "book/one.md: shows passage sooner 0 times instead of once",
        ]
    else:
        assert [line.split(":")[:2] for line in problems] == [
            [FILE, " box"],
            [FILE, " more"],
        ]


def test_both_words_of_an_expectation_must_be_written_for(book):
    two = "one-a: holds or partly\n  why: {one-a: near a threshold}"
    book.edit("params/one/expected.yml", "one-a: holds", two)
    assert (
        "box, “It is flat, by {one-a}.”: written for one-a: holds, but"
        in only_first(book)
    )
    book.write(FILE, FOUND.replace("{one-a: holds}", "{one-a: partly or holds}"))
    assert check_sources(book.project) == []


def only_first(book) -> str:
    problems = check_sources(book.project)
    assert len(problems) == 2  # the box's first sentence and the passage
    return problems[0]


def test_a_claim_of_a_chapter_that_runs_before(book):
    book.write(FILE, FOUND.replace("{one-a: holds or partly}", "{two-a: fails}"))
    text = "---\nflatminima:\n  after: [two]\njupytext:"
    book.edit("book/one.md", "---\njupytext:", text)
    book.pair("one")
    assert check_sources(book.project) == []
    book.write(FILE, FOUND.replace("{one-a: holds or partly}", "{two-a: holds}"))
    assert "written for two-a: holds, but fails is expected" in only(book)


def test_every_chapter_with_claims_has_a_box(book):
    book.edit("pyproject.toml", 'without_box = ["two"]\n', "")
    assert only(book) == "book/two.md: has claims but no box, “What we found”"
    book.edit("pyproject.toml", "[tool.flatminima_book]\n", "[tool.flatminima_book]\n"
              'without_box = ["one", "two"]\n')  # fmt: skip
    assert only(book) == "pyproject.toml: without_box lists one, which has a box"


def test_expected_verdicts_that_cannot_be_read_are_told_once(book):
    text = "- parameters: {}\n  verdicts: {a: holds, a: fails}\n"
    book.write("params/one/expected.yml", text)
    assert only(book) == "params/one/expected.yml: line 2: a is given twice"


def test_a_file_of_no_chapter(book):
    book.write("studies/no_one/found.yml", FOUND)
    assert only(book) == "studies/no_one/found.yml: there is no chapter no-one"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('box("one", d=d)', "box", "shows its box 0 times instead of once"),
        ('box("one", d=d)', 'box("two", d=d)', "found.box is of chapter two"),
        ('box("one", d=d)', 'box("one", d=d);', "needs a cell of its own"),
        (
            'found.box("one", d=d)',
            'x = found.box("one", d=d)',
            "needs a cell of its own",
        ),
        ('"later")', '"never")', None),
        ('found.passage("one"', 'print(d)\nfound.passage("one"', "a cell of its own"),
    ],
)
def test_the_cells_that_show_them(book, old, new, message):
    book.edit("book/one.md", old, new)
    book.pair("one")
    if message:
        assert message in only(book)
    else:
        assert check_sources(book.project) == [
            f"book/one.md: {FILE} has no passage never",
            "book/one.md: shows passage later 0 times instead of once",
        ]


# --- after the run ------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory, quickly):
    """A book whose second chapter tells what the build gave it of the first."""
    book = make_book(tmp_path_factory.mktemp("built") / "root")
    add_found(book)
    text = book.root / "book/two.md"
    given = code(
        "import json, os, pathlib\n"
        'folder = pathlib.Path(os.environ["FLATMINIMA_VERDICTS"])\n'
        'text = (folder / "one.json").read_text()\n'
        'print("given", [v["verdict"] for v in json.loads(text)])'
    )
    text.write_text(text.read_text() + given)
    after = "---\nflatminima:\n  after: [one]\njupytext:"
    book.edit("book/two.md", "---\njupytext:", after)
    book.pair("two")
    with quickly():
        assert build_book(book.project, lambda line: None) == []
    return book


def page(book, name: str) -> str:
    return (book.root / f"_build/html/book/{name}.html").read_text("utf8")


def test_the_box_is_at_the_head_of_the_page(built):
    text = page(built, "one")
    title = text.index("<h1>Chapter one")
    box = text.index("admonition-title", title)
    assert "What we found" in text[box : box + 100]
    assert box < text.index("a link to", title)
    body = text[box : text.index("a link to", title)]
    assert "<p><strong>A word before.</strong></p>" in body
    assert "It is <em>flat</em> in 3." in body
    assert text.count("<strong>A word before.") == 1  # not where the cell was
    assert 'found.box("one"' not in html.unescape(
        re.sub("<[^>]+>", "", text)
    )  # nor its code


def test_a_passage_is_prose_where_its_cell_was(built):
    text = page(built, "one")
    sentence = 'See <a class="reference internal" href="intro.html">'
    assert sentence in text
    assert text.index("<b>verdict</b>") < text.index(sentence)
    before = text[: text.index(sentence)]
    assert before.rindex("<p>") > before.rindex("<div")  # of no output


def test_the_box_can_be_searched(built):
    index = (built.root / "_build/html/searchindex.js").read_text("utf8")
    assert "What we found" in page(built, "one")
    assert '"word"' in index or "word:" in index


def test_later_chapters_are_given_the_verdicts(built):
    assert "given ['holds']" in page(built, "two")


def test_a_verdict_that_moves_names_the_sentences(book):
    book.edit("book/one.md", 'verdict="holds"', 'verdict="fails"')
    book.pair("one")
    problems = build_book(book.project, lambda line: None, pages=False)
    assert problems == [
        "chapter one: claim one-a: expected holds, got fails; if this is right, edit "
        "params/one/expected.yml and what rests on it: "
        "one, box: “It is flat, by {one-a}.”; "
        "one, box: “In dimension {setting.d} it is flat too.”; "
        "one, passage later: “See [the start](intro.md).”"
    ]


def test_a_sentence_that_tells_another_number_is_a_problem():
    shown = {
        "chapter": "one",
        "sentences": [
            {"says": "A.", "stands": False, "claims": {"a": "holds"}},
            {"says": "B.", "stands": True, "claims": {"a": "holds"}},
            {"says": "C.", "stands": False, "claims": {"a": "holds", "b": "fails"}},
            {"says": "D.", "stands": False, "claims": {}},
        ],
    }
    bound = [
        {"id": "a", "verdict": "holds", "expected": "holds or partly"},
        {"id": "b", "verdict": "fails", "expected": "holds"},  # told as one that moved
    ]
    line = "chapter one: does not stand, though its verdicts do: “A.”"
    assert struck([shown], bound) == [line]
    assert struck([shown], [bound[1]]) == []


BOUND = """Found, Told
from flatminima.claims.report import Verdict

about = ("one-a", "one", "000", "source", "It is.", "rule", "holds")
held = Verdict(*about, 0.5, None, None, 10, "quick", None, "", "before")
"""
TOLD = "{settings['d']}.\", {'one-a': held}, (held,)"


def test_a_struck_sentence_fails_the_default_build(book):
    book.edit("book/one.md", "Found, Told\n", BOUND)
    book.edit("book/one.md", "{settings['d']}.\", {}, ()", TOLD)
    book.pair("one")
    problems = build_book(book.project, lambda line: None, pages=False)
    assert [line for line in problems if "does not stand" in line] == [
        "chapter one: does not stand, though its verdicts do: “It is *flat* in 3.”"
    ]


def test_a_failed_chapter_leaves_no_verdict_of_an_earlier_build(book):
    folder = book.root / "_build/verdicts"
    folder.mkdir(parents=True)
    (folder / "one.json").write_text('[{"id": "one-a"}]')
    book.edit("book/one.md", "claim = dict(", "raise RuntimeError\nclaim = dict(")
    book.pair("one")
    problems = build_book(book.project, lambda line: None, pages=False)
    assert len(problems) == 1
    assert [path.name for path in folder.iterdir()] == ["two.json"]


def test_claims_and_what_rests_on_them(book):
    rests = resting(book.project)
    assert set(rests) == {"one-a"}
    assert len(rests["one-a"]) == 3


# --- placing ------------------------------------------------------------------


def notebook(text: str, *shown: Found):
    """An executed notebook that opens with a text and shows some sentences."""
    cells = [v4.new_markdown_cell(text)]
    for found in shown:
        output = v4.new_output("execute_result", data=found._repr_mimebundle_())
        cells.append(v4.new_code_cell("x", outputs=[output]))
    return v4.new_notebook(cells=cells)


BOX = Found("one", "", (Told("It is flat.", {}, ()),))
ADMONITION = "::::{admonition} What we found\n:class: found\n\n- It is flat.\n::::\n"


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("# A\n\nText.", "# A\n\n"),
        (
            "(a)=\n# A\n\n*Is it\nflat?* Yes.\n\nText.",
            "(a)=\n# A\n\n*Is it\nflat?* Yes.\n\n",
        ),
        ("# A\n\n*Is it flat?*", "# A\n\n*Is it flat?*\n\n"),
        ("# A", "# A\n\n"),
    ],
)
def test_the_head_of_a_page(text, head):
    executed = notebook(text, BOX)
    assert place(executed, "one") == []
    (cell,) = executed.cells
    assert cell.source.startswith(head + ADMONITION)
    assert cell.source.replace(ADMONITION, "").split() == text.split()


def test_passages_stay_in_order_and_the_box_moves():
    passage = Found("one", "later", (Told("So it is.", {}, ()),))
    executed = notebook("# A\n\nText.", passage, BOX)
    ids = [cell.id for cell in executed.cells]
    assert place(executed, "one") == []
    assert [cell.cell_type for cell in executed.cells] == ["markdown", "markdown"]
    assert executed.cells[1].source == "So it is."
    assert [cell.id for cell in executed.cells] == ids[:2]


def test_a_chapter_without_a_title_has_no_head():
    line = "chapter one: has no title below which the box could stand"
    assert place(notebook("Text.", BOX), "one") == [line]
    assert place(notebook("Text."), "one") == []
