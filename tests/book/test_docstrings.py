"""Docstrings: parts of Google's style, and MyST that shows what is written."""

import inspect

import pytest
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from flatminima.sharpness import average, estimate, products
from flatminima.theory.certificates import certificate
from flatminima_book.docstrings import Item, escape, myst, parse

PARSER = create_md_parser(
    MdParserConfig(enable_extensions={"dollarmath", "deflist", "colon_fence"}),
    RendererHTML,
)
TEXT = """What it is.

    f = a * b,  g = |x|_p

More of it, by `other`.

Args:
    x: a number,
        or two: both count.
    low, high: ends.
    *rest: the others.

Returns:
    One number.

    Or none.

Raises:
    ValueError: if x is 0.

>>> 1 + 1
2
"""


def shown(text: str) -> str:
    """What a reader sees of MyST, without marks."""
    from bs4 import BeautifulSoup

    return BeautifulSoup(PARSER.render(text), "html.parser").get_text()


def test_the_parts_of_a_docstring():
    found = parse(TEXT)
    assert found.summary == "What it is."
    assert found.sections == {
        "Args": (
            Item("x", "a number, or two: both count."),
            Item("low, high", "ends."),
            Item("*rest", "the others."),
        ),
        "Returns": (Item("", "One number.\n\nOr none."),),
        "Raises": (Item("ValueError", "if x is 0."),),
    }
    assert found.text.endswith(">>> 1 + 1\n2")


def test_formulas_and_examples_keep_their_form():
    assert myst(parse(TEXT).text) == (
        "What it is.\n\n```text\nf = a * b,  g = |x|_p\n```\n\n"
        "More of it, by `other`.\n\n```pycon\n>>> 1 + 1\n2\n```"
    )


@pytest.mark.parametrize(
    "text",
    [
        "f * g and f*g, w_j _of_ |e|_p <= rho",
        "a < b > c & <b>no tag</b>",
        "$5 and [n](d) {k}`x`, ~ # no heading",
        "1. a number, not a list",
        "2^d \\ {0, 1}^d",
    ],
)
def test_plain_text_is_shown_as_it_is_written(text):
    assert shown(escape(text)).strip() == text.replace("`", "")


def test_code_and_bold_words_stay_and_code_can_be_linked():
    text = "**Kinks.** Give `f(x)` to `certify`"
    assert escape(text) == text
    assert escape(text, lambda code: f"<{code}>").endswith("Give <f(x)> to <certify>")


@pytest.mark.parametrize("module", [average, certificate, products, estimate])
def test_real_docstrings_are_shown_word_by_word(module):
    """What a reader sees has every word of the source, and no other."""
    written = inspect.getdoc(module).replace("`", "").replace("**", "")
    assert shown(myst(parse(inspect.getdoc(module)).text)).split() == written.split()
