"""The first and the last page lean on verdicts: the build fails when one moves.

The fixture book has chapter one, which decides a claim; an intro whose box rests on
it; and a page of evidence with a conclusion that it decides.
"""

import pytest

from flatminima_book.build import build_book
from flatminima_book.check import check_sources
from flatminima_book.found import resting
from tests.book.fixture_book import code

pytestmark = pytest.mark.usefixtures("quick")
FILE = "studies/evidence/conclusions-slides.yml"
INTRO = """\
box:
  - {says: "Some are right, by {one-a}.", for: {one-a: holds}}
  - {says: "Others are not.", for: {two-a: fails}}
"""
EVIDENCE = """\
box:
  - {says: "Flat is right.", for: {one-a: holds}}
  - {says: "Not always.", for: {two-a: fails}}
"""
SLIDES = """\
title: The slides
conclusions:
  - short: Flat is right
    place: conclusion
    concludes: It is flat and right.
    needs: {one-a: holds, two-a: fails}
    says: It is, by {one-a}.
    for: {one-a: holds, two-a: fails}
    stops: Here.
"""
# Stand for the engine's modules of the same names, which know only the real claims.
SHOWN = """\
from flatminima.claims.found import Found, Told


class found:
    @staticmethod
    def box(name):
        return Found(name, "", (Told("Some are right.", {}, ()),))


class conclusions:
    @staticmethod
    def section(name, place, fewest):
        told = "### Flat is right\\n\\n::::{div} claim conclusion\\nIt is.\\n::::\\n"
        return Found(name, place, (Told(told, {}, ()),))
"""
AFTER = "---\nflatminima:\n  after: [one, two]\njupytext:"


@pytest.fixture
def book(book):
    """The sound book, with a first page that answers and a last one that concludes."""
    shown = code(SHOWN)
    book.chapter("intro", shown, code('found.box("intro")'))
    section = code('conclusions.section("evidence", "slides", 10)')
    book.chapter(
        "evidence", shown, "## The slides\n", section, code('found.box("evidence")')
    )
    for name in ("intro", "evidence"):
        book.edit(f"book/{name}.md", "---\njupytext:", AFTER)
        book.pair(name)
    book.edit("_toc.yml", "book/two", "book/two\n  - file: book/evidence")
    book.write("studies/intro/found.yml", INTRO)
    book.write("studies/evidence/found.yml", EVIDENCE)
    book.write(FILE, SLIDES)
    return book


def build(book) -> list[str]:
    return build_book(book.project, lambda line: None, pages=False)


def test_the_book_is_sound_and_builds(book):
    assert check_sources(book.project) == []
    assert build_book(book.project, lambda line: None) == []
    page = (book.root / "_build/html/book/evidence.html").read_text("utf8")
    assert "conclusions.section" not in page
    assert '<div class="claim conclusion docutils">' in page
    assert "<h3>Flat is right" in page


def test_a_verdict_that_moves_fails_the_build_and_names_both_pages(book):
    book.edit("book/one.md", 'verdict="holds"', 'verdict="undecided"')
    book.pair("one")
    assert build(book) == [
        "chapter one: claim one-a: expected holds, got undecided; if this is right, "
        "edit params/one/expected.yml and what rests on it: "
        "evidence, box: “Flat is right.”; "
        "evidence, conclusion slides, Flat is right: “It is, by {one-a}.”; "
        "intro, box: “Some are right, by {one-a}.”"
    ]


@pytest.mark.parametrize("word", ["holds", "partly", "undecided", "not testable"])
def test_so_does_one_that_must_fail(book, word):
    book.edit("book/two.md", 'verdict="fails"', f'verdict="{word}"')
    book.pair("two")
    (problem,) = build(book)
    assert problem.startswith(f"chapter two: claim two-a: expected fails, got {word}")
    assert "evidence, conclusion slides, Flat is right" in problem
    assert "intro, box" in problem


def test_a_moved_verdict_is_not_accepted_before_its_sentences_are(book):
    """Who accepts the verdict, and forgets the pages, does not get past the check."""
    book.edit("book/one.md", 'verdict="holds"', 'verdict="undecided"')
    book.pair("one")
    book.edit("params/one/expected.yml", "one-a: holds", "one-a: undecided")
    written = "written for one-a: holds, but undecided is expected"
    assert build(book) == [
        f"studies/evidence/found.yml: box, “Flat is right.”: {written}",
        "studies/evidence/found.yml: conclusion slides, Flat is right, "
        f"“It is, by {{one-a}}.”: {written}",
        f"studies/intro/found.yml: box, “Some are right, by {{one-a}}.”: {written}",
    ]
    for name in (FILE, "studies/evidence/found.yml", "studies/intro/found.yml"):
        text = (book.root / name).read_text("utf8")
        for_it = text.replace("for: {one-a: holds", "for: {one-a: undecided")
        book.write(name, for_it)
    assert build(book) == []


def test_a_claim_that_only_decides_is_named_too(book):
    assert {line.split(":")[0] for line in resting(book.project)["two-a"]} == {
        "evidence, box",
        "evidence, conclusion slides, Flat is right",
        "intro, box",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{one-a: holds, two-a: fails}\n    says", "{one-b: holds}\n    says",
         "conclusions-slides.yml: conclusions, sentence 1: needs one-b"),
        ("for: {one-a: holds, two-a: fails}", "for: {one-a: fails, two-a: fails}",
         "written for one-a: fails, but holds is expected"),
        ("says: It is, by {one-a}.", "says: It is, by 0.5.", "'0.5' is typed"),
        ("says: It is, by {one-a}.", "says: See [it](gone.md).", "broken link"),
    ],
)  # fmt: skip
def test_flaws_of_conclusions(book, old, new, message):
    assert SLIDES.count(old) == 1
    book.write(FILE, SLIDES.replace(old, new))
    (problem,) = check_sources(book.project)
    assert message in problem


def test_every_section_is_shown_once_and_is_there(book):
    book.edit("book/evidence.md", '"evidence", "slides"', '"evidence", "talk"')
    book.pair("evidence")
    assert check_sources(book.project) == [
        "book/evidence.md: studies/evidence/found.yml has no section talk",
        "book/evidence.md: shows section slides 0 times instead of once",
    ]


def test_a_claim_of_a_chapter_that_does_not_run_before(book):
    book.edit("book/evidence.md", "after: [one, two]", "after: [one]")
    book.pair("evidence")
    problems = check_sources(book.project)
    assert len(problems) == 2  # the box and the conclusion
    assert all("is of chapter two, after which evidence" in line for line in problems)
