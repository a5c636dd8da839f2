"""Links of the built pages, read without a browser."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup

from tests.browser.views import HTML, pages

ROOT = HTML.parents[1]
REPOSITORY = "github.com/flatminima/flatminima"


@cache
def soup(path: Path) -> BeautifulSoup:
    """A parsed page."""
    return BeautifulSoup(path.read_text("utf8"), "html.parser")


@cache
def anchors(path: Path) -> frozenset[str]:
    """Everything on a page that a fragment can name."""
    return frozenset(str(node["id"]) for node in soup(path).find_all(id=True))


def targets(name: str) -> list[str]:
    """All targets of a page."""
    return [
        str(node[key])
        for tag, key in (
            ("a", "href"),
            ("link", "href"),
            ("script", "src"),
            ("img", "src"),
        )
        for node in soup(HTML / name).find_all(tag)
        if node.get(key)
    ]


@pytest.mark.parametrize("name", pages())
def test_internal_links_resolve(name: str) -> None:
    """Every link to a page, a place on it, or a file leads somewhere."""
    broken = []
    for target in targets(name):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        path = (HTML / name).parent / unquote(parts.path) if parts.path else HTML / name
        if not path.is_file():
            broken.append(target)
        elif path.suffix == ".html" and parts.fragment:
            place = unquote(parts.fragment)
            broken += [] if place in anchors(path) else [target]
    assert not broken


@pytest.mark.parametrize("name", [n for n in pages() if n.startswith("book/")])
def test_links_to_the_repository_name_files_that_are_there(name: str) -> None:
    """Colab and Binder open the paired notebook of this very page."""
    launched = []
    for target in targets(name):
        for mark in ("colab.research.google.com/github/", "urlpath=lab/tree/"):
            if mark in target:
                launched.append(target)
                assert "/main" in target
                path = "book/" + target.split("book/", 1)[1]
                assert path == name.replace(".html", ".ipynb")
                assert (ROOT / path).is_file()
    if (ROOT / name).with_suffix(".ipynb").is_file():
        assert len(launched) == 2, "the page has no Colab and Binder buttons"


def test_index_leads_to_the_book() -> None:
    """The front door opens on a page of the table of contents."""
    text = (HTML / "index.html").read_text("utf8")
    assert "url=book/" in text
    first = text.split("url=", 1)[1].split('"', 1)[0]
    assert (HTML / first).is_file()
