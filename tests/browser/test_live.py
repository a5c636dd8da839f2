"""The live experiments: opened from disk, driven, and held against the engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flatminima.plots.style import _COLOURS
from flatminima.studies.diagonal_networks import live as diagonal_networks
from flatminima.studies.hinge import live as hinge
from flatminima.studies.label_noise import live as label_noise
from flatminima.studies.rescaling import live as rescaling
from flatminima.studies.stability import live as stability
from tests.browser.stills import (
    EXPERIMENTS,
    STATIC,
    apart,
    opened,
    page_of,
    still,
)

READ = """name => Object.fromEntries(
  [...document.querySelectorAll(`[data-live="${name}"] [data-number]`)]
    .map(node => [node.dataset.number, [node.value, node.textContent]]))"""
PUT = """([name, values]) => {
  for (const [key, value] of Object.entries(values)) {
    const input = document.querySelector(`[data-live="${name}"] input[name="${key}"]`);
    input.value = value;
    input.dispatchEvent(new Event('input', {bubbles: true}));
  }
}"""
AS_AT_FIRST = """name => {
  for (const input of document.querySelectorAll(`[data-live="${name}"] input`)) {
    input.value = input.defaultValue;
    input.dispatchEvent(new Event('input', {bubbles: true}));
  }
}"""
HEIGHT = """name => document.querySelector(`[data-live="${name}"]`).offsetHeight"""
SHIFTS = """() => new Promise(resolve => {
  let sum = 0;
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      if (entry.sources.some(s => s.node && s.node.parentElement
          && s.node.parentElement.closest('.live'))) sum += entry.value;
  }).observe({type: 'layout-shift', buffered: true});
  setTimeout(() => resolve(sum), 300);
})"""

# On both sides of whatever an experiment is about.
CASES: list[tuple[str, dict[str, float]]] = [
    *(("hinge", {"c": c}) for c in (0.02, 0.5, 1.13, 2.0)),
    *(("rescaling", {"log": power}) for power in (-1.0, -0.37, 0.0, 0.9)),
    *(("stability", {"lr": lr}) for lr in (0.1, 0.46, 0.48, 0.6, 0.734, 0.9, 1.1)),
    *(("diagonal-networks", {"log": power}) for power in (-3.0, -1.42, 0.0, 1.0)),
    *(
        ("label-noise", {"lr": lr, "delta": delta})
        for lr, delta in ((0.008, 1.0), (0.016, 0.5), (0.0195, 0.0), (0.03, 0.25))
    ),
]
ENGINE: dict[str, Callable[..., dict[str, float]]] = {
    "hinge": hinge.numbers,
    "rescaling": lambda log: rescaling.numbers(10**log),
    "stability": stability.numbers,
    "diagonal-networks": lambda log: diagonal_networks.numbers(10**log),
    "label-noise": label_noise.numbers,
}
"""From the inputs of a page to its numbers."""

TOLERANCE = 1e-8
"""Of a page's numbers, relative; and of their text, which has seven digits, 1e-6."""

ROUNDING = 1e-13


@pytest.fixture(scope="module")
def tabs(browser: Any) -> Iterator[dict[str, Any]]:
    """Every experiment in a tab of a window that reaches files only."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.route(re.compile("^https?:"), lambda route: route.abort())
    yield {name: opened(context, name) for name in EXPERIMENTS}
    context.close()


@pytest.mark.parametrize(("name", "values"), CASES)
def test_numbers_are_the_engine_s(
    tabs: dict[str, Any], name: str, values: dict[str, float]
) -> None:
    """Each number of the page, exactly and as it is spelt."""
    engine = ENGINE[name](**values)
    tabs[name].evaluate(PUT, [name, {key: str(v) for key, v in values.items()}])
    shown = tabs[name].evaluate(READ, name)
    assert set(engine) <= set(shown)
    for key, expected in engine.items():
        value, text = shown[key]
        near = pytest.approx(expected, rel=TOLERANCE, abs=ROUNDING)
        assert float(value) == near, key
        assert float(text) == pytest.approx(expected, rel=1e-6, abs=ROUNDING), key


def test_a_rescaling_moves_the_function_by_rounding_only(tabs: dict[str, Any]) -> None:
    tabs["rescaling"].evaluate(PUT, ["rescaling", {"log": "1"}])
    value, _ = tabs["rescaling"].evaluate(READ, "rescaling")["moved"]
    assert 0 < float(value) < ROUNDING


def test_without_a_bias_no_network_is_left(tabs: dict[str, Any]) -> None:
    tabs["hinge"].evaluate(PUT, ["hinge", {"c": "0"}])
    shown = tabs["hinge"].evaluate(READ, "hinge")
    assert shown["memorises-norm"] == ["", "–"]
    assert float(shown["bound"][0]) == pytest.approx(4 * 6**0.5)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_keys_move_every_input_and_the_sentence_is_read_out(
    tabs: dict[str, Any], name: str
) -> None:
    """Arrows move an input by its step; picture, numbers and sentence follow."""
    tab = tabs[name]
    tab.evaluate(AS_AT_FIRST, name)
    box = tab.locator(f'[data-live="{name}"]')
    for field in box.locator("input").all():
        identity = field.get_attribute("id")
        assert box.locator(f'label[for="{identity}"]').inner_text().strip()
        before = field.input_value()
        numbers, picture = tab.evaluate(READ, name), still(tab, name)
        said = box.locator(".live-output").inner_text()
        field.focus()
        way = "ArrowLeft" if before == field.get_attribute("max") else "ArrowRight"
        for _ in range(3):
            tab.keyboard.press(way)
        moved = abs(float(field.input_value()) - float(before))
        assert moved == pytest.approx(3 * float(field.get_attribute("step")))
        assert field.get_attribute("aria-valuetext")
        assert tab.evaluate(READ, name) != numbers
        assert still(tab, name) != picture
        tab.wait_for_function(
            "([name, said]) => document.querySelector("
            "`[data-live='${name}'] .live-output`).innerText !== said",
            arg=[name, said],
        )
    assert box.locator(".live-output").get_attribute("aria-live") == "polite"


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_layout_stays(window: Any, name: str) -> None:
    """Neither the scripts nor any value of an input move what is below."""
    blank = window.new_page()
    blank.route("**/live/*.js", lambda route: route.abort())
    blank.goto(page_of(name), wait_until="load")
    empty = blank.evaluate(HEIGHT, name)
    blank.close()
    tab = opened(window, name)
    assert tab.evaluate(SHIFTS) == 0
    heights = {tab.evaluate(HEIGHT, name)}
    for field in tab.locator(f'[data-live="{name}"] input').all():
        assert field.bounding_box()["height"] >= 24
        for end in ("min", "max"):
            values = {field.get_attribute("name"): field.get_attribute(end)}
            tab.evaluate(PUT, [name, values])
            tab.wait_for_timeout(350)
            heights.add(tab.evaluate(HEIGHT, name))
    tab.close()
    assert heights == {empty}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_without_scripts_a_still_says_the_same(browser: Any, name: str) -> None:
    """The picture of the first state stands there, and nothing that cannot work."""
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(page_of(name), wait_until="load")
    box = tab.locator(f'[data-live="{name}"]')
    assert box.locator("noscript img").is_visible()
    assert box.locator("noscript img").bounding_box()["height"] > 100
    assert not any(field.is_visible() for field in box.locator("input").all())
    context.close()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_stills_are_up_to_date(browser: Any, name: str) -> None:
    """`python -m tests.browser.stills` draws them."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    drawn = still(opened(context, name), name)
    context.close()
    kept = (STATIC / f"{name}.svg").read_text("utf8")
    assert apart(kept, drawn) <= 0.2


def test_a_still_that_differs_is_found() -> None:
    assert apart('<a x="1.5"/>', '<a x="1.25"/>') == 0.25
    assert apart('<a x="1"/>', '<b x="1"/>') == float("inf")


def test_colours_are_those_of_the_figures() -> None:
    css = (STATIC / "live.css").read_text("utf8").partition("html[data-theme")[0]
    own = re.findall(r"--live-\w+: (#\w{6});", css)
    figures = [
        "#" + "".join(f"{round(255 * part):02x}" for part in colour)
        for colour in _COLOURS
    ]
    assert len(own) == 4
    assert set(own) <= set(figures)
