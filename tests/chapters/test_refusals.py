"""What a chapter must refuse is refused first, and what it declares is taken.

The table is tried in a process of its own, in which nothing else is imported, and some
of it through papermill's injection in a real kernel. Which values are bad is written
down in `tests.refusals`, not taken from the declarations.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from flatminima_book.declaration import Parameter, settled
from flatminima_book.parameters import read_parameter_file
from flatminima_book.ranges import Ends, Listing, Scalar
from tests import refusals
from tests.commands import CHAPTERS
from tests.one_kernel import Run, one_kernel

ROOT = Path(__file__).parents[2]
DRAWN = 20
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def test_every_bad_value_is_refused_by_its_name_before_any_work(record_property):
    done = subprocess.run(
        [sys.executable, "-m", "tests.refusals"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    print(f"{found['trials']} trials of {found['parameters']} parameters")
    record_property("trials", found["trials"])
    assert found["wrong"] == []
    assert found["engine"] == []
    assert found["chapters"] == len(CHAPTERS)
    assert found["parameters"] == sum(len(c.parameters) for c in CHAPTERS.values())
    assert found["trials"] >= 15 * found["parameters"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    """Runs a notebook in the kernel of this module."""
    with one_kernel(tmp_path_factory.mktemp("kernel")) as run:
        yield run


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> Path:
    """A notebook that shows which modules its kernel has imported."""
    folder = tmp_path_factory.mktemp("modules")
    text = (ROOT / "book/xor.ipynb").read_text("utf8")
    notebook = json.loads(text)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code[0] |= {"source": "import sys\nprint(*sorted(sys.modules))", "metadata": {}}
    path = folder / "modules.ipynb"
    path.write_text(json.dumps(notebook | {"cells": code[:1]}), "utf8")
    return path


def test_papermill_shows_the_refusal_before_anything_is_imported(
    run, modules, tmp_path
):
    """The fourth cell: set-up, parameters, what papermill injects, the start."""
    for trial in refusals.drawn(DRAWN):
        done = run(CHAPTERS[trial.chapter].paired, trial.given, ROOT, tmp_path)
        assert done.failure is not None
        assert (done.failure.cell, done.failure.error) == (4, "ValueError")
        assert done.failure.message.startswith(f"{trial.name} = ")
    (cell,) = run(modules, {}, ROOT, tmp_path).notebook.cells
    imported = cell.outputs[0]["text"].split()
    assert "flatminima_book.chapter" in imported
    assert not {"numba", "torch", "scipy"} & set(imported)
    engine = {m for m in imported if m.partition(".")[0] == "flatminima"}
    assert engine <= refusals.LIGHT


# --- what is declared is taken ----------------------------------------------------


@each_chapter
def test_parameter_files_are_allowed(name):
    files = sorted((ROOT / "params" / name).glob("*.yml"))
    scales = [path for path in files if path.name != "expected.yml"]
    assert scales
    for path in scales:
        given = read_parameter_file(path)
        assert CHAPTERS[name].checked(given) == given


def within(ends: Ends, kind: str, scope: dict[str, Any]) -> st.SearchStrategy:
    """Numbers between two ends, the ends among them where they are allowed."""
    low, high = ends.low.value(scope), ends.high.value(scope)
    if kind == "int":
        return st.integers(low + ends.open_low, high - ends.open_high)
    return st.floats(
        low, high, exclude_min=ends.open_low, exclude_max=ends.open_high
    ) | st.floats(low, high).filter(lambda x: ends.holds(x, scope))


def one(scalar: Scalar, scope: dict[str, Any]) -> st.SearchStrategy:
    """What a range of one value allows."""
    if scalar.words:
        return st.sampled_from(scalar.words)
    if scalar.member:
        found = st.sampled_from(scalar.member.value(scope))
    else:
        found = within(scalar.ends, scalar.kind, scope)
    if scalar.multiple:
        by = scalar.multiple.value(scope)
        ends = scalar.ends
        low, high = ends.low.value(scope), ends.high.value(scope)
        found = st.integers(-(-low // by), high // by).map(lambda k: k * by)
    if scalar.alone:
        found |= st.just(scalar.alone.value(scope))
    if scalar.excluded:
        out = scalar.excluded.value(scope)
        out = out if isinstance(out, list) else [out]
        found = found.filter(lambda value: value not in out)
    return found


@st.composite
def several(draw, listing: Listing, scope: dict[str, Any]) -> list:
    """What a range of a list allows."""
    low, high = (end.value(scope) for end in (listing.count.low, listing.count.high))
    length = draw(st.integers(low, high))
    items: list = []
    for _ in range(length):
        if listing.nested:
            inner = dict(scope)
            for name, entry in listing.entries.items():
                inner[name] = draw(one(entry, inner))
            item: Any = [inner[name] for name in listing.entries]
        else:
            item = draw(one(listing.entries[""], scope))
        if not (listing.order and item in items):
            items.append(item)
    hypothesis.assume(len(items) >= low)
    return sorted(items) if listing.order == "increasing" else items


@st.composite
def allowed(draw, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """Values of all parameters of a chapter, each within what the others leave."""
    waiting, found = list(parameters), dict[str, Any]()
    while waiting:
        parameter = next(p for p in waiting if set(p.needs) <= set(found))
        waiting.remove(parameter)
        within_others = parameter.allowed
        if isinstance(within_others, Listing):
            found[parameter.name] = draw(several(within_others, found))
        else:
            low_to_high(within_others, found)
            found[parameter.name] = draw(one(within_others, found))
    return found


def low_to_high(scalar: Scalar, scope: dict[str, Any]) -> None:
    """Leave out what allows no value, as n from 20 at d = 2 would."""
    if scalar.ends:
        low, high = scalar.ends.low.value(scope), scalar.ends.high.value(scope)
        hypothesis.assume(low < high or (low == high and not scalar.ends.open_low))


@each_chapter
@hypothesis.settings(
    max_examples=10,
    suppress_health_check=[
        hypothesis.HealthCheck.filter_too_much,
        hypothesis.HealthCheck.too_slow,
    ],
)
@hypothesis.given(data=st.data())
def test_what_is_drawn_from_the_declared_ranges_is_taken(name, data):
    parameters = CHAPTERS[name].parameters
    values = data.draw(allowed(parameters))
    assert settled(parameters, values) == values
    texts = {n: str(v) if type(v) in (int, float) else v for n, v in values.items()}
    assert settled(parameters, texts) == values
