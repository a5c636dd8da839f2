"""Every page, wide and narrow, light and dark, opened from disk without a network."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.views import HTML, pages

RAW_MATH = re.compile(r"\\\(|\\\[|\$[^$\n]*[\\^_{][^$\n]*\$")
TYPESET = "window.MathJax && MathJax.startup ? MathJax.startup.promise : null"
TEXT = """() => {
  const article = (document.querySelector('article') || document.body).cloneNode(true);
  article.querySelectorAll('pre, code, script, mjx-container, .headerlink')
    .forEach(node => node.remove());
  return article.textContent;
}"""
UNSET_MATH = """() => [...document.querySelectorAll('.math')]
  .filter(node => !node.querySelector('mjx-container')).map(n => n.textContent)"""
MATH_ERRORS = """() => [...document.querySelectorAll('mjx-merror, [data-mjx-error]')]
  .map(node => node.textContent)"""
IMAGES = """() => Promise.all([...document.querySelectorAll('article img')].map(
  image => { image.loading = 'eager'; return image.decode().then(
    () => ({src: image.getAttribute('src'), alt: image.alt,
            ok: image.naturalWidth > 0}),
    () => ({src: image.getAttribute('src'), alt: image.alt, ok: false}))}))"""
# Contrast as WCAG 2 defines it, against the nearest opaque background.
CONTRAST = """selector => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const back = node => {
    for (; node; node = node.parentElement) {
      const c = parse(getComputedStyle(node).backgroundColor);
      if (c.length < 4 || c[3] > .99) return c;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll(selector)].filter(n => n.offsetParent).map(n => {
    const [a, b] = [light(parse(getComputedStyle(n).color)), light(back(n))];
    return {text: n.textContent.trim().slice(0, 60),
            ratio: (Math.max(a, b) + .05) / (Math.min(a, b) + .05)};
  });
}"""
READABLE = (
    "figcaption .caption-text, table caption .caption-text, .verdict, "
    ".claim p, table.dataframe td, table.dataframe th"
)
CUT = """() => [...document.querySelectorAll('table.dataframe td, table.dataframe th')]
  .map(node => node.textContent.trim()).filter(text => text.endsWith('...'))"""
THEME = "scheme => document.documentElement.dataset.theme === scheme"
GLARE = """() => [...document.querySelectorAll('.cell_output img')]
  .map(image => getComputedStyle(image).filter)"""


@pytest.mark.parametrize("name", pages())
def test_page(window: Any, name: str) -> None:
    """One page in one window: a list of everything that is wrong with it."""
    tab = window.new_page()
    tab.emulate_media(color_scheme="light")
    wrong: list[str] = []

    def route(request_route: Any) -> None:
        url = request_route.request.url
        if url.startswith(("file:", "data:", "blob:")):
            request_route.continue_()
        else:
            wrong.append(f"asks the network for {url}")
            request_route.abort()

    tab.route("**/*", route)
    tab.on("pageerror", lambda error: wrong.append(f"script error: {error}"))
    tab.on(
        "console",
        lambda message: (
            wrong.append(f"console: {message.text}")
            if message.type in ("error", "warning")
            else None
        ),
    )
    tab.on(
        "requestfailed",
        lambda request: (
            wrong.append(f"cannot load {request.url}")
            if request.url.startswith("file:")
            else None
        ),
    )
    tab.goto((HTML / name).as_uri(), wait_until="load")
    if name == "index.html":
        tab.wait_for_url("**/book/*.html")
    tab.evaluate(TYPESET)
    wrong += [f"math is not typeset: {text}" for text in tab.evaluate(UNSET_MATH)]
    wrong += [f"math error: {text}" for text in tab.evaluate(MATH_ERRORS)]
    wrong += [f"raw math: {text}" for text in RAW_MATH.findall(tab.evaluate(TEXT))]
    for image in tab.evaluate(IMAGES):
        if not image["ok"]:
            wrong.append(f"image does not load: {image['src']}")
        if not image["alt"].strip():
            wrong.append(f"image without alternative text: {image['src']}")
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        if "/book/" in tab.url.removeprefix(HTML.as_uri()):  # index.html leads there
            tab.wait_for_function(THEME, arg=scheme)
        wide, seen = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        if wide > seen:
            wrong.append(f"{scheme}: page is {wide} px wide in a window of {seen}")
        for found in tab.evaluate(CONTRAST, READABLE):
            if found["ratio"] < 4.5:
                text = f"contrast {found['ratio']:.1f}: {found['text']}"
                wrong.append(f"{scheme}: {text}")
    for filter_ in tab.evaluate(GLARE):
        if "invert" not in filter_:
            wrong.append(f"a figure glares in dark mode: filter {filter_}")
    for cell in tab.evaluate(CUT):
        wrong.append(f"a table cuts its text: {cell}")
    tab.close()
    assert not wrong, "\n".join(wrong)
