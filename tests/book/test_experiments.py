"""Live experiments: their data, their weight, and the pages that load them."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from bs4 import BeautifulSoup
from docutils import nodes

from flatminima_book import experiments
from flatminima_book.hooks import Page
from flatminima_book.project import load

ROOT = Path(__file__).parents[2]
PROJECT = load(ROOT)
STATIC = ROOT / "book" / "_static" / "live"
NAMES = ("diagonal-networks", "hinge", "label-noise", "rescaling", "stability")
BYTES = 60_000
NEAR = 1e-5
"""Of trained weights, which another processor may round otherwise."""

# What a browser refuses on a disk, what could run foreign code, what moves by itself.
FORBIDDEN = (
    *("fetch(", "XMLHttpRequest", "import ", "import(", "export ", "Worker("),
    *("eval(", "Function(", "innerHTML", "document.write"),
    *("requestAnimationFrame", "setInterval", "animation", "transition", "@import"),
)


def differences(one, other, where=""):
    """Where two pieces of data differ by more than rounding."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        parts = [(f"{where}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        parts = [(f"{where}[{k}]", a, b) for k, (a, b) in enumerate(pairs)]
    elif isinstance(one, int | float) and isinstance(other, int | float):
        return [] if one == pytest.approx(other, rel=NEAR, abs=NEAR) else [where]
    else:
        return [] if one == other else [where]
    return [problem for at, a, b in parts for problem in differences(a, b, at)]


def test_experiments_are_these():
    assert tuple(experiments.names(PROJECT)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_data_are_up_to_date(name):
    """`python -m flatminima_book live` writes them."""
    kept = experiments.kept_data(PROJECT, name)
    assert differences(kept, experiments.fresh_data(name)) == []


def test_a_difference_is_found():
    assert differences({"a": [1.0, 2.0]}, {"a": [1.0, 2.1]}) == [".a[1]"]
    assert differences({"a": [1.0]}, {"a": [1.0, 2.0]}) == [".a"]
    assert differences({"a": 1}, {"b": 1}) == [""]


def test_data_that_are_something_else_are_refused(tmp_path):
    project = SimpleNamespace(book=tmp_path, where=lambda path: path.name)
    path = experiments.data_file(project, "hinge")
    path.parent.mkdir(parents=True)
    path.write_text("alert(1)", "utf8")
    with pytest.raises(ValueError, match=r"hinge-data\.js: is no data"):
        experiments.kept_data(project, "hinge")


def test_the_code_is_small_and_asks_for_nothing():
    files = [path for path in STATIC.iterdir() if path.suffix in (".js", ".css")]
    assert sum(path.stat().st_size for path in files) <= BYTES
    for path in files:
        text = path.read_text("utf8")
        if not path.name.endswith("-data.js"):
            assert [word for word in FORBIDDEN if word in text] == [], path.name
        assert text.replace("http://www.w3.org/2000/svg", "").count("://") == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_fragment_is_whole(name):
    """Inputs have labels, numbers have names, parts of the page are beside it."""
    text = (ROOT / "book" / "live" / f"{name}.html").read_text("utf8")
    soup = BeautifulSoup(text, "html.parser")
    inputs = soup.find_all("input")
    assert inputs
    for field in inputs:
        for tag in ("label", "output"):
            assert len(soup.find_all(tag, attrs={"for": field["id"]})) == 1
        assert field["id"].startswith(f"live-{name}-")
    for svg in soup.select(".live-panels > svg"):
        assert svg["role"] == "img"
        assert len(svg["aria-label"]) > 40
    still = soup.select_one("noscript img")
    assert len(still["alt"]) > 80
    scripts = [node["src"] for node in soup.find_all("script")]
    files = ["common", f"{name}-data", name]
    assert scripts == [f"../_static/live/{file}.js" for file in files]
    for source in [*scripts, still["src"]]:
        assert (ROOT / "book" / source.removeprefix("../")).is_file()
    chapter = (ROOT / "book" / f"{name}.md").read_text("utf8")
    assert chapter.count(f":file: live/{name}.html") == 1


def test_a_page_for_print_gets_the_still():
    fragment = (ROOT / "book" / "live" / "hinge.html").read_text("utf8")
    document = nodes.section("", nodes.raw("", fragment, format="html"))
    document += nodes.raw("", "<b>other</b>", format="html")
    app = SimpleNamespace(builder=SimpleNamespace(name="html"))
    experiments.put_stills(app, document, "book/hinge")
    assert "<input" in document.astext()
    app.builder.name = "singlehtml"
    experiments.put_stills(app, document, "book/hinge")
    assert "<input" not in document.astext()
    assert 'src="_static/live/hinge.svg"' in document.astext()
    assert "<b>other</b>" in document.astext()


def test_static_files_in_folders_are_for_the_pages_that_name_them(tmp_path):
    own = tmp_path / "_static" / "live"
    own.mkdir(parents=True)
    for path in (own / "hinge.js", own.parent / "book.css"):
        path.write_text("", "utf8")
    files = [
        "book.css",
        SimpleNamespace(filename="_static/live/hinge.js"),
        SimpleNamespace(filename="scripts/theme.js"),
        SimpleNamespace(filename=None),
    ]
    context = {"script_files": list(files), "css_files": ["live/hinge.js?v=1"]}
    app = SimpleNamespace(srcdir=str(tmp_path))
    experiments.drop_strangers(Page(app, "book/hinge", context, None))
    assert context["script_files"] == [files[0], *files[2:]]
    assert context["css_files"] == []
