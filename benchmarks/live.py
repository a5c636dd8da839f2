"""The page that trains, in the browser, against the compiled engine on the same core.

Both take steps of 1-SAM in float64 on a network of width 100 with 30 inputs. Rates are
of processor time, the browser's as it counts that of its own processes, so that a busy
machine slows neither. Compiling the kernel counts for the page.
"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from tests.browser.views import FLAGS, HTML, find_browser

from benchmarks.sam_step import machine, microseconds
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state
from flatminima.runs.mlp.train import advance
from flatminima_book.live.settings import FOLDER, fields

ROOT = Path(__file__).resolve().parents[1]
SHARED = {"d": 30, "n": 100, "seed": 0, "steps": 1_000_000}
RUN = {"rule": "1-SAM", "eta": 0.01, "rho": 0.05, "decay": 0.05}
RUN |= {"scale": 1.0, "c": 1.0, "width": 100}
NETWORKS = ("no-bias", "bias", "sim-ln")
LEAST_RATE = 100_000
"""Steps a second that the page must take."""
LEAST_SHARE = 0.15
"""Of the engine's own rate."""
PAINTED = """() => new Promise(resolve => new PerformanceObserver(list =>
  resolve(list.getEntriesByName('first-contentful-paint')[0].startTime))
  .observe({type: 'paint', buffered: true}))"""


def rows(repeats: int = 5, steps: int = 1_000_000) -> list[dict[str, Any]]:
    """Measure every network of the page.

    Args:
        repeats: the best of so many counts.
        steps: of a repeat.

    Returns:
        `page` and `engine`, steps a second of processor time; `share`, the one over the
        other; `waited`, the page's by the clock on the wall; `first_paint` in
        milliseconds, None where the page is not built; `bytes` of all that it loads.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
        name = f"Chromium {browser.version}, headless"
        painted = first_paint(browser, repeats)
        found = [
            {
                "name": f"1-SAM step in the page, {net}",
                "unit": "steps a second",
                **measured(browser, RUN | {"net": net}, repeats, steps),
                "first_paint": painted,
                "bytes": sum(p.stat().st_size for p in (ROOT / FOLDER).iterdir()),
                "browser": name,
                "machine": machine(),
            }
            for net in NETWORKS
        ]
        browser.close()
    return found


def measured(
    browser: Browser, run: dict[str, Any], repeats: int, steps: int
) -> dict[str, float]:
    """Rates of the page and of the engine for one network, taken in turns."""
    config = Config(**fields(SHARED, run))
    start = initial_state(config)
    page, waited, engine = 0.0, 0.0, 0.0
    with TemporaryDirectory() as folder:
        tab = browser.new_page()
        tab.goto(bare(Path(folder)).as_uri())
        for _ in range(repeats):
            before = processor_time(browser)
            answer = tab.evaluate(
                "request => flatminimaPlay.rate(request)",
                {"run": run, "shared": SHARED, "steps": steps},
            )
            spent = processor_time(browser) - before
            # a fifth more is taken before the clock of the page starts
            page = max(page, 1.2 * answer["taken"] / spent)
            waited = max(waited, 1e3 * answer["taken"] / answer["milliseconds"])
            ours = microseconds(lambda k: advance(start, config, k), steps // 5, 1)
            engine = max(engine, 1e6 / ours)
        tab.close()
    return {"page": page, "engine": engine, "share": page / engine, "waited": waited}


def processor_time(browser: Browser) -> float:
    """Seconds that the processes of all pages have computed so far."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return float(sum(p["cpuTime"] for p in processes if p["type"] == "renderer"))


def bare(folder: Path) -> Path:
    """A page with nothing but the experiment, loaded from disk."""
    text = (ROOT / "book" / "play.md").read_text("utf8")
    scripts = re.findall(r'<script src="\.\./_static/play/(\w+\.js)"', text)
    tags = (f'<script src="{(ROOT / FOLDER / s).as_uri()}"></script>' for s in scripts)
    page = folder / "bare.html"
    page.write_text(
        f'<!doctype html><meta charset="utf8"><div id="play-live"></div>{"".join(tags)}'
    )
    return page


def first_paint(browser: Browser, repeats: int) -> float | None:
    """Milliseconds to the first contentful paint of the built page, from disk."""
    path = HTML / "book" / "play.html"
    if not path.is_file():
        return None
    times = []
    for _ in range(repeats):
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(path.as_uri())
        times.append(float(tab.evaluate(PAINTED)))
        context.close()
    return min(times)


def show(found: list[dict[str, Any]]) -> None:
    """Print what was measured, beside what it has to be."""
    print(f"{found[0]['browser']}, on {found[0]['machine']}")
    print(
        f"{'1-SAM, width 100, d = 30':28}{'page':>12}{'waited':>12}{'engine':>12}"
        f"{'share':>8}   (at least {LEAST_RATE:,} and {LEAST_SHARE:.2f})"
    )
    for row in found:
        rates = "".join(f"{row[name]:12,.0f}" for name in ("page", "waited", "engine"))
        print(f"{row['name']:28}{rates}{row['share']:8.2f}")
    paint = found[0]["first_paint"]
    said = "not built" if paint is None else f"{paint:.0f} ms"
    print(f"first paint: {said}; all that the page loads: {found[0]['bytes']:,} bytes")
