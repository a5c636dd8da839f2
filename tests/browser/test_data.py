"""The data that pages offer is what their figures and tables show."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat import read as read_notebook

from flatminima.claims.agreement import documents
from flatminima_book.shown import MIME
from tests.book.svg_marks import read, strays
from tests.browser.views import HTML, pages

EXECUTED = HTML.parent / "executed"
BY_THEIR_PICTURES = ("start", "hinge", "imagenet-table")
"""Chapters whose figures are read by their ticks, mark by mark."""

FAR = 0.2
"""Pixels between a number and its mark in a picture."""


def soup(name: str) -> BeautifulSoup:
    """A parsed page."""
    return BeautifulSoup((HTML / name).read_text("utf8"), "html.parser")


def offered(page: Any, name: str) -> list[Path]:
    """CSV files that a part of a page links to."""
    links = page.select(".data-links a[href$='.csv']")
    return [(HTML / name).parent / link["href"] for link in links]


def chapters() -> list[str]:
    """Pages of executed chapters."""
    known = {f"book/{path.stem}.html" for path in EXECUTED.glob("*.ipynb")}
    return [name for name in pages() if name in known]


@pytest.mark.parametrize("name", chapters())
def test_every_figure_and_table_offers_its_data(name: str) -> None:
    """What the notebook showed is what the files hold, to the last character."""
    page = soup(name)
    for picture in page.select(".cell_output img"):
        figure = picture.find_parent("figure") or picture.find_parent(
            class_="cell_output"
        )
        assert offered(figure, name), picture.get("alt")
    for table in page.select(".cell_output table"):
        assert offered(table.find_parent(class_="cell_output"), name)
    files = offered(page, name)
    assert len(files) == len(set(files))
    for path in files:
        told = json.loads(path.with_suffix(".json").read_text("utf8"))
        with path.open(encoding="utf8", newline="") as file:
            heads = next(csv.reader(file))
        assert set(told["columns"]) == set(heads)
    chapter = name.removeprefix("book/").removesuffix(".html")
    notebook = read_notebook(EXECUTED / f"{chapter}.ipynb", as_version=4)
    shown = [
        output.data[MIME]["csv"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME in output.get("data", {})
    ]
    written = [path.read_text("utf8") for path in files]
    assert [text for text in written if text in set(shown)] == shown


@pytest.mark.parametrize("chapter", BY_THEIR_PICTURES)
def test_the_numbers_of_a_figure_are_those_of_its_picture(chapter: str) -> None:
    """Read by its ticks, a picture has a mark wherever its file has a point."""
    name = f"book/{chapter}.html"
    looked = 0
    for figure in soup(name).select("figure:has(.data-links)"):
        table = pd.read_csv(offered(figure, name)[0])
        picture = (HTML / name).parent / str(figure.find("img")["src"])
        panels = read(picture.read_text("utf8"))
        for number, panel in enumerate(panels, 1):
            rows = table[(table["panel"] == number) & table["mark"].isin(DOTS)]
            rows = rows[rows["x"].notna() & rows["y"].notna()]
            x, y = rows["x"].to_numpy(), rows["y"].to_numpy()
            missing = strays(panel, x, y, FAR)
            assert missing in (0, None), f"{figure['id']}, panel {number}: {missing}"
            looked += 0 if missing is None else len(rows)
    assert looked > 20, f"only {looked} points of {chapter} could be read"


DOTS = ("points", "line")


@pytest.mark.parametrize("chapter", BY_THEIR_PICTURES)
def test_the_cells_of_a_table_are_those_of_its_file(chapter: str) -> None:
    """Up to the digits that the page shows."""
    name = f"book/{chapter}.html"
    looked = 0
    for table in soup(name).select(".cell_output table.dataframe"):
        (path,) = offered(table.find_parent(class_="text_html"), name)
        text = path.read_text("utf8")
        rows = list(csv.reader(io.StringIO(text)))[1:]
        body = table.select("tbody tr")
        assert len(body) == len(rows)
        for shown, kept in zip(body, rows, strict=True):
            cells = [cell.get_text(strip=True) for cell in shown.select("th, td")]
            # a cell over several rows is there once; files repeat it
            for one, other in zip(cells[::-1], kept[::-1], strict=False):
                assert _alike(one, " ".join(other.split())), (path.name, one, other)
                looked += 1
    assert looked or not soup(name).select(".cell_output table.dataframe")


def _alike(shown: str, kept: str) -> bool:
    """Whether a cell shows what a file holds."""
    if shown == kept or (shown in ("NaN", "None", "") and kept == ""):
        return True
    try:
        one, other = float(shown), float(kept)
    except ValueError:
        return "".join(shown.split()) == "".join(kept.split())
    digits = len(shown.partition("e")[0].partition(".")[2])
    power = int(shown.partition("e")[2] or 0)
    return math.isclose(one, other, abs_tol=0.5001 * 10.0 ** (power - digits))


def test_the_filter_needs_no_script(browser: Any) -> None:
    """With scripts off a choice hides the other claims, and all come back."""
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((HTML / "book/scorecard.html").as_uri())
    entries = json.loads((HTML / "data/scorecard.json").read_text("utf8"))
    assert tab.locator(".claim").count() == len(entries)
    tab.get_by_label("Verdict").select_option("fails")
    fails = sum(entry["verdict"] == "fails" for entry in entries)
    assert tab.locator(".claim:visible").count() == fails
    chapter = next(e["chapter"] for e in entries if e["verdict"] == "fails")
    tab.get_by_label("Chapter").select_option(f"in-{chapter}")
    both = [e for e in entries if (e["verdict"], e["chapter"]) == ("fails", chapter)]
    assert tab.locator(".claim:visible").count() == len(both)
    tab.get_by_label("Verdict").select_option("")
    tab.get_by_label("Chapter").select_option("")
    assert tab.locator(".claim:visible").count() == len(entries)
    context.close()


def test_the_filter_counts_and_can_be_passed_on(browser: Any) -> None:
    """With scripts the page says how many are left, and an address asks for them."""
    entries = json.loads((HTML / "data/scorecard.json").read_text("utf8"))
    address = (HTML / "book/scorecard.html").as_uri()
    first = next(entry for entry in entries if entry["origin"] == "source")
    verdict, source = first["verdict"], documents(first["source"])[0]
    wanted = sum(
        entry["verdict"] == verdict
        and source in documents(entry["source"])
        and entry["origin"] == "source"
        for entry in entries
    )
    assert 0 < wanted < len(entries)
    tab = browser.new_page()
    tab.goto(f"{address}?verdict=is-{verdict.replace(' ', '-')}&source=of-{source}")
    said = tab.locator(".claim-count").text_content()
    assert said == f"{wanted} of {len(entries)} claims"
    assert tab.locator(".claim:visible").count() == wanted
    tab.get_by_role("button", name="Show all").click()
    tab.wait_for_function("!document.querySelector('.claim-filter select').value")
    assert tab.locator(".claim:visible").count() == len(entries)
    tab.close()


def test_no_page_is_heavy() -> None:
    """A page and its pictures, without what all pages share: median and largest."""
    weights = []
    for name in chapters():
        path = HTML / name
        page = soup(name)
        parts = {
            (path.parent / str(i["src"])).resolve() for i in page.select("img[src]")
        }
        shared = (HTML / "_static").resolve()
        own = [part for part in parts if shared not in part.parents]
        weights.append(path.stat().st_size + sum(part.stat().st_size for part in own))
    assert np.median(weights) <= 600e3
    assert max(weights) <= 2e6
