"""Every chapter that trains ends with a page, also where there is nothing to decide.

Every run is lost, or no point is held out: verdicts say so, the box strikes its
sentences, and figures draw what there is. Cells run in this process, and figures are
laid out, which is where an empty axis fails.
"""

import ast
import warnings
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from flatminima.claims import register
from flatminima.claims.found import Found
from flatminima.claims.report import Report, Verdict
from flatminima.data import clusters, streams, xor
from flatminima.runs.kind import Divergence
from flatminima.runs.mlp import train
from flatminima.runs.nets import train as nets
from flatminima.statistics import growth
from flatminima.sweeps import sweep
from flatminima.sweeps.table import ALL_DIVERGED, NOT_HELD_OUT
from flatminima_book.notebooks import read_source, tagged
from tests.chapters.test_smoke import CHAPTERS, OF_THE_SLIDES, smoke

TRAINED = {"share", "beats", "equals", "attains", "crosses", "settles", "associated"}
"""Kinds of rule that decide by trained networks."""

SEEDED = [
    name for name, chapter in CHAPTERS.items() if "first_seed" in chapter.defaults
]
TRAIN = [
    name
    for name, chapter in CHAPTERS.items()
    if "width" in chapter.defaults and name in OF_THE_SLIDES
]
TORCH = ["measures", "rescaling", "stability", "landscape", "predictors"]
"""Chapters that train torch networks which a reader's parameters might lose."""
COMMITTED = {"predictors"}
"""Those whose committed runs decide every claim."""
WHOLE_CUBE = [
    name
    for name in TRAIN
    if "n" in CHAPTERS[name].defaults
    # batches of 10 divide no cube; errata are about formulas
    and name not in ("beyond-xor", "errata")
]
FAR = 1000
"""The first seed of these pages: what draws any below it ignores the parameter."""

SMALLEST = {
    **{"first_seed": FAR, "ways_seed": FAR},
    **{"d": 3, "n": 8, "width": 8, "deep_width": 8, "cube_d": 3},
    **{"seeds": 1, "other_seeds": 1, "figure_seeds": 1, "bn_seeds": 1},
    **{"softplus_seeds": 1, "crossed": 1, "instances": 1, "figure_checkpoints": 2},
    **{"epochs": 4, "radius_epochs": 2, "phase_epochs": 1, "start_epochs": 2},
    **{"full_batch_steps": 4, "num_steps": 60, "sim_bn_steps": 10, "iterations": 3},
    **{"figure_share": 1e-5, "bn_share": 1e-6, "fixed_share": 1e-5, "sam_share": 1e-6},
    **{"constants": 2, "floors": 2, "factors": [2], "lengths": [2], "levels": [0.2]},
    **{"sizes": [8], "swap_seeds": 1, "drift_seeds": 1, "tuning_seeds": 1},
    **{"radii": [0.1], "updates": 2},
}
"""What makes a chapter short, of the parameters that it has. It uses the whole cube."""

OTHER = {
    "flattest": {"sizes": [[4, 8]]},
    "hinge": {"lengths": 2},
    "beyond-xor": {"d": 5, "n": 20, "ball_d": 5},
    "sample-complexity": {"width": 8},
    "pac-bayes": {"n": 80},
}
"""What some chapters need else, such as an n that batches of 10 divide."""


@dataclass
class Page:
    """What a chapter shows: values of cells, words in figures, and warnings."""

    shown: list[Any] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def verdicts(self) -> list[Verdict]:
        """Those that rest on trained networks."""
        known = register.load()[1]
        reports = [s.verdicts for s in self.shown if isinstance(s, Report)]
        found = [v for verdicts in reports for v in verdicts]
        found += [s for s in self.shown if isinstance(s, Verdict)]
        return [v for v in found if known[v.id].rule.kind in TRAINED]

    @property
    def box(self) -> Found:
        """What the chapter found."""
        (box,) = [s for s in self.shown if isinstance(s, Found) and not s.passage]
        return box


def page(name: str, **given: Any) -> Page:
    """Run a chapter's cells here and keep what they show."""
    notebook = read_source(CHAPTERS[name].source)
    (first,) = tagged(notebook, "parameters")
    after = notebook.cells[notebook.cells.index(first) + 1 :]
    scope = CHAPTERS[name].defaults | smoke(name) | given
    made = Page()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for cell in after:
            if cell.cell_type == "code":
                _run(cell.source, scope, made)
    made.said = [str(w.message) for w in caught if w.category is not DeprecationWarning]
    return made


def _run(source: str, scope: dict[str, Any], made: Page) -> None:
    body = ast.parse(source).body
    last = body[-1] if body else None
    tree = ast.Module(body[:-1] if isinstance(last, ast.Expr) else body, [])
    exec(compile(tree, "cell", "exec"), scope)
    if isinstance(last, ast.Expr):
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), scope)
        made.shown.append(value)
        for show in ("_repr_mimebundle_", "_repr_html_", "__repr__"):
            getattr(value, show, str)()
    for number in plt.get_fignums():
        figure = plt.figure(number)
        figure.set_layout_engine("none")  # the slow part of it, and no axis fails there
        figure.draw_without_rendering()
        made.words += [text.get_text() for a in figure.axes for text in a.texts]
        plt.close(figure)


@pytest.fixture(autouse=True)
def own_figures():
    """Figures and settings of a chapter that runs here stay here."""
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def smallest(name: str) -> dict[str, Any]:
    """Parameters of a chapter at which it takes a second."""
    has = CHAPTERS[name].defaults
    return {k: v for k, v in SMALLEST.items() if k in has} | OTHER.get(name, {})


@pytest.fixture
def drawn(monkeypatch):
    """The seeds of which something was drawn: data, a start, or a test set."""
    seeds, proceed, made = set(), np.random.default_rng, xor.xor_test_set

    def recorded(seed=None):
        if isinstance(seed, list):  # a stream of a seed, as `data.streams` makes it
            seeds.add(seed[0])
        return proceed(seed)

    def held_out(train, seed):  # draws nothing where the cube is small
        seeds.add(seed)
        return made(train, seed)

    def of_the_task(seed, stream):
        """As the streams do, but for the centres: they are the same for all seeds."""
        before, made_stream = set(seeds), streams.generator(seed, stream)
        if stream == "centres":
            seeds.intersection_update(before)
        return made_stream

    def equally_long(configs):
        return dict.fromkeys(configs, 1)

    monkeypatch.setattr(np.random, "default_rng", recorded)
    # which seeds its resamples by nothing that is drawn from
    monkeypatch.setattr(growth, "generator", lambda *_: proceed(0))
    monkeypatch.setattr(xor, "xor_test_set", held_out)
    monkeypatch.setattr(clusters, "generator", of_the_task)
    # which asks how long a call takes, of seed 0 in place of all
    monkeypatch.setattr(sweep, "calls", equally_long)
    return seeds


def on_one_line(words: list[str]) -> list[str]:
    return [" ".join(text.split()) for text in words]


@pytest.mark.parametrize("name", TRAIN)
def test_a_page_comes_out_where_every_run_diverges(name, store, monkeypatch, drawn):
    def diverge(state, config, k):
        drawn.update([config.data_seed, config.init_seed])
        raise Divergence(config, state.step + 1)

    monkeypatch.setattr(train, "advance", diverge)
    made = page(name, **smallest(name))
    assert all(text.startswith("diverged after") for text in made.said)
    assert {verdict.verdict for verdict in made.verdicts} <= {"undecided"}
    lost = [v for v in made.verdicts if "diverged" in v.note]
    assert lost == made.verdicts
    if made.words:
        assert {ALL_DIVERGED, "the run diverged"} & set(on_one_line(made.words))
    if name not in ("intro", "errata"):  # their claims are other chapters', or exact
        assert "diverged." in made.box.note
        assert any(one.moved for one in made.box.told)
    assert drawn
    if name in SEEDED:
        assert min(drawn) >= FAR


@pytest.mark.parametrize("name", TORCH)
def test_a_page_comes_out_where_every_torch_network_diverges(name, store, monkeypatch):
    """Claims that are decided by what is not trained, or was committed, may hold."""

    def diverge(state, config, k):
        raise Divergence(config, state.step + 1)

    monkeypatch.setattr(nets, "advance", diverge)
    made = page(name)
    assert all(text.startswith("diverged after") for text in made.said)
    lost = [verdict for verdict in made.verdicts if verdict.n == 0]
    assert {verdict.verdict for verdict in lost} <= {"undecided"}
    assert all(verdict.note for verdict in lost)
    assert name in COMMITTED or (lost and any(one.moved for one in made.box.told))


@pytest.mark.parametrize("name", [name for name in SEEDED if name not in TRAIN])
def test_the_first_seed_reaches_every_draw(name, drawn):
    page(name, **smallest(name))
    assert drawn and min(drawn) >= FAR


@pytest.mark.parametrize("name", WHOLE_CUBE)
def test_a_page_comes_out_where_no_point_is_held_out(name, store):
    made = page(name, **smallest(name))
    assert made.said == []
    assert {verdict.verdict for verdict in made.verdicts} <= {"undecided"}
    known = register.load()[1]
    about_points = [
        verdict
        for verdict in made.verdicts
        if known[verdict.id].rule.kind in ("share", "beats", "equals")
        and known[verdict.id].rule.metric == "test_accuracy"
    ]
    assert all(NOT_HELD_OUT in verdict.note for verdict in about_points)
    if about_points:
        assert NOT_HELD_OUT[1:] in made.box.note
        assert NOT_HELD_OUT in on_one_line(made.words)
