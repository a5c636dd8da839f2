"""Terms of the glossary: read, and linked where a chapter first uses them."""

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from flatminima_book.glossary import (
    Entry,
    link_first_uses,
    link_terms,
    load_entries,
    parse_entries,
)
from flatminima_book.notebooks import load_chapters, read_source
from flatminima_book.project import load

ROOT = Path(__file__).parents[2]
TRACE = Entry("trace", ("trace", "sharpness"))
OVER = Entry("trace over bound", ("trace over bound", "trace over the bound"))
SAM = Entry("1-SAM", ("1-SAM",))
NET = Entry("net", ("net", "nets"))
ENTRIES = [TRACE, OVER, SAM, NET]


def linked(*texts):
    return link_first_uses(texts, ENTRIES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A net, a net.", "A {term}`net`, a net."),
        ("Nets and a net.", "{term}`Nets <net>` and a net."),
        ("A netting, a sub-net, a net.", "A netting, a sub-net, a {term}`net`."),
        ("The trace over bound.", "The {term}`trace over bound`."),
        (
            "The trace\nover the\nbound, then a trace.",
            "The {term}`trace over the bound <trace over bound>`, then a "
            "{term}`trace`.",
        ),
        ("Less sharpness, less trace.", "Less {term}`sharpness <trace>`, less trace."),
        ("n-SAM, then *1-SAM*.", "n-SAM, then *{term}`1-SAM`*."),
        ("| net | 1 |", "| {term}`net` | 1 |"),
        ("Own {term}`net`, net.", "Own {term}`net`, net."),
        ("A net, own {term}`nets <net>`.", "A net, own {term}`nets <net>`."),
    ],
)
def test_the_first_use_is_linked(text, found):
    assert linked(text) == [found]


@pytest.mark.parametrize(
    "text",
    [
        "# A net",
        "(net)=",
        "`net`, ``a net``, {ref}`net`, {cite:t}`net`",
        "[a net](net.md), ![net](net.png)",
        "[a net]{.verdict}",
        "$net$ and $$net$$ and $a\nnet$",
        "```{exercise}\n:label: net\n\nA net.\n```",
        "````{note}\n```bash\nnet\n```\nnet\n````",
        ":::{admonition} A net\n:class: net\n:::",
        "<span class='net'>",
        "{.net}",
        "\\begin{align}\nnet\n\\end{align}",
        "a subnet, a nett",
    ],
)
def test_headings_code_formulas_and_links_are_left_alone(text):
    assert linked(text) == [text]
    assert linked(text, "A net.")[1] == "A {term}`net`."


def test_a_container_of_prose_is_prose():
    text = ":::{admonition} Found\nA net.\n:::"
    assert linked(text) == [":::{admonition} Found\nA {term}`net`.\n:::"]


def test_texts_are_read_one_after_another():
    assert linked("A net.", "A net and 1-SAM.") == [
        "A {term}`net`.",
        "A net and {term}`1-SAM`.",
    ]
    assert link_first_uses(["A net."], []) == ["A net."]


def test_captions_are_read_where_they_stand():
    figure = {"mystnb": {"figure": {"caption": "A net.\n", "name": "net"}}}
    cells = [
        nbformat.v4.new_code_cell("net = 1"),
        nbformat.v4.new_code_cell("plot(net)", metadata=figure),
        nbformat.v4.new_markdown_cell("A net."),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    link_terms(notebook, ENTRIES)
    assert [cell.source for cell in cells] == ["net = 1", "plot(net)", "A net."]
    assert cells[1].metadata["mystnb"]["figure"] == {
        "caption": "A {term}`net`.\n",
        "name": "net",
    }


def test_entries_are_read_from_the_directive():
    text = """\
Not this
```{glossary}
:sorted:

.. words: nets, a net
net
  A model. See
  {term}`trace`.

trace
  A sum.
```
nor this
"""
    assert parse_entries(text) == [
        Entry("net", ("nets", "a net")),
        Entry("trace", ("trace",)),
    ]
    assert parse_entries("# No glossary\n") == []


def test_a_book_may_have_no_glossary(book):
    assert load_entries(book.project) == []


# --- the real book ----------------------------------------------------------------


def texts(notebook):
    """Prose and captions of a chapter."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            yield cell.metadata.get("mystnb", {}).get("figure", {}).get("caption", "")


@pytest.fixture(scope="module")
def entries():
    return load_entries(load(ROOT))


def test_no_two_entries_share_a_word(entries):
    words = Counter(word.lower() for entry in entries for word in entry.words)
    assert {word for word, count in words.items() if count > 1} == set()
    assert len({entry.term for entry in entries}) == len(entries)


def test_every_chapter_links_each_entry_once(entries):
    """A chapter that uses a term links it: no chapter has to see to that."""
    terms = {entry.term for entry in entries}
    total: Counter[str] = Counter()
    for chapter in load_chapters(load(ROOT)):
        notebook = read_source(chapter.source)
        before = "\n".join(texts(notebook))
        link_terms(notebook, entries)
        after = "\n".join(texts(notebook))
        links = re.findall(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", after)
        counts = Counter(link.strip() for link in links)
        assert set(counts) <= terms
        assert set(counts.values()) <= {1}, chapter.name
        total += counts
        plain = re.sub(r"\{term\}`([^`<]*?)(?: <[^`>]+>)?`", r"\1", after)
        assert plain.split() == before.split()  # the words are the chapter's
    assert total["1-SAM"] > 5 and total["retraction"] > 3


def test_the_glossary_of_the_book_defines_what_its_pages_lean_on(entries):
    terms = {entry.term for entry in entries}
    assert terms >= {
        *("retraction", "kink", "trace", "trace over bound", "certified bound"),
        *("1-SAM", "n-SAM", "interpolation", "flattest", "face", "verdict"),
        *("memorising network", "generalising network", "neural tangent kernel"),
        *("interval", "committed run", "chaotic run", "scale"),
    }
