"""Stills: what a live experiment draws at first, for where scripts are off.

`python -m tests.browser.stills` draws them again from the built pages.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.browser.views import FLAGS, HTML, find_browser

STATIC = Path(__file__).parents[2] / "book" / "_static" / "live"
EXPERIMENTS = ("diagonal-networks", "hinge", "label-noise", "rescaling", "stability")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")

# A picture of its own knows neither the theme's colours nor the page's rules.
DRAWN = """name => {
  const panels = [...document.querySelectorAll(
    `[data-live="${name}"] .live-panels > svg`)];
  return panels.map(svg => svg.innerHTML);
}"""
STYLE = """text{font:12.5px sans-serif}.axis,.line{fill:none}.axis,.ink{stroke:#222}
.line{stroke-width:2.2;stroke-linejoin:round}.thin{stroke-width:1.2}
.thick{stroke-width:5}.dash{stroke-dasharray:6 4}.dots{stroke-dasharray:2 3}
.a{stroke:#0173b2}.b{stroke:#d55e00}.c{stroke:#029e73}.faint{stroke:#949494}
circle{fill:none;stroke-width:2}.full.a{fill:#0173b2}.full.b{fill:#d55e00}
.full.c{fill:#029e73}"""


def page_of(name: str) -> str:
    """The address of the page that holds an experiment."""
    return (HTML / "book" / f"{name}.html").as_uri()


def opened(context: Any, name: str) -> Any:
    """A page whose experiment has been drawn, as it is at first."""
    tab = context.new_page()
    tab.goto(page_of(name), wait_until="load")
    tab.wait_for_selector(f'[data-live="{name}"] .live-output:not(:empty)')
    return tab


def still(tab: Any, name: str) -> str:
    """The panels of an experiment beside one another, as a picture."""
    panels = tab.evaluate(DRAWN, name)
    inner = "".join(
        f'<g transform="translate({20 + 370 * k} 8)">{text}</g>\n'
        for k, text in enumerate(panels)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 279">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect width="760" height="279" fill="#fff"/>\n{inner}</svg>\n'
    )


def apart(one: str, other: str) -> float:
    """The largest difference of a number; infinite where anything else differs."""
    if NUMBER.sub("", one) != NUMBER.sub("", other):
        return float("inf")
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return max((abs(float(a) - float(b)) for a, b in pairs), default=0.0)


def main() -> None:
    """Draw every still again."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        for name in EXPERIMENTS:
            path = STATIC / f"{name}.svg"
            path.write_text(still(opened(context, name), name), "utf8")
            print(f"wrote {path.relative_to(STATIC.parents[2])}")
        browser.close()


if __name__ == "__main__":
    main()
