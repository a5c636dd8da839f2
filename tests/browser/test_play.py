"""The page that trains: its arithmetic against the engine's, and a reader's session."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import live

from flatminima.runs.kind import Divergence
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.measures import measure
from flatminima.runs.mlp.order import example_order
from flatminima.runs.mlp.problem import problem
from flatminima.runs.mlp.train import advance, start
from flatminima_book.live.settings import fields
from tests.browser.views import HTML

PAGE = (HTML / "book" / "play.html").as_uri()
NETWORKS = ("no-bias", "bias", "sim-ln")
RULES = (
    "SGD",
    "SGD + wd",
    "1-SAM",
    "1-SAM + wd",
    "1-SAM, frozen pattern",
    "1-SAM + wd, frozen pattern",
)
LENGTH = 1000
MILLION = 1_000_000
BASE = {"eta": 0.01, "rho": 0.05, "decay": 0.05, "scale": 1.0, "c": 1.0, "width": 100}
SIZE = {"d": 30, "n": 100, "seed": 3, "steps": LENGTH}
PATIENCE = 240_000
"""Milliseconds: machines are busy."""


@pytest.fixture(scope="module")
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens the page at some settings, in a window with nothing remembered."""
    contexts = []

    def go(words: str = "", **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        tab = contexts[-1].new_page()
        tab.errors = []
        tab.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.goto(PAGE + (f"#{words}" if words else ""))
        return tab

    yield go
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(opened: Callable[..., Any]) -> Any:
    """The page as it opens."""
    return opened()


def from_engine(page: Any, config: Config, run: dict[str, Any]) -> Any:
    """What the page makes of the engine's own start, data and order."""
    state, setting = start(config), problem(config)
    return page.evaluate(
        "network => flatminimaPlay.given(network)",
        {
            **run,
            "d": config.d,
            "n": config.n,
            "w": state.arrays["w"].ravel().tolist(),
            "v": state.arrays["v"].tolist(),
            "x": setting.inputs.ravel().tolist(),
            "y": setting.y.tolist(),
            "order": example_order(config, 0, config.num_steps).tolist(),
        },
    )


def both(page: Any, shared: dict[str, Any], run: dict[str, Any]) -> tuple[Any, Any]:
    """What the page and the engine make of the engine's own start.

    Returns:
        The page's answer, and the engine's (w, v, row of measures).
    """
    config = Config(**fields(shared, run))
    found = from_engine(page, config, run)
    end = advance(start(config), config, config.num_steps)
    return found, (end.arrays["w"], end.arrays["v"], measure(config, end))


def distance(theirs: list[float], ours: np.ndarray) -> float:
    """||a - b|| / ||b||."""
    difference = np.asarray(theirs) - ours.ravel()
    return float(np.linalg.norm(difference) / np.linalg.norm(ours))


def agree(found: Any, engine: tuple[np.ndarray, np.ndarray, dict], steps: int) -> None:
    """Weights, loss, trace and bound are those of the engine to 1e-9."""
    w, v, row = engine
    assert found["step"] == steps
    assert distance(found["w"], w) < 1e-9
    assert distance(found["v"], v) < 1e-9
    names = {"loss": "train_loss", "trace": "trace", "bound": "bound_outputs"}
    for theirs, ours in names.items():
        assert found[theirs] == pytest.approx(row[ours], rel=1e-9), theirs


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("net", NETWORKS)
def test_a_thousand_steps_are_the_engines(page: Any, net: str, rule: str) -> None:
    """From the engine's start, on its data, in its order: every network and rule."""
    agree(*both(page, SIZE, {**BASE, "net": net, "rule": rule}), LENGTH)


@pytest.mark.parametrize(
    ("shared", "changes"),
    [
        ({"d": 11, "n": 23}, {"width": 37, "c": 0.5, "scale": 0.01}),
        ({"d": 30, "n": 100}, {"width": 500, "c": 2.0, "eta": 0.002, "rho": 0.1}),
        ({"d": 4, "n": 8, "steps": 9000}, {"width": 1, "c": 0.0}),
    ],
)
@pytest.mark.parametrize("net", NETWORKS)
def test_other_sizes_are_the_engines(
    page: Any, net: str, shared: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Widths that fill no vector, other constants, more steps than a call takes."""
    shared = SIZE | shared
    run = BASE | {"net": net, "rule": "1-SAM"} | changes
    agree(*both(page, shared, run), shared["steps"])


def test_it_diverges_where_the_engine_does(page: Any) -> None:
    """At a rate that is too large both stop at the same step."""
    run = BASE | {"net": "bias", "rule": "1-SAM", "eta": 0.1, "width": 500}
    config = Config(**fields(SIZE, run))
    with pytest.raises(Divergence) as stopped:
        advance(start(config), config, LENGTH)
    assert 0 < stopped.value.step < LENGTH
    assert from_engine(page, config, run)["step"] == stopped.value.step


def test_the_menus_are_those_that_were_compared(page: Any) -> None:
    """A network or rule that is added has to be compared as well."""
    assert page.evaluate("flatminimaPlay.networks") == list(NETWORKS)
    assert page.evaluate("flatminimaPlay.rules") == list(RULES)


def until_over(tab: Any) -> None:
    """Wait for the end of the runs, and until it is shown, a frame later."""
    tab.wait_for_function(
        "flatminimaPlay.phase() === 'over' && "
        "document.getElementById('play-go').textContent === 'Run again'",
        timeout=PATIENCE,
    )


def read(tab: Any, run: str) -> dict[str, str]:
    """What the table says of a run; the speed apart."""
    names = ("step", "loss", "accuracy", "train", "trace", "ratio")
    return {name: tab.inner_text(f"#play-{run}-{name}-now") for name in names}


def press(tab: Any, where: str, *keys: str) -> None:
    """Focus a control and press keys."""
    tab.focus(where)
    for key in keys:
        tab.keyboard.press(key)


def test_a_session(opened: Callable[..., Any]) -> None:
    """Three sliders by keyboard, a million steps, and the link in another window."""
    tab = opened()
    press(tab, "#play-a-width", "Home", "ArrowRight", "ArrowRight", "ArrowRight")
    press(tab, "#play-a-scale", "ArrowLeft", "ArrowLeft")
    press(tab, "#play-shared-seed", "ArrowRight")
    press(tab, "#play-compare", "Space")
    values = [
        tab.get_attribute(f"#{name}", "aria-valuetext")
        for name in ("play-a-width", "play-a-scale", "play-shared-seed")
    ]
    assert values == ["32", "0.5", "2"]
    press(tab, "#play-go", "Enter")
    until_over(tab)
    first = read(tab, "a")
    assert first["step"] == f"{MILLION:,}"
    assert 0 < float(first["accuracy"].removesuffix(" %")) <= 100
    assert float(first["trace"]) > 0
    row = tab.evaluate("flatminimaPlay.rows('a').at(-1)")

    link = tab.evaluate("document.getElementById('play-link').href")
    other = opened(link.partition("#")[2])
    assert other.url == link
    press(other, "#play-go", "Enter")
    until_over(other)
    assert read(other, "a") == first
    assert other.evaluate("flatminimaPlay.rows('a').at(-1)") == row
    assert tab.errors == other.errors == []


SMALL = "d=10&n=40&seed=5&a.width=48&b.width=48&steps=300000"


def press_while(tab: Any, phase: str) -> bool:
    """Press the button if the run is in this phase; whether it was.

    In one turn of the page: between a look from here and a click from here the run may
    end, and then the same button starts another.
    """
    return tab.evaluate(
        """phase => {
          if (flatminimaPlay.phase() !== phase) return false;
          document.getElementById("play-go").click();
          return true;
        }""",
        phase,
    )


def test_a_pause_changes_no_bit(opened: Callable[..., Any]) -> None:
    """Run A is stopped and goes on; a second window runs through."""
    rows = []
    for pauses in (0, 2):
        tab = opened(f"{SMALL}&compare=0")
        assert press_while(tab, "ready")
        for k in range(pauses):
            stopped = press_while(tab, "going")
            # the second may come after the end, on a machine that is busy
            assert stopped or k == 1
            tab.wait_for_timeout(60)
            assert press_while(tab, "paused") or k == 1
            tab.wait_for_timeout(60)
        until_over(tab)
        rows.append(tab.evaluate("flatminimaPlay.rows('a')"))
    assert rows[0] == rows[1]
    assert len(rows[0]) > 30


def test_a_pause_that_comes_too_late_keeps_the_runs(opened: Callable[..., Any]) -> None:
    """The button that says "Pause" soon says "Run again"."""
    tab = opened(f"{SMALL}&compare=0&steps=10000")
    assert press_while(tab, "ready")
    late = """() => new Promise((resolve) => {
      const button = document.getElementById("play-go");
      const timer = setInterval(() => {
        if (flatminimaPlay.phase() !== "over") return;
        clearInterval(timer);
        button.click();
        resolve(flatminimaPlay.phase());
      }, 1);
    })"""
    assert tab.evaluate(late) == "over"
    until_over(tab)
    assert read(tab, "a")["step"] == "10,000"
    tab.wait_for_timeout(600)
    # in one turn of the page: ten thousand steps may be over by the next question
    again = """() => {
      document.getElementById("play-go").click();
      return flatminimaPlay.phase();
    }"""
    assert tab.evaluate(again) != "over"


def test_equal_settings_are_equal_runs(opened: Callable[..., Any]) -> None:
    """Both runs see the same data, start and order."""
    tab = opened(f"{SMALL}&compare=1&a.scale=0.1&b.scale=0.1&steps=10000")
    tab.click("#play-go")
    until_over(tab)
    assert tab.evaluate("flatminimaPlay.rows('a')") == tab.evaluate(
        "flatminimaPlay.rows('b')"
    )
    # none of the held-out points is a training point: with 40 of 1024 trained on,
    # the accuracy is a multiple of 1 / 984
    share = tab.evaluate("flatminimaPlay.rows('a').at(-1).testAccuracy")
    assert share * 984 == pytest.approx(round(share * 984), abs=1e-9)


def test_every_preset_opens_and_says_what_to_look_at(page: Any) -> None:
    """Each button sets the address, and a link to its chapter leads somewhere."""
    buttons = page.locator(".play-presets button")
    addresses = set()
    for k in range(buttons.count()):
        buttons.nth(k).click()
        addresses.add(page.url)
        chapter = page.get_attribute("#play-look a", "href")
        name, _, place = chapter.partition("#")
        text = Path(HTML, "book", name).read_text("utf8")
        assert not place or f'id="{place}"' in text
    assert len(addresses) == buttons.count() > 5


def test_what_diverges_says_so(opened: Callable[..., Any]) -> None:
    """A run that meets a number that is not finite ends, and the page goes on."""
    tab = opened("a.net=no-bias&a.rule=SGD&a.eta=1&a.width=100&compare=0&steps=1000")
    tab.click("#play-go")
    until_over(tab)
    assert re.search(r"Run A diverged at step \d+", tab.inner_text("#play-note"))
    assert read(tab, "a")["accuracy"] == "diverged"
    assert tab.inner_text("#play-go") == "Run again"
    assert tab.errors == []


def test_sim_ln_has_a_bound_near_interpolation_only(opened: Callable[..., Any]) -> None:
    """At the start its trace is set against nothing, that of the others is."""
    tab = opened(f"{SMALL}&a.net=sim-ln&b.net=bias&compare=1&steps=100000")
    tab.wait_for_function("document.getElementById('play-b-step-now').innerText == '0'")
    tab.wait_for_function("document.getElementById('play-a-step-now').innerText == '0'")
    assert read(tab, "a")["ratio"] == "no bound yet"
    assert float(read(tab, "b")["ratio"]) > 1
    tab.click("#play-go")
    until_over(tab)
    row = tab.evaluate("flatminimaPlay.rows('a').at(-1)")
    assert row["loss"] < 0.01
    assert float(read(tab, "a")["ratio"]) == pytest.approx(row["trace"] / 2, rel=1e-5)


def test_a_link_with_mistakes_says_which(opened: Callable[..., Any]) -> None:
    """Argument, value, and what is allowed; the rest of the link is taken."""
    tab = opened("d=12.4&n=many&a.rule=Adam&c=1&a.width=64")
    said = tab.inner_text("#play-note")
    assert "d = 12.4: allowed are steps from 4 to 60; 12 is taken" in said
    assert "n = many: must be a number" in said
    assert "a.rule = Adam: allowed are SGD," in said
    assert "c = 1: there is no such setting" in said
    assert tab.get_attribute("#play-a-width", "aria-valuetext") == "64"


def test_too_many_points_are_refused(opened: Callable[..., Any]) -> None:
    """Of 16 corners 8 can be trained on; then there is nothing to press."""
    tab = opened("d=4&n=10&compare=0&steps=1000")
    assert "n = 10: at d = 4 there are 16 points" in tab.inner_text("#play-note")
    assert tab.is_disabled("#play-go")
    press(tab, "#play-shared-n", "Home")
    assert tab.inner_text("#play-note") == ""
    tab.click("#play-go")
    until_over(tab)


def test_less_motion(opened: Callable[..., Any]) -> None:
    """Who asks for less motion sees the start and the ends, nothing between."""
    tab = opened(f"{SMALL}&compare=0&steps=1000000", reduced_motion="reduce")
    # the start is shown a frame after it is known
    tab.wait_for_function(
        "document.getElementById('play-a-step-now').textContent === '0'"
    )
    tab.evaluate(
        "() => { window.seen = new Set(); new MutationObserver(() => window.seen.add("
        "document.getElementById('play-a-step-now').textContent)).observe("
        "document.getElementById('play-a-step-now'), {childList: true}); }"
    )
    tab.click("#play-go")
    until_over(tab)
    tab.wait_for_function("window.seen.size > 0")
    assert tab.evaluate("[...window.seen]") == [f"{MILLION:,}"]


def test_without_scripts_there_is_a_picture(opened: Callable[..., Any]) -> None:
    """It is seen, it loads, and it says in words what it shows."""
    tab = opened(java_script_enabled=False)
    image = tab.locator("noscript img, article img[src$='still.svg']").first
    assert image.is_visible()
    assert image.bounding_box()["height"] > 100
    assert "hundredth" in image.get_attribute("alt")


def test_a_phone_is_wide_enough(opened: Callable[..., Any]) -> None:
    """Nothing is wider than the screen, and buttons are large enough for a thumb."""
    tab = opened(SMALL, viewport={"width": 390, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    heights = tab.evaluate(
        "[...document.querySelectorAll('#play-live button')].map(b => b.offsetHeight)"
    )
    assert min(heights) >= 24


def test_other_pages_do_not_load_it() -> None:
    """Jupyter Book would put all scripts on all pages."""
    others = [path for path in (HTML / "book").glob("*.html") if path.stem != "play"]
    assert others
    loading = [p.name for p in others if "_static/play/" in p.read_text("utf8")]
    assert loading == []


def test_the_benchmark_times_what_the_page_does(browser: Any, page: Any) -> None:
    """Its page is that of the book without the book, and all of its numbers are there.

    How fast anything is, is not tested: machines are busy.
    """
    found = live.measured(browser, live.RUN | {"net": "bias"}, 1, 20_000)
    assert set(found) == {"page", "engine", "share", "waited"}
    assert all(number > 0 for number in found.values())
    assert live.first_paint(browser, 1) > 0
