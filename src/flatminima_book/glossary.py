"""The glossary: its terms are linked where a chapter first uses them.

Chapters are written in plain words; the press adds the links to the pages. A chapter
that links a term itself keeps its own link. A line ``.. words: a, b`` above a term of
the glossary names the words that chapters use for it, in place of the term.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flatminima_book.notebooks import Notebook
from flatminima_book.project import Project

PAGE = "glossary.md"
DIRECTIVE = re.compile(
    r"^(`{3,})\{glossary\}[^\n]*\n(.*?)^\1\s*$", re.MULTILINE | re.DOTALL
)
OWN_LINK = re.compile(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`")
# What holds no prose that could carry a link.
PROTECTED = [
    re.compile(pattern, re.MULTILINE | re.DOTALL)
    for pattern in (
        r"^(`{3,}|~{3,}).*?^\1`*\s*$",  # fenced blocks
        r"\$\$.*?\$\$",
        r"^\\begin\{(\w+\*?)\}.*?^\\end\{\1\}",
        r"(?<!\\)\$[^$\n]*(?:\n[^$\n]+)?\$",
        r"(?:\{[\w:.-]+\})?(`+)(?!`).+?(?<!`)\1(?!`)",  # roles and code spans
        r"!?\[[^\]]*\]\([^)]*\)",  # links
        r"\[[^\]]*\]\{[^}]*\}",  # spans with attributes
        r"^#+ .*?$",
        r"^\([\w-]+\)=\s*$",
        r"^:{3,}.*?$",
        r"^:[\w-]+:.*?$",
        r"^\{[.#][^}]*\}\s*$",
        r"<[^>]+>",
    )
]
HIDDEN = "\0"
WORDS = ".. words:"


@dataclass(frozen=True)
class Entry:
    """One definition of the glossary.

    Attributes:
        term: What it defines.
        words: What chapters call it.
    """

    term: str
    words: tuple[str, ...]


def load_entries(project: Project) -> list[Entry]:
    """Read the glossary of a book.

    Args:
        project: The book.

    Returns:
        Its entries in order; none when the book has no glossary.
    """
    path = project.book / PAGE
    return parse_entries(path.read_text("utf8")) if path.is_file() else []


def parse_entries(text: str) -> list[Entry]:
    """Read the entries of a page's glossary.

    Args:
        text: MyST. In the directive, lines without indentation are terms.

    >>> parse_entries("```{glossary}\\n.. words: net, nets\\nnet\\n  A model.\\n```\\n")
    [Entry(term='net', words=('net', 'nets'))]
    """
    entries = []
    for block in DIRECTIVE.finditer(text):
        words: tuple[str, ...] = ()
        for line in block[2].splitlines():
            if line.startswith(WORDS):
                words = tuple(w.strip() for w in line[len(WORDS) :].split(","))
            elif line.strip() and not line[0].isspace() and not line.startswith(":"):
                entries.append(Entry(line.strip(), words or (line.strip(),)))
                words = ()
    return entries


def link_terms(notebook: Notebook, entries: Sequence[Entry]) -> None:
    """Link each term where the prose or a caption of a chapter first uses it, in place.

    Args:
        notebook: The chapter. Headings, code, formulas, links and fenced blocks are
            left alone, and so is an entry that the chapter links itself.
        entries: Of the glossary.
    """
    places = _places(notebook)
    texts = link_first_uses([holder[key] for holder, key in places], entries)
    for (holder, key), text in zip(places, texts, strict=True):
        holder[key] = text


def _places(notebook: Notebook) -> list[tuple[Any, str]]:
    """Where a chapter has prose, in order: an object, and its key."""
    places: list[tuple[Any, str]] = []
    for cell in notebook.cells:
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        if cell.cell_type == "markdown":
            places.append((cell, "source"))
        elif "caption" in figure:
            places.append((figure, "caption"))
    return places


def link_first_uses(texts: Sequence[str], entries: Sequence[Entry]) -> list[str]:
    """Link the first use of each entry in texts that are read one after another.

    A use of "trace over bound" is none of "trace", if both are words of an entry.

    Args:
        texts: MyST.
        entries: Of the glossary.

    Returns:
        The texts with roles in place of the words.
    """
    if not entries:
        return list(texts)
    by_word = {word.lower(): entry for entry in entries for word in entry.words}
    pattern = _pattern(by_word)
    own = {name.strip() for text in texts for name in OWN_LINK.findall(text)}
    linked = {entry for entry in entries if entry.term in own}
    found = []
    for text in texts:
        pieces, end = [], 0
        for use in pattern.finditer(_prose(text)):
            entry = by_word[_one_line(use[0]).lower()]
            if entry not in linked:
                linked.add(entry)
                pieces += [text[end : use.start()], _role(use[0], entry)]
                end = use.end()
        found.append("".join([*pieces, text[end:]]))
    return found


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Any of some words, the longest first, though lines break within."""
    spaced = (
        r"\s+".join(map(re.escape, word.split()))
        for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<![\w-])(?:{'|'.join(spaced)})(?![\w-])", re.IGNORECASE)


def _role(words: str, entry: Entry) -> str:
    shown = _one_line(words)
    inside = entry.term if shown == entry.term else f"{shown} <{entry.term}>"
    return f"{{term}}`{inside}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _prose(text: str) -> str:
    """The text with everything blotted out that holds no prose."""

    def blot(found: re.Match[str]) -> str:
        return HIDDEN * len(found[0])

    for pattern in PROTECTED:
        text = pattern.sub(blot, text)
    return text
