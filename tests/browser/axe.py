"""Accessibility of the built pages by axe-core, in the browser of the other tests.

The rules on colours compare an element with all that lie around it, which takes minutes
on a long page. So they get a few elements of every style that a page has; all other
rules get all of it. For every rule on every element, which takes the better part of an
hour:

    .venv/bin/python -m tests.browser.axe
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.browser.views import FLAGS, HTML, find_browser, pages

WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
GRAVE = ("serious", "critical")
COLOUR = ("color-contrast", "link-in-text-block")
"""The rules that look at colours, and so at both schemes."""

ALIKE = 3
"""Elements of one style that these rules get."""

THEME = "scheme => document.documentElement.dataset.theme === scheme"
TYPESET = "window.MathJax && MathJax.startup ? MathJax.startup.promise : null"
AFTER_RESIZE = 700
"""Milliseconds until the theme and our script have seen which parts scroll."""

RUN = """options => axe.run(options.context, options.options).then(
  found => found.violations.flatMap(each => each.nodes.map(node => ({
    rule: each.id, impact: node.impact || each.impact, help: each.help,
    place: node.target.join(' '), html: node.html.slice(0, 160),
    summary: (node.failureSummary || '').slice(0, 300)}))))"""
SAMPLE = """most => {
  document.querySelectorAll('[data-axe]').forEach(n => n.removeAttribute('data-axe'));
  const seen = new Map();
  const back = node => {
    for (; node; node = node.parentElement) {
      const colour = getComputedStyle(node).backgroundColor;
      if (!/rgba\\(.*, 0\\)/.test(colour)) return colour;
    }
    return '';
  };
  for (const node of document.body.querySelectorAll('*')) {
    const text = [...node.childNodes].some(c => c.nodeType === 3 && c.data.trim());
    if (!text || node.closest('mjx-container, script, style, noscript')) continue;
    const style = getComputedStyle(node);
    const key = [style.color, back(node), style.fontSize, style.fontWeight,
                 style.opacity, style.display].join('|');
    const count = seen.get(key) || 0;
    if (count >= most || !node.getClientRects().length) continue;
    seen.set(key, count + 1);
    node.setAttribute('data-axe', '');
  }
  return seen.size;
}"""


@cache
def script() -> str:
    """The source of axe-core, from the package that carries it."""
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("axe-playwright-python is not installed")
    return (Path(spec.origin).parent / "axe.min.js").read_text("utf8")


def grave(tab: Any, name: str, *, whole: bool = False) -> list[str]:
    """Serious and critical findings on a page, at all widths and in both schemes.

    Args:
        tab: A page of a browser, which may open files.
        name: Of the built page, below `_build/html`.
        whole: Whether the rules on colours get every element.

    Returns:
        One line per finding, each once for all views in which it is found.
    """
    tab.emulate_media(color_scheme=SCHEMES[0])
    tab.set_viewport_size({"width": WIDTHS[0], "height": 900})
    tab.goto((HTML / name).as_uri(), wait_until="load")
    if name == "index.html":
        tab.wait_for_url("**/book/*.html")
    tab.evaluate(TYPESET)
    tab.evaluate(script())
    tab.add_style_tag(content=AT_ONCE)
    found: dict[str, list[str]] = {}
    others = {"rules": {rule: {"enabled": False} for rule in COLOUR}}
    colours = {"runOnly": {"type": "rule", "values": list(COLOUR)}}
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.wait_for_timeout(AFTER_RESIZE)
        for line in _run(tab, others):
            found.setdefault(line, []).append(f"{width} px")
        for scheme in SCHEMES:
            tab.emulate_media(color_scheme=scheme)
            if "/book/" in tab.url.removeprefix(HTML.as_uri()):
                tab.wait_for_function(THEME, arg=scheme)
            if not whole:
                tab.evaluate(SAMPLE, ALIKE)
            for line in _run(tab, colours, None if whole else SAMPLED):
                found.setdefault(line, []).append(f"{width} px, {scheme}")
    return [f"{line} ({'; '.join(views)})" for line, views in found.items()]


SAMPLED = "[data-axe]"
AT_ONCE = "* { transition: none !important; animation: none !important; }"
"""Colours on their way from one scheme to the other are not what anybody reads."""


def _run(tab: Any, options: dict[str, Any], part: str | None = None) -> list[str]:
    """One run of axe over a page, or over the elements of a selector."""
    wanted = {**options, "resultTypes": ["violations"]}
    context = {"include": [part]} if part else {"include": ["html"]}
    return [
        f"{each['impact']}: {each['rule']}: {each['help']}: {each['place']}: "
        f"{each['html']}"
        for each in tab.evaluate(RUN, {"context": context, "options": wanted})
        if each["impact"] in GRAVE
    ]


def main(names: list[str]) -> int:
    """Every rule on every element of all pages, or of those that are named."""
    from playwright.sync_api import sync_playwright

    count = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        tab = browser.new_page()
        tab.set_default_timeout(0)
        for name in names or pages():
            lines = grave(tab, name, whole=True)
            count += len(lines)
            print(f"{name}: {len(lines)}", *lines, sep="\n  ", flush=True)
        browser.close()
    print(f"{count} serious or critical findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
