"""A Sphinx extension: pages load nothing from other sites, and MathJax everywhere."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from flatminima_book.hooks import LAST, SAFE, Page, on_page

# Jupyter Book always loads sphinx-thebe, whose script names a CDN and is added
# twice, which the browser reports as an error.
UNWANTED = "thebe"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    # Titles with formulas stand in the sidebar of pages without formulas.
    app.set_html_assets_policy("always")
    app.connect("doctree-resolved", drop_nodes, priority=LAST)
    on_page(app, drop_files, LAST)
    on_page(app, drop_role, LAST)
    return SAFE


def drop_nodes(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Remove the configuration that thebe appends to a page."""
    for node in list(doctree.findall(nodes.raw)):
        text = node.astext()
        if UNWANTED in text or text.startswith("<script>kernelName"):
            node.parent.remove(node)


def drop_files(page: Page) -> None:
    """Remove thebe's scripts and styles from a page."""
    page.drop_files(_unwanted)


def drop_role(page: Page) -> None:
    """Remove a role of docutils' that screen readers take for a list without items."""
    if body := page.context.get("body"):
        page.context["body"] = body.replace(LIST, LIST.replace(' role="list"', ""))


LIST = '<div role="list" class="citation-list">'


def _unwanted(file: Any) -> bool:
    body = getattr(file, "attributes", {}).get("body") or ""
    return UNWANTED in f"{getattr(file, 'filename', file)} {body}".lower()
