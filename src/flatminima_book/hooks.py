"""What the press's Sphinx extensions share: how they are called for every page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

SAFE = {"parallel_read_safe": True, "parallel_write_safe": True}
"""What an extension says of itself when it is registered."""

LAST = 900
"""Priority of what looks at a page after all others have added to it."""


@dataclass(frozen=True)
class Page:
    """A page that is about to be written.

    Attributes:
        app: Sphinx.
        name: Where the page lies, without its ending.
        context: What its template is given. Hooks change it in place.
        doctree: Its text; None for a page that Sphinx makes, such as the search.
    """

    app: Sphinx
    name: str
    context: dict[str, Any]
    doctree: nodes.document | None

    def drop_files(self, unwanted: Callable[[Any], bool]) -> None:
        """Have it load neither scripts nor styles that are unwanted."""
        for key in ("script_files", "css_files"):
            files = self.context.get(key, [])
            self.context[key] = [file for file in files if not unwanted(file)]


def on_page(app: Sphinx, change: Callable[[Page], None], priority: int = 500) -> None:
    """Have a function called with every page before it is written.

    Args:
        app: Sphinx.
        change: Called with the page.
        priority: Lower ones come first; 500 is what Sphinx takes itself.
    """

    def called(
        app: Sphinx,
        name: str,
        template: str,
        context: dict[str, Any],
        doctree: nodes.document | None,
    ) -> None:
        change(Page(app, name, context, doctree))

    app.connect("html-page-context", called, priority=priority)
