"""Data to take away: from a chapter's outputs to files beside its page."""

import csv
import gzip
import io
import json

import pandas as pd
import pytest
from bs4 import BeautifulSoup

from flatminima.results import devices, dictionary
from flatminima_book.build import build_book
from flatminima_book.site_data import SCORECARD
from flatminima_book.verdicts import KEYS
from tests.book.fixture_book import REPOSITORY, claim, code, make_book

RUN = {"module": "flatminima.runs.mlp.train", "history": {"step": [0]}}
DEVICE = {"kind": "cpu", "name": "Abacus 3"}
DRAW = """\
import matplotlib.pyplot as plt
import pandas as pd

table = pd.DataFrame({"step": [1, 2, 3], "loss": [0.5, 1 / 3, 0.1]})
_, axis = plt.subplots()
_ = axis.plot(table["step"], table["loss"], label="SGD")"""
FIGURE = f"""\
```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: fig-loss
    caption: |
      The *loss* falls.
---
{DRAW}
```
"""
TABLE = code('table.set_index("step")')


@pytest.fixture(scope="module")
def built(tmp_path_factory, quickly):
    """A book whose first chapter draws a figure and shows a table."""
    book = make_book(tmp_path_factory.mktemp("data") / "book")
    book.edit("pyproject.toml", "[tool.flatminima_book]", SETTING)
    (book.root / "results").mkdir()
    (book.root / "results/one.jsonl").write_text(json.dumps(RUN) + "\n", "utf8")
    devices.keep([DEVICE], book.root / "results/one.jsonl")
    book.chapter("one", claim("one-a", "one"), FIGURE, TABLE)
    with quickly():
        assert build_book(book.project, lambda line: None) == []
    return book


SETTING = '[tool.flatminima_book]\nruns = "results/*.jsonl"'


def soup(book, name):
    path = book.root / f"_build/html/book/{name}.html"
    return BeautifulSoup(path.read_text("utf8"), "html.parser")


def target(book, link):
    """The file that a link of a page leads to."""
    return book.root / "_build/html/book" / link["href"]


def test_the_numbers_of_a_figure_stand_below_it_and_are_what_was_plotted(built):
    figure = soup(built, "one").find("figure", id="fig-loss")
    numbers, settings = figure.select("figcaption .data-links a")
    table = pd.read_csv(target(built, numbers))
    assert table["x"].tolist() == [1, 2, 3]
    assert table["y"].tolist() == [0.5, 1 / 3, 0.1]
    assert set(table["series"]) == {"SGD"}
    told = json.loads(target(built, settings).read_text("utf8"))
    assert told["parameters"] == {"d": 3, "seeds": [0, 1]}
    assert told["code"] == DRAW
    assert told["caption"] == "The *loss* falls."
    assert told["page"] == "book/one.html#fig-loss"
    assert set(told["columns"]) == set(table.columns)
    assert "{" not in figure.find("img")["alt"]
    assert "Numbers" not in figure.find("img")["alt"]


def test_a_table_and_a_table_of_claims_have_theirs(built):
    page = soup(built, "one")
    links = {
        link["href"].rsplit("/", 1)[1]: link for link in page.select(".data-links a")
    }
    shown = pd.read_csv(target(built, links["table-1.csv"]))
    assert shown.to_dict("list") == {"step": [1, 2, 3], "loss": [0.5, 1 / 3, 0.1]}
    claims = pd.read_csv(target(built, links["claims-1.csv"]))
    assert claims["id"].tolist() == ["one-a"] and claims["effect"].tolist() == [0.5]
    assert page.select_one("table.dataframe").find_next("a") is links["table-1.csv"]


def test_the_page_of_the_data_lists_all_of_it(built):
    page = soup(built, "data")
    listed = {link["href"] for link in page.select("a[href^='../data/']")}
    folder = built.root / "_build/html/data"
    there = {
        f"../data/{path.relative_to(folder).as_posix()}"
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert listed == there
    packed = (folder / "runs/one.jsonl.gz").read_bytes()
    assert json.loads(gzip.decompress(packed)) == RUN
    told = json.loads((folder / "runs/devices.json").read_text("utf8"))
    assert told == {devices.name_of(DEVICE): DEVICE}


def test_the_scorecard_is_a_table_with_a_place_for_every_claim(built):
    folder = built.root / "_build/html/data"
    entries = json.loads((folder / "scorecard.json").read_text("utf8"))
    with (folder / "scorecard.csv").open(encoding="utf8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [entry["id"] for entry in entries]
    assert list(rows[0]) == list(KEYS) == list(SCORECARD)
    page = soup(built, "scorecard")
    for entry in entries:
        assert "claim" in page.find(id=f"claim-{entry['id']}")["class"]
    assert {"is-holds", "of-000", "in-one"} <= set(page.find(id="claim-one-a")["class"])
    fields = {field["name"] for field in page.select("form.claim-filter select")}
    assert fields == {"source", "verdict", "chapter"}


def test_a_page_says_how_to_cite_it_and_what_it_is_about(built):
    page = soup(built, "one")
    entry = page.select_one(".cite-page pre").get_text()
    assert entry.startswith("@misc{flatminima-one,")
    assert "title = {{Chapter one}}" in entry
    assert "howpublished = {In: flatminima}" in entry
    assert "url = {https://flatminima.github.io/flatminima/book/one.html}" in entry
    told = {
        tag.get("property") or tag.get("name"): tag["content"]
        for tag in page.find_all("meta", content=True)
    }
    assert told["og:title"] == "Chapter one"
    assert told["description"] and told["og:description"]
    picture = told["og:image"].removeprefix("https://flatminima.github.io/flatminima/")
    assert (built.root / "_build/html" / picture).read_bytes()[:4] == b"\x89PNG"
    site = (built.root / "_build/html/sitemap.xml").read_text("utf8")
    assert "https://flatminima.github.io/flatminima/book/one.html" in site


def test_a_figure_without_numbers_is_a_problem(book, quick):
    svg = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    drawn = code(f'from IPython.display import SVG\n\nSVG("{svg}")')
    book.chapter("two", drawn, claim("two-a", "two", "fails"))
    problems = build_book(book.project, lambda line: None, pages=False)
    assert any("a figure carries no numbers" in line for line in problems)


def test_every_column_of_the_committed_runs_has_its_meaning():
    unsaid, kinds = set(), dictionary.configs()
    for path in sorted((REPOSITORY / "results").glob("*.jsonl")):
        with path.open(encoding="utf8") as file:
            row = json.loads(next(file))
        assert set(row) <= set(dictionary.ROW), path.name
        unsaid |= {name for name in row["history"] if not dictionary.meaning(name)}
        fields = kinds[row["module"].removeprefix("flatminima.runs.")]
        unsaid |= {name for name in row["config"] if not fields.get(name)}
    assert not unsaid
    assert not dictionary.meaning("no-such-column")


def test_text_with_commas_and_lines_survives():
    from flatminima_book.downloads import as_csv

    rows = [{"a": 'x, "y"\nz', "b": None}, {"a": 0.1, "b": 1 / 3}]
    back = list(csv.DictReader(io.StringIO(as_csv(rows))))
    assert back[0] == {"a": 'x, "y"\nz', "b": ""}
    assert float(back[1]["b"]) == 1 / 3
