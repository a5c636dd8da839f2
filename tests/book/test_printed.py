"""A printed book: the one page, and what is found wrong with a PDF."""

import re

import matplotlib.pyplot as plt
import pytest
from matplotlib.backends.backend_pdf import PdfPages

from flatminima_book.one_page import article, printed_parts, title_of, write_page
from flatminima_book.printed import look
from flatminima_book.project import load
from tests.book.fixture_book import make_book

PAGE = """\
<html><head><link rel="stylesheet" href="../_static/a.css" />
<script>window.MathJax = {{}}</script>
<script src="../_static/mathjax/tex-chtml.js"></script></head>
<body><h1>Wrong</h1><article class="bd-article">
<section id="top">
<h1>Title of <em>{name}</em><a class="headerlink" href="#top">#</a></h1>
<p id="one two"><a href="#top">up</a> <a href="{other}.html#top">over</a>
<a href="api.html#x">out</a> <a href="https://a.b/c">far</a>
<a href="{other}.html">all</a>
<img src="../_images/p.svg" alt="a" /></p>
<link rel="stylesheet" href="../_static/live/b.css" />
<script>live()</script><noscript><p>still</p></noscript>
<pre>id=&quot;top&quot;</pre>
</section></article></body></html>
"""


@pytest.fixture
def project(tmp_path):
    """A book with an API page, as if it had been built."""
    book = make_book(tmp_path / "book-root")
    path = book.root / "pyproject.toml"
    more = (
        '[project]\nversion = "7.8"\n[project.urls]\nHomepage = "https://site/"\n'
        '[tool.flatminima_book.reference]\nreferences = ["flatminima.optim"]\n'
    )
    path.write_text(path.read_text("utf8") + more, "utf8")
    for name, other in (("intro", "one"), ("one", "two"), ("two", "intro")):
        text = PAGE.format(name=name, other=other)
        book.write(f"_build/html/book/{name}.html", text)
    for name in ("scorecard", "data", "rerun", "status"):
        text = PAGE.format(name=name, other="one")
        book.write(f"_build/html/book/{name}.html", text)
    return load(book.root)


def test_anchors_and_links_lead_within_the_one_page(project):
    target = project.build / "print.html"
    titles = write_page(project, target)
    text = target.read_text("utf8")
    assert list(titles) == [
        *("intro", "one", "two"),
        *("scorecard", "data", "rerun", "status"),
    ]
    assert titles["one"] == "Title of <em>one</em>"
    ids = re.findall(r'\bid="([^"]+)"', text)
    single = [each for ids_of in ids for each in ids_of.split()]
    assert len(single) == len(set(single))
    for link in re.findall(r'href="#([^"]*)"', text):
        assert link in single, link
    assert 'href="https://site/book/api.html#x"' in text
    assert 'href="https://a.b/c"' in text
    assert 'src="html/_images/p.svg"' in text and 'href="html/_static/a.css"' in text
    assert 'href="html/_static/live/b.css"' in text and "https://site/_" not in text
    assert "live()" not in text and "<p>still</p>" in text and "noscript" not in text
    assert "id=&quot;top&quot;" in text
    assert "Version 7.8" in text


def test_the_reference_is_left_out_and_everything_else_is_in_order(project):
    names = [name for part in printed_parts(project) for name in part.pages]
    assert "references" not in names
    assert names[0] == "intro" and names[1:3] == ["one", "two"]


def test_a_page_that_was_not_built_is_named(project):
    (project.html / "book/two.html").unlink()
    with pytest.raises(ValueError, match=r"book/two\.html is missing; run: make book"):
        write_page(project, project.build / "print.html")


def test_a_page_without_an_article_has_no_title():
    assert title_of("<h1>x</h1>") == ""
    assert article("<p>x</p>", "a", [], "").startswith(
        '<article class="bd-article" id="a"'
    )


def pdf(path, *pages):
    """A PDF of some words, or of nothing, a page; a place for each."""
    with PdfPages(path) as document:
        for place, words in pages:
            figure = plt.figure(figsize=(8.27, 11.69))
            figure.text(*place, words)
            document.savefig(figure)
            plt.close(figure)
    return path


def test_sound_pages_have_nothing_wrong_and_their_captions_are_found(tmp_path):
    path = pdf(
        tmp_path / "a.pdf",
        ((0.3, 0.5), "Fig. 1 A curve"),
        ((0.3, 0.5), "as Fig. 9 shows\nFig. 2 Another"),
    )
    assert look(path) == (["Fig. 1", "Fig. 2"], [])


@pytest.mark.parametrize(
    ("place", "words", "wrong"),
    [
        ((0.3, 0.5), "", "is empty"),
        ((0.5, 0.01), "7", "is empty"),
        ((0.0, 0.5), "cut off", "is printed into the margin"),
        ((0.95, 0.5), "a long line", "is printed into the margin"),
        ((0.3, 0.5), "Math Processing Error", "shows 'Math Processing Error'"),
    ],
)
def test_what_is_wrong_with_a_page_is_said(place, words, wrong, tmp_path):
    path = pdf(tmp_path / "a.pdf", ((0.3, 0.5), "sound"), (place, words))
    assert look(path)[1] == [f"page 2: {wrong}"]
