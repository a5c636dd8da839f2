"""A Chromium, and a wide and a narrow window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.views import FLAGS, find_browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium; says how to get one where there is none."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            # Without a system browser, the one of `playwright install`.
            running = playwright.chromium.launch(
                executable_path=find_browser(), args=FLAGS
            )
        except Error as error:
            pytest.fail(
                "no Chromium starts here: run `apt-get install chromium` or "
                f"`.venv/bin/playwright install chromium` ({str(error)[:200]})",
                pytrace=False,
            )
        yield running
        running.close()


@pytest.fixture(scope="session", params=[1280, 400])
def window(request: Any, browser: Any) -> Iterator[Any]:
    """A window of one width that may open files only."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    yield context
    context.close()
