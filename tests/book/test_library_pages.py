"""The library's pages: what their examples show is what they give."""

import doctest
import re
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
EXAMPLE = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = sorted(path.stem for path in BOOK.glob("api*.md"))
WITHOUT = {"api", "api-theory", "api-measures"}
"""Pages that show no example of their own."""


def examples(page: str) -> str:
    """The examples of a page, one after another."""
    return "\n".join(EXAMPLE.findall((BOOK / f"{page}.md").read_text("utf8")))


@pytest.mark.parametrize("page", sorted(set(PAGES) - WITHOUT))
def test_examples_give_what_they_show(page):
    test = doctest.DocTestParser().get_doctest(examples(page), {}, page, None, None)
    assert len(test.examples) > 2
    said: list[str] = []
    result = doctest.DocTestRunner().run(test, out=said.append)
    assert result.failed == 0, "".join(said)


def test_the_pages_without_examples_are_these():
    assert {page for page in PAGES if not examples(page)} == WITHOUT
