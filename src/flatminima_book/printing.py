"""The book as one PDF, printed by Chromium, and what is wrong with it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flatminima_book.one_page import write_page
from flatminima_book.printed import Wanted, check_pdf, starts
from flatminima_book.project import Project, Say

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
WIDTH, HEIGHT = 658, 972  # CSS pixels of A4 within the margins of print.css
SMALLEST = 0.45
"""Factor below which nothing is shrunk to the width of the paper."""

TYPESET = "async () => { if (window.MathJax) await MathJax.startup.promise; }"
UNSET = """() => [...document.querySelectorAll('.math')]
  .filter(node => !node.querySelector('mjx-container')).map(n => n.textContent)"""
ERRORS = """() => [...document.querySelectorAll('mjx-merror, [data-mjx-error]')]
  .map(node => node.textContent)"""
PICTURES = """async () => {
  const wrong = [];
  for (const image of document.images) {
    image.loading = 'eager';
    try { await image.decode(); } catch { wrong.push(image.getAttribute('src')); }
  }
  return wrong;
}"""
# All is measured before anything is changed: each change lays the whole book out again.
FIT = """smallest => {
  const right = document.body.getBoundingClientRect().right;
  const wide = 'table, mjx-container[display="true"]';
  const found = [...document.querySelectorAll(wide)].filter(n => n.offsetParent)
    .map(node => {
      const inner = node.querySelector(':scope > mjx-math');
      const box = (inner || node).getBoundingClientRect();
      const room = right - node.getBoundingClientRect().left;
      return [node, room / Math.max(inner ? 0 : node.scrollWidth, box.width)];
    }).filter(([node, factor]) => factor < .998);
  for (const [node, factor] of found) node.style.zoom = Math.max(factor, smallest);
  return found.filter(([node, factor]) => factor < smallest)
    .map(([node]) => node.textContent.trim().slice(0, 60));
}"""
CAPTIONS = """() => [...document.querySelectorAll('figcaption .caption-number')]
  .map(node => node.textContent.trim())"""
FORMULAS = "() => document.querySelectorAll('mjx-container').length"
NUMBER = """numbers => {
  for (const node of document.querySelectorAll('.printed-contents .number'))
    node.textContent = numbers[node.dataset.of] || '';
}"""


def print_book(project: Project, say: Say) -> list[str]:
    """Print the built pages to ``_build/flatminima.pdf``, and check what came out.

    Args:
        project: The book, with its pages built.
        say: Told of progress.

    Returns:
        One line per problem: of the page before it is printed, and of the PDF.

    Raises:
        ValueError: A page has not been built, there is no Chromium, or a package that
            prints is not installed.
    """
    try:
        import pypdfium2  # noqa: F401  (what checks the PDF needs it)
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError as error:
        raise ValueError(
            f'{error.name} is not installed; run: pip install -e ".[book,dev]"'
        ) from error
    page = project.build / "print.html"
    titles = write_page(project, page)
    say(f"printing {len(titles)} pages of the book")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=find_browser(), args=FLAGS
            )
        except Error as error:
            raise ValueError(
                "no Chromium starts here: run `apt-get install chromium` or "
                f"`playwright install chromium` ({str(error)[:200]})"
            ) from error
        try:
            wanted, problems = _print(browser, page, pdf_path(project), titles)
        finally:
            browser.close()
    problems += check_pdf(pdf_path(project), wanted)
    say(
        f"made {project.where(pdf_path(project))}: {len(wanted.figures)} figures, "
        f"{wanted.formulas} formulas"
    )
    return problems


def pdf_path(project: Project) -> Path:
    """Where the PDF goes."""
    return project.build / "flatminima.pdf"


def find_browser() -> str | None:
    """Path of an installed Chromium, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def _print(
    browser: Any, page: Path, target: Path, titles: dict[str, str]
) -> tuple[Wanted, list[str]]:
    """Print twice: the first copy says on which pages the chapters begin."""
    tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    tab.set_default_timeout(600_000)
    asked: list[str] = []
    tab.on("request", lambda r: asked.append(r.url))
    tab.emulate_media(media="print", color_scheme="light")
    tab.goto(page.as_uri())
    tab.evaluate(TYPESET)
    problems = [f"print: no picture {src}" for src in tab.evaluate(PICTURES)]
    problems += [f"print: not typeset: {text[:60]}" for text in tab.evaluate(UNSET)]
    problems += [f"print: broken formula: {text[:60]}" for text in tab.evaluate(ERRORS)]
    problems += [
        f"print: too wide for the paper: {text}" for text in tab.evaluate(FIT, SMALLEST)
    ]
    problems += [f"print: asks the network for {url}" for url in _outside(asked)]
    _write(tab, target)
    found = starts(target, list(titles))
    tab.evaluate(NUMBER, found)
    _write(tab, target)
    wanted = Wanted(
        chapters=tuple(titles),
        figures=tuple(tab.evaluate(CAPTIONS)),
        formulas=tab.evaluate(FORMULAS),
        printed=found,
    )
    return wanted, problems


def _write(tab: Any, target: Path) -> None:
    tab.pdf(
        path=str(target),
        prefer_css_page_size=True,
        print_background=True,
        outline=True,
        tagged=True,
    )


def _outside(asked: Sequence[str]) -> list[str]:
    return [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
