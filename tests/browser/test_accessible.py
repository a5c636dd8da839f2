"""No page has a barrier that axe-core calls serious or critical."""

from typing import Any

import pytest

from tests.browser.axe import grave
from tests.browser.views import pages

BARRIERS = """
<html lang="en"><head><title>t</title></head><body><main><h1>h</h1>
<p style="color: #ccc; background: #fff">Faint words</p><img src="x.svg">
</main></body></html>"""


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:
    """One page of the browser for all pages of the book."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    yield page
    page.close()


@pytest.mark.parametrize("name", pages())
def test_page_has_no_grave_barrier(tab: Any, name: str) -> None:
    """Two widths, both colour schemes."""
    found = grave(tab, name)
    assert not found, "\n".join(found)


def test_barriers_are_seen(tab: Any, tmp_path: Any, monkeypatch: Any) -> None:
    """A page with faint text and a picture without words has both findings."""
    monkeypatch.setattr("tests.browser.axe.HTML", tmp_path)
    (tmp_path / "page.html").write_text(BARRIERS, "utf8")
    rules = {line.split(": ")[1] for line in grave(tab, "page.html")}
    assert rules == {"color-contrast", "image-alt"}
