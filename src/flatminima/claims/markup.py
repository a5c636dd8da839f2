"""The little Markdown that sentences may have, as HTML and on a terminal."""

import html
import re

from flatminima.claims.sentences import MATH

MARKS = [
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*([^*]+)\*"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([\w-]+)\.md\)"), r'<a href="\2.ipynb">\1</a>'),
    (re.compile(r"\[([^\]]+)\]\(([^)]+)\)"), r'<a href="\2">\1</a>'),
]
"""Markdown of a sentence as HTML; another chapter is a notebook beside this one."""

BARE = re.compile(r"\*+|(?<=\])\([^)]+\)|[\[\]]")


def inline_html(markdown: str) -> str:
    """The little Markdown that a sentence may have, as HTML; formulas stay."""
    parts = []
    for part in MATH.split(markdown):
        text = html.escape(part, quote=False)
        if not MATH.fullmatch(part):
            for pattern, replacement in MARKS:
                text = pattern.sub(replacement, text)
        parts.append(text)
    return "".join(parts)


def plain(markdown: str) -> str:
    """The little Markdown that a sentence may have, as it reads on a terminal."""
    return BARE.sub("", markdown)
