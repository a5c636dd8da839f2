"""A Sphinx extension: pages load nothing from other sites, and MathJax everywhere."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

# Jupyter Book always loads sphinx-thebe, whose script names a CDN and is added
# twice, which the browser reports as an error.
UNWANTED = "thebe"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    # Titles with formulas stand in the sidebar of pages without formulas.
    app.set_html_assets_policy("always")
    app.connect("doctree-resolved", drop_nodes, priority=900)
    app.connect("html-page-context", drop_files, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def drop_nodes(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Remove the configuration that thebe appends to a page."""
    for node in list(doctree.findall(nodes.raw)):
        text = node.astext()
        if UNWANTED in text or text.startswith("<script>kernelName"):
            node.parent.remove(node)


def drop_files(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Remove thebe's scripts and styles from a page."""
    for key in ("script_files", "css_files"):
        context[key] = [f for f in context.get(key, []) if not _unwanted(f)]


def _unwanted(file: Any) -> bool:
    body = getattr(file, "attributes", {}).get("body") or ""
    return UNWANTED in f"{getattr(file, 'filename', file)} {body}".lower()
