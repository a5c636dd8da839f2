"""The built pages as one page to print: a cover, the contents, then all chapters.

Nothing is typeset again. The articles of the pages are taken as Sphinx wrote them, with
anchors that are different in all of them, so that links between pages become links
within one document.
"""

from __future__ import annotations

import html
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from flatminima_book.project import Project, toc_names

ARTICLE = re.compile(r'<article class="bd-article">(.*)</article>', re.DOTALL)
HEADLINE = re.compile(r"<h1>(.*?)<a class=\"headerlink\"", re.DOTALL)
HEADERLINK = re.compile(r'<a class="headerlink".*?</a>', re.DOTALL)
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)
NOSCRIPT = re.compile(r"</?noscript>")
STYLES = re.compile(r'<link\b[^>]*rel="stylesheet"[^>]*>')
MATHJAX = re.compile(r"<script>window\.MathJax.*?</script>\s*<script[^>]*></script>")
TAG = re.compile(r"<[a-zA-Z][^>]*>")
ANCHOR = re.compile(r'\b(id|for|aria-labelledby|aria-describedby)="([^"]+)"')
TARGET = re.compile(r'\b(href|src)="([^"]*)"')
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:")
WEB = "https://"


@dataclass(frozen=True)
class Part:
    """A part of the book: its heading in the contents, and its pages in order."""

    title: str
    pages: tuple[str, ...]


def printed_parts(project: Project) -> list[Part]:
    """What is printed, in order: all pages but those of the library's reference."""
    left_out = set(project.reference)
    toc = yaml.safe_load(project.toc.read_text("utf8"))
    known = toc_names(project)
    parts = [Part("", (known[0],))]
    for entry in toc.get("parts", [{"chapters": toc.get("chapters", [])}]):
        names = [c["file"].removeprefix("book/") for c in entry["chapters"]]
        names = [n for n in names if n not in left_out]
        parts.append(Part(entry.get("caption", ""), tuple(names)))
    return [part for part in parts if part.pages]


def write_page(project: Project, target: Path) -> dict[str, str]:
    """Write the one page.

    Args:
        project: The book, with its pages built.
        target: The file, in the folder that holds ``html``.

    Returns:
        The titles of the printed pages by name, in order.

    Raises:
        ValueError: A page has not been built.
    """
    parts = printed_parts(project)
    names = [name for part in parts for name in part.pages]
    built = {}
    for name in names:
        path = project.html / "book" / f"{name}.html"
        if not path.is_file():
            raise ValueError(f"{project.where(path)} is missing; run: make book")
        built[name] = path.read_text("utf8")
    titles = {name: title_of(text) for name, text in built.items()}
    address = site(project)
    articles = [article(text, name, names, address) for name, text in built.items()]
    first = built[names[0]]
    folder = project.html.name
    styles = [link.replace('"../', f'"{folder}/') for link in STYLES.findall(first)]
    mathjax = MATHJAX.search(first)
    scripts = mathjax[0].replace('"../', f'"{folder}/') if mathjax else ""
    body = "\n".join([cover(project), contents(parts, titles), *articles])
    target.write_text(
        f"""<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8" />
<title>{html.escape(title(project))}</title>
{"".join(styles)}
<style>{STYLE.read_text("utf8")}</style>
{scripts}
</head>
<body><main class="bd-content"><div class="bd-article-container">
{body}
</div></main></body>
</html>
""",
        "utf8",
    )
    return titles


STYLE = Path(__file__).with_name("print.css")


def title(project: Project) -> str:
    """The book's title."""
    return str(yaml.safe_load(project.config.read_text("utf8"))["title"])


def site(project: Project) -> str:
    """Where the book is published, or nothing."""
    return metadata(project).get("urls", {}).get("Homepage", "")


def metadata(project: Project) -> dict[str, dict[str, str]]:
    """The table ``[project]`` of ``pyproject.toml``, empty where there is none."""
    path = project.root / "pyproject.toml"
    if not path.is_file():
        return {}
    return tomllib.loads(path.read_text("utf8")).get("project", {})


def cover(project: Project) -> str:
    """The first leaf."""
    told = metadata(project)
    config = yaml.safe_load(project.config.read_text("utf8"))
    lines = [f"<h1>{html.escape(title(project))}</h1>"]
    if about := told.get("description"):
        lines.append(f'<p class="about">{html.escape(str(about))}</p>')
    lines.append(f'<p class="by">{html.escape(str(config.get("author", "")))}</p>')
    foot = [f"Version {told['version']}"] if "version" in told else []
    foot += [site(project)] if site(project) else []
    foot += [
        "Printed from the pages of the book. Code that a page folds away is left "
        "out, and so is the reference of the library; the site has both."
    ]
    lines += [f'<p class="foot">{html.escape(line)}</p>' for line in foot]
    return f'<section class="cover">{"".join(lines)}</section>'


def contents(parts: Sequence[Part], titles: dict[str, str]) -> str:
    """The table of contents; whoever prints fills in its page numbers."""
    lines = []
    for part in parts:
        if part.title:
            lines.append(f'<p class="part">{html.escape(part.title)}</p>')
        for name in part.pages:
            lines.append(
                f'<p class="entry"><a href="#{name}">{titles[name]}</a>'
                f'<span class="dots"></span><span class="number" data-of="{name}">'
                "</span></p>"
            )
    inner = "\n".join(lines)
    return f'<nav class="printed-contents"><p class="title">Contents</p>{inner}</nav>'


def title_of(page: str) -> str:
    """The first heading of a built page's article, as HTML without links."""
    inner = ARTICLE.search(page)
    found = HEADLINE.search(inner[1]) if inner else None
    return re.sub(r"</?a\b[^>]*>", "", found[1]) if found else ""


def article(page: str, name: str, printed: Sequence[str], site: str) -> str:
    """The article of a built page, its anchors and links as in the one page.

    Args:
        page: A built page.
        name: Its name.
        printed: The pages that are printed: links to others lead to the site.
        site: Its address, or nothing.

    >>> page = '<article class="bd-article"><a id="x" href="b.html#y">b</a></article>'
    >>> article(page, "a", ["a", "b"], "").splitlines()[1]
    '<a id="a--x" href="#b--y">b</a>'
    """
    found = ARTICLE.search(page)
    inner = found[1] if found else ""
    inner = NOSCRIPT.sub("", SCRIPT.sub("", HEADERLINK.sub("", inner)))

    def redo(tag: re.Match[str]) -> str:
        text = ANCHOR.sub(lambda a: f'{a[1]}="{_own(a[2], name)}"', tag[0])
        beside = tag[0].startswith("<link")  # styles of an experiment, as its pictures
        return TARGET.sub(
            lambda t: (
                f'{t[1]}="'
                f"{_target('src' if beside else t[1], t[2], name, printed, site)}"
                '"'
            ),
            text,
        )

    return (
        f'<article class="bd-article" id="{name}">\n{TAG.sub(redo, inner)}\n</article>'
    )


def _own(anchors: str, name: str) -> str:
    return " ".join(f"{name}--{anchor}" for anchor in anchors.split())


def _target(
    kind: str, address: str, name: str, printed: Sequence[str], site: str
) -> str:
    if OUTSIDE.match(address):
        return address
    if kind == "src":
        return f"html/{address.removeprefix('../')}"
    path, _, anchor = address.partition("#")
    if not path:
        return f"#{_own(anchor, name)}" if anchor else f"#{name}"
    page = path.removesuffix(".html")
    if page in printed:
        return f"#{_own(anchor, page)}" if anchor else f"#{page}"
    base = site.rstrip("/") or ".."
    return f"{base}/book/{address}"
