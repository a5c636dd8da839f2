"""Every chapter runs, at a scale of seconds, as its reader would run it.

All chapters share one store of results, as they do in a build, and one kernel. What
a chapter refuses is tried twice: as papermill shows it, for one chapter, and for all
of them by running their cells here.
"""

import json
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import pytest
from matplotlib import pyplot as plt
from nbformat.v4 import new_code_cell, new_notebook

from flatminima.claims import register, sentences
from flatminima.claims.report import MIME
from flatminima_book.execute import Outcome, execute
from flatminima_book.notebooks import read_notebook, read_source, tagged
from flatminima_book.parameters import read_command_line, read_parameter_file
from tests import commands
from tests.commands import PROJECT
from tests.one_kernel import SECONDS_PER_CELL, Executed, Run, one_kernel

ROOT = Path(__file__).parents[2]
# The scenarios first: intro and flat-vs-right use their runs.
CHAPTERS = {
    chapter.name: chapter
    for chapter in sorted(commands.CHAPTERS.values(), key=lambda c: len(c.after))
}
REFUSED = {"unknown": {"seed": 3}, "out of range": {"n": 0}}
each_chapter = pytest.mark.parametrize("name", CHAPTERS)
OF_THE_SLIDES = {
    *("intro", "errata", "xor", "scenario-1", "scenario-2", "scenario-3", "start"),
    *("eight-ways", "beyond-xor", "flat-vs-right", "flattest", "flattest-flows"),
    *("hinge", "robust", "limits", "sample-complexity"),
}
"""Chapters on the networks of the slides on three scenarios."""


def smoke(name: str) -> dict:
    """Parameters at which a chapter takes seconds."""
    return read_parameter_file(ROOT / f"params/{name}/smoke.yml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the results of chapters go."""
    return tmp_path_factory.mktemp("chapters")


@pytest.fixture(scope="module")
def run(folder) -> Iterator[Run]:
    """Runs a notebook in the kernel of all chapters."""
    store = str(folder / "store")
    with one_kernel(folder, FLATMINIMA_STORE=store) as run:
        yield run


class Once(dict[str, Executed]):
    """Chapters at smoke scale, each executed when it is first asked for."""

    def __init__(self, run: Run, folder: Path):
        super().__init__()
        self.run, self.folder = run, folder

    def __missing__(self, name: str) -> Executed:
        source = CHAPTERS[name].paired
        self[name] = self.run(source, smoke(name), ROOT, self.folder)
        return self[name]


@pytest.fixture(scope="module")
def executed(run, folder) -> Once:
    """Every chapter at smoke scale."""
    return Once(run, folder)


@pytest.fixture(scope="module")
def refused(folder) -> dict[str, Outcome]:
    """One chapter with parameters that it must refuse, by papermill."""

    def run(kind: str) -> Outcome:
        return execute(
            CHAPTERS["scenario-2"].paired,
            folder / f"{kind}.ipynb",
            smoke("scenario-2") | REFUSED[kind],
            root=ROOT,
            build=folder,
            timeout=SECONDS_PER_CELL,
        )

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setenv("FLATMINIMA_STORE", str(folder / "store"))
        return dict(zip(REFUSED, pool.map(run, REFUSED), strict=True))


def outputs(notebook: Any, kind: str) -> list[dict]:
    """Outputs of one kind, in order."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [o for cell in cells for o in cell.outputs if o.output_type == kind]


def displayed(notebook: Any) -> list[dict]:
    """What an executed chapter displays, by MIME type."""
    kinds = ("display_data", "execute_result")
    return [o["data"] for kind in kinds for o in outputs(notebook, kind)]


def shown_verdicts(notebook: Any) -> list[dict]:
    """Verdicts that an executed chapter displays."""
    return [v for data in displayed(notebook) for v in data.get(MIME, [])]


@each_chapter
def test_runs_to_its_end(name, executed):
    failure = executed[name].failure
    assert failure is None, failure.line(name)


@each_chapter
def test_shows_a_figure_or_a_table_and_no_warning(name, executed):
    shown = displayed(executed[name].notebook)
    assert any(
        "image/svg+xml" in data or "<table" in "".join(data.get("text/html", ""))
        for data in shown
    )
    assert outputs(executed[name].notebook, "stream") == []


@each_chapter
def test_shows_each_of_its_verdicts_once(name, executed):
    verdicts = shown_verdicts(executed[name].notebook)
    _, known = register.load()
    mine = sorted(claim.id for claim in known.values() if claim.chapter == name)
    assert sorted(verdict["id"] for verdict in verdicts) == mine
    assert {verdict["chapter"] for verdict in verdicts} <= {name}


@each_chapter
def test_two_seeds_decide_nothing(name, executed):
    trained = {"share", "beats", "equals", "attains"}
    thresholds, known = register.load()
    for verdict in shown_verdicts(executed[name].notebook):
        rule = known[verdict["id"]].rule
        if rule.kind in trained:
            needed = rule.min_seeds or thresholds.min_seeds
            if verdict["n"] >= needed:  # more than were run: committed ones decide
                assert (ROOT / "results" / f"{name}.jsonl").exists()
                continue
            assert verdict["verdict"] == "undecided"
            few = f"a verdict needs {needed}" in verdict["note"]
            assert few or (verdict["n"] == 0 and verdict["note"])
            if name in OF_THE_SLIDES and "width" in CHAPTERS[name].defaults:
                # some vary n
                assert verdict["scale"].startswith("scaled-down: d = 6, n = ")
                assert ", width 24" in verdict["scale"]
        json.dumps(verdict, allow_nan=False)


@each_chapter
def test_two_seeds_strike_what_was_found(name, executed):
    notebook = executed[name].notebook
    shown = [data for data in displayed(notebook) if sentences.MIME in data]
    told = {data[sentences.MIME]["passage"]: data for data in shown}
    assert len(told) == len(shown)
    if name in PROJECT.without_box:
        assert told == {}
        return
    verdicts = shown_verdicts(notebook)
    if any("2 seeds; a verdict needs 10" in verdict["note"] for verdict in verdicts):
        assert "2 seeds decide nothing" in told[""]["text/plain"]
        assert "<del>" in told[""]["text/html"]
    for data in shown:
        assert data["text/plain"].strip()


@each_chapter
def test_smoke_parameters_are_the_chapters_own(name):
    assert set(smoke(name)) <= set(CHAPTERS[name].defaults)


LEAVES_TRACES = """
import string
import warnings
from matplotlib import pyplot

print("left" in globals(), len(In), pyplot.rcParams["figure.dpi"])
known = string.__dict__.setdefault("__warningregistry__", {})
warnings.warn_explicit("again", UserWarning, "string.py", 1, registry=known)
pyplot.figure(figsize=(0.1, 0.1)).add_axes((0, 0, 1, 1))
left = pyplot.rcParams["figure.dpi"] = 7
"""


def test_a_chapter_sees_nothing_of_the_one_before(run, tmp_path):
    """Python shows a warning once; here, every chapter shows it."""
    path = tmp_path / "traces.ipynb"
    any_chapter = next(iter(CHAPTERS.values()))
    metadata = nbformat.read(any_chapter.paired, as_version=4).metadata
    cells = [new_code_cell(LEAVES_TRACES)]
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    first, second = (run(path, {}, ROOT, tmp_path).notebook for _ in range(2))
    assert outputs(first, "stream") == outputs(second, "stream")
    said = {output["name"]: output["text"] for output in outputs(second, "stream")}
    assert said["stdout"].startswith("False 2 ")  # In: "" and this
    assert "UserWarning: again" in said["stderr"]
    # not as an SVG, which chapters ask for
    assert [set(data) for data in displayed(second)] == [{"image/png", "text/plain"}]


@pytest.mark.parametrize("name", ["flattest", "scale", "speed"])
def test_the_line_that_a_chapter_prints_runs(name, run, folder):
    """At smoke scale, but for what the line says."""
    text = CHAPTERS[name].source.read_text("utf8")
    line = next(c for c in commands.commands(text) if c.startswith("papermill book/"))
    _, _, _, *options = shlex.split(line)
    _, given = read_command_line([name, *options])
    done = run(CHAPTERS[name].paired, smoke(name) | given, ROOT, folder)
    assert done.failure is None, done.failure.line(name)
    (injected,) = [c for c in done.notebook.cells if "# Parameters" in c.source]
    assert all(f"{parameter} = " in injected.source for parameter in given)


# --- what is refused ----------------------------------------------------------


def test_papermill_shows_an_unknown_parameter_and_the_known_ones(refused):
    failure = refused["unknown"].failure
    assert failure.error == "ValueError"
    names = ", ".join(CHAPTERS["scenario-2"].defaults)
    assert failure.message == (
        f"unknown parameter seed = 3; this chapter takes: {names}"
    )


def test_papermill_shows_a_value_out_of_range_and_what_is_allowed(refused, folder):
    assert refused["out of range"].failure is not None
    (error,) = outputs(read_notebook(folder / "out of range.ipynb"), "error")
    assert error["evalue"] == "n = 0: allowed is 1 to min(2**d, 5000) = 64, with d = 6"


def refuses_n(message: str) -> None:
    """Assert that a message names n, its value and what is allowed."""
    plain = "n = 0: allowed are 1 <= n" in message
    checked = "\nn\n  Input should be greater than or equal to 1" in message
    assert plain or (checked and "input_value=0" in message)


def run_here(name: str, **given) -> dict:
    """Run a chapter's cells in this process and return its variables."""
    notebook = read_source(CHAPTERS[name].source)
    (first,) = tagged(notebook, "parameters")
    after = notebook.cells[notebook.cells.index(first) + 1 :]
    sources = [cell.source for cell in after if cell.cell_type == "code"]
    scope = CHAPTERS[name].defaults | smoke(name) | given
    for source in sources:
        exec(compile(source, name, "exec"), scope)
    return scope


@pytest.fixture
def own_figures():
    """Figures and settings of a chapter that runs here stay here."""
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.mark.usefixtures("own_figures")
@pytest.mark.parametrize(
    # the first runs of limits have sizes of their own
    "name",
    [n for n, c in CHAPTERS.items() if "n" in c.defaults and n != "limits"],
)
def test_no_training_points_are_refused_before_any_run(name, store):
    with pytest.raises(ValueError, match=r"\bn\b") as refusal:
        run_here(name, n=0)
    refuses_n(str(refusal.value))
    assert not store.exists()


@pytest.mark.usefixtures("own_figures")
@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("scenario-1", {"rho": 0}, "rho = 0: must be above 0"),
        ("scenario-2", {"epochs": 0}, "epochs = 0: must be an integer of at least 1"),
        ("scenario-2", {"seeds": 0}, r"seeds = \[\]: at least 1 is needed"),
        ("scenario-3", {"radius": -1}, "radius = -1: must be above 0"),
        ("scenario-1", {"n": 65}, r"n = 65: allowed are 1 <= n <= 2\^d"),
        ("xor", {"d": 1}, "d = 1: P_xor needs d >= 2"),
    ],
)
def test_other_values_out_of_range(name, given, message, store):
    with pytest.raises(ValueError, match=message):
        run_here(name, **given)
    assert not store.exists()


# --- corners: chapters end, and say what they cannot decide ---------------------


@pytest.mark.usefixtures("own_figures")
@pytest.mark.parametrize(
    ("name", "given"), [("scenario-2", {"lr": 5.0}), ("scenario-3", {"lr": 15.0})]
)
@pytest.mark.filterwarnings("ignore:diverged after", "error::RuntimeWarning")
def test_runs_that_diverge(name, given):
    scope = run_here(name, **given)
    assert scope["table"]["diverged"].any()
    assert {v.verdict for v in scope["report"].verdicts} == {"undecided"}
    assert any("runs diverged" in v.note for v in scope["report"].verdicts)


@pytest.mark.usefixtures("own_figures")
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("scenario-2", {"seeds": 1, "crossed": 1}),
        ("scenario-2", {"epochs": 1, "full_batch_steps": 1, "width": 1}),
        ("scenario-3", {"width": 1}),
        ("xor", {"d": 2, "n": 4}),
        ("errata", {"n": 1}),
    ],
)
def test_smallest_sizes(name, given):
    run_here(name, **given)
