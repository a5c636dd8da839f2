"""Docstrings in Google's style, and the MyST that shows them.

The engine writes its docstrings as plain text: code in single backticks, formulas as
indented lines, now and then a word in bold. So its paragraphs are nearly Markdown, and
what Markdown would take for more than that is escaped.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from textwrap import dedent

SECTIONS = ("Args", "Attributes", "Returns", "Yields", "Raises", "Warns")
FREE = ("Returns", "Yields")
"""Sections that are a text, not a list of names."""

HEAD = re.compile(rf"({'|'.join(SECTIONS)}):")
ITEM = re.compile(r"([*\w][^:]*?): ?(.*)", re.DOTALL)
CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
BOLD = re.compile(r"\*\*(\w[^*\n]*?)\*\*")
RISKY = re.compile(r"[\\*_<>$\[\]|~{}#]")
LISTED = re.compile(r"(?m)^(\s*)(\d+)([.)]) ")

Link = Callable[[str], str]
"""From the text of a code span to MyST in its place."""


@dataclass(frozen=True)
class Item:
    """What one line of a section is about, and what it says.

    Attributes:
        name: as written, such as ``x`` or ``w, v``; empty in sections of free text.
        text: the words.
    """

    name: str
    text: str


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts.

    Attributes:
        text: everything outside of sections: what, formulas, examples.
        sections: by heading, the items in order.
    """

    text: str
    sections: dict[str, tuple[Item, ...]]

    @property
    def summary(self) -> str:
        """The first paragraph in one line."""
        return " ".join(self.text.split("\n\n", 1)[0].split())


def parse(text: str) -> Docstring:
    """Read a docstring.

    Args:
        text: As it stands in the source. A section ends with its indentation.

    >>> parse("Half.\\n\\nArgs:\\n    x: a number,\\n        even.\\n").sections["Args"]
    (Item(name='x', text='a number, even.'),)
    """
    outside: list[str] = []
    inside: dict[str, list[str]] = {}
    current: list[str] = outside
    for line in inspect.cleandoc(text).splitlines():
        if head := HEAD.fullmatch(line):
            current = inside.setdefault(head[1], [])
            continue
        if line and not line[0].isspace() and current is not outside:
            current = outside
            outside.append("")
        current.append(line)
    sections = {
        name: tuple(_items(lines, free=name in FREE)) for name, lines in inside.items()
    }
    return Docstring("\n".join(outside).strip(), sections)


def _items(lines: Sequence[str], *, free: bool) -> Iterator[Item]:
    text = dedent("\n".join(lines)).strip()
    if free:
        yield Item("", text)
        return
    for part in re.split(r"\n(?=\S)", text):
        found = ITEM.fullmatch(part)
        name, words = (found[1], found[2]) if found else ("", part)
        yield Item(name, " ".join(words.split()))


def escape(text: str, link: Link | None = None) -> str:
    """Plain text as MyST that shows it; code spans and bold words stay.

    Args:
        text: A paragraph.
        link: Given what a code span holds, the MyST to put there.

    >>> escape("|e|_p of `a_b`, **Note.** f * g")
    '\\\\|e\\\\|\\\\_p of `a_b`, **Note.** f \\\\* g'
    """
    pieces, end = [], 0
    for code in CODE.finditer(text):
        inner = " ".join(code[2].split())
        pieces.append(_escape_prose(text[end : code.start()]))
        pieces.append(link(inner) if link else f"{code[1]}{inner}{code[1]}")
        end = code.end()
    return "".join([*pieces, _escape_prose(text[end:])])


def _escape_prose(text: str) -> str:
    pieces, end = [], 0
    for bold in BOLD.finditer(text):
        pieces += [RISKY.sub(r"\\\g<0>", text[end : bold.start()]), bold[0]]
        end = bold.end()
    prose = "".join([*pieces, RISKY.sub(r"\\\g<0>", text[end:])])
    return LISTED.sub(r"\1\2\\\3 ", prose)


def myst(text: str, link: Link | None = None) -> str:
    """The text of a docstring as MyST: paragraphs, formulas, examples.

    Args:
        text: Paragraphs apart by blank lines. An indented one is shown as it stands,
            and one that begins with ``>>>`` is an example.
        link: As in `escape`.
    """
    shown: list[tuple[str, str]] = []
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        if not block.strip():
            continue
        kind = "prose"
        if block.startswith(">>>"):
            kind = "pycon"
        elif all(line.startswith("  ") for line in block.splitlines()):
            kind, block = "text", dedent(block)
        if kind == "text" and shown and shown[-1][0] == kind:
            block = f"{shown.pop()[1]}\n\n{block}"
        shown.append((kind, block))
    return "\n\n".join(
        escape(block, link) if kind == "prose" else f"```{kind}\n{block}\n```"
        for kind, block in shown
    )
