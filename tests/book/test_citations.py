"""The bibliography: every entry is used and complete, and every citation is there."""

import re
from pathlib import Path

import pytest
from pybtex.database import parse_file

BOOK = Path(__file__).parents[2] / "book"
CITED = re.compile(r"\{cite:[a-z]+\}`([^`]+)`")
ENTRIES = parse_file(BOOK / "references.bib").entries
TEXTS = {path.name: path.read_text("utf-8") for path in sorted(BOOK.glob("*.md"))}


def keys(text: str) -> list[str]:
    """The entries that a text cites."""
    return [key.strip() for found in CITED.findall(text) for key in found.split(",")]


def test_citations_and_entries_are_the_same():
    cited = {key for text in TEXTS.values() for key in keys(text)}
    assert cited == set(ENTRIES)


@pytest.mark.parametrize("key", list(ENTRIES))
def test_an_entry_can_be_found_by_its_reader(key):
    entry = ENTRIES[key]
    assert entry.persons["author"], key
    assert entry.fields["title"], key
    names = [person.last_names[-1].lower() for person in entry.persons["author"]]
    assert re.fullmatch(r"[a-z]+\d{4}[a-z]+", key)
    assert key.startswith(re.sub("[^a-z]", "", names[0]))
    where = {"journal", "booktitle", "howpublished", "note"} & set(entry.fields)
    assert where, key
    note = entry.fields.get("note", "")
    assert not note or re.fullmatch(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+/\d{7})", note)


@pytest.mark.parametrize("name", list(TEXTS))
def test_a_citation_stands_in_a_sentence(name):
    """No bare lists: a sentence says what a source shows, so it cites two at most."""
    prose = re.sub(r"^\|.*$", "", TEXTS[name], flags=re.M)  # rows of tables are none
    for sentence in re.split(r"(?<=[.:?!])\s+", prose):
        assert len(keys(sentence)) <= 2, sentence
