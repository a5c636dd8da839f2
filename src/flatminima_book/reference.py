"""The reference of the library: a page a room, written from the engine's docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from nbformat.v4 import new_markdown_cell

from flatminima_book.docstrings import Docstring, Item, Link, escape, myst
from flatminima_book.inspection import Member, Module, imports, in_words, modules
from flatminima_book.markdown import list_table
from flatminima_book.notebooks import Notebook
from flatminima_book.project import Project

PLAIN = re.compile(r"\w+(\.\w+)*(\(\))?")
SPAN = re.compile(r"`([^`]+)`")
HEADINGS = {
    "Args": "Arguments",
    "Attributes": "Attributes",
    "Raises": "Raises",
    "Warns": "Warns",
}


@dataclass(frozen=True)
class Reference:
    """All that the reference describes.

    Attributes:
        pages: modules by page.
        names: the dotted name of everything described, modules and methods too.
        sources: address of the folder of sources, to which modules link.
    """

    pages: dict[str, tuple[Module, ...]]
    names: frozenset[str]
    sources: str = ""

    def link(self, module: Module) -> Link:
        """What puts links in place of the code spans of a module's docstrings."""

        def put(code: str) -> str:
            full = self.find(code, module) if PLAIN.fullmatch(code) else None
            if full is None or full == module.name:
                return f"`{code}`"
            return f"{{py:obj}}`{code} <{full}>`"

        return put

    def find(self, code: str, module: Module) -> str | None:
        """What a name in a module's docstrings stands for, if that is described.

        Args:
            code: Such as ``certify``, ``coordinates.elementwise`` or ``exact()``.
            module: Where it is written. Its own names come first, then what it
                imports, then modules beside it.
        """
        head, _, rest = code.removesuffix("()").partition(".")
        beside = module.name.rpartition(".")[0]
        starts = [f"{module.name}.{head}", module.imports.get(head, "")]
        starts += [f"{beside}.{head}", f"flatminima.{head}", head]
        for start in starts:
            full = f"{start}.{rest}" if rest else start
            if full in self.names:
                return full
        return None


def read_reference(project: Project) -> Reference:
    """Read what the pages of a book's reference describe.

    Args:
        project: The book. Its setting ``reference`` names packages and modules by
            page; without it there is nothing to describe.

    Raises:
        ValueError: A module does not exist, or two pages describe it.
    """
    pages: dict[str, tuple[Module, ...]] = {}
    where: dict[str, str] = {}
    src = project.root / "src"
    for page, rooms in project.reference.items():
        try:
            found = [module for room in rooms for module in modules(src, room)]
        except ValueError as error:
            raise ValueError(f"pyproject.toml: reference: {page}: {error}") from error
        for module in found:
            if other := where.get(module.name):
                raise ValueError(
                    f"pyproject.toml: reference: {module.name} is on {other} and {page}"
                )
            where[module.name] = page
        pages[page] = tuple(found)
    every = [module for found in pages.values() for module in found]
    names = {name for module in every for name in _names(module)}
    return Reference(pages, frozenset(names), project.sources)


def _names(module: Module) -> Iterator[str]:
    yield module.name
    for member in module.members:
        yield f"{module.name}.{member.name}"
        for each in member.members:
            yield f"{module.name}.{member.name}.{each.name}"


# --- pages ---------------------------------------------------------------------


def reference_fragment(reference: Reference, page: str) -> str:
    """Write the generated part of a page: a table of its modules, then each of them.

    Args:
        reference: The whole, for links.
        page: Its name.

    Returns:
        MyST text.
    """
    found = reference.pages[page]
    rows = [
        [
            f"{{py:mod}}`~{module.name}`",
            escape(module.doc.summary, reference.link(module)),
        ]
        for module in found
    ]
    table = list_table(["Module", "What it holds"], rows, kind="reference")
    rooms = {module.name.rpartition(".")[0] for module in found}
    shared = f"{rooms.pop()}." if len(rooms) == 1 else "flatminima."
    bodies = (_module(reference, m, m.name.removeprefix(shared)) for m in found)
    return "\n".join([table, *bodies])


def _module(reference: Reference, module: Module, title: str) -> str:
    link = reference.link(module)
    parts = [f"## {escape(title)}", f"```{{py:module}} {module.name}\n```"]
    parts.append(myst(module.doc.text, link))
    if reference.sources:
        address = (
            f"{reference.sources}/{'/'.join(module.path.parts[-_depth(module) :])}"
        )
        parts.append(f"[Source]({address})")
    parts += [_member(each, link, 4) for each in module.members]
    return "\n\n".join(parts) + "\n"


def _depth(module: Module) -> int:
    package = module.path.name == "__init__.py"
    return len(module.name.split(".")) + package


def _member(member: Member, link: Link, colons: int) -> str:
    """A directive; those within it have fewer colons."""
    fence = ":" * colons
    lines = [f"{fence}{{py:{member.kind}}} {member.name}{member.signature}"]
    if member.value:
        lines.append(f":value: {member.value}")
    lines += ["", myst(_without_example(member.doc), link), ""]
    lines += _sections(member, link)
    for each in member.members:
        lines += [_member(each, link, colons - 1), ""]
    if example := member.doc.text[len(_without_example(member.doc)) :].strip():
        lines += [myst(example), ""]
    return "\n".join([*lines, fence])


def _without_example(doc: Docstring) -> str:
    return doc.text.split("\n\n>>>", 1)[0]


def _sections(member: Member, link: Link) -> Iterator[str]:
    types = {each.name: each.annotation for each in member.parameters}
    heading = "Attributes" if member.kind == "class" else "Args"
    items = list(member.doc.sections.get(heading, ()))
    said = {name.strip() for item in items for name in item.name.split(",")}
    # what has no words of its own has its type
    silent = [
        f"`{each.name}`: {_linked(in_words(each.annotation), link)}"
        for each in member.parameters
        if each.name not in said and each.annotation is not None
    ]
    if items or silent:
        yield from _list(HEADINGS[heading], items, types, link)
        yield f"{'; '.join(silent)}\n"
    returned = None
    if member.returns is not None and ast.unparse(member.returns) != "None":
        returned = _linked(in_words(member.returns), link)
    words = [item.text for item in member.doc.sections.get("Returns", ())]
    words += [item.text for item in member.doc.sections.get("Yields", ())]
    if (returned or words) and member.kind in ("function", "method"):
        yield f"**Returns** {returned or ''}".rstrip()
        yield ""
        for text in words:
            yield f"{myst(text, link)}\n"
    elif returned and member.kind == "property":
        yield f"**Is** {returned}\n"
    for name in ("Raises", "Warns"):
        if raised := member.doc.sections.get(name):
            yield from _list(name, raised, {}, link)


def _list(
    heading: str, items: Sequence[Item], types: Mapping[str, Any], link: Link
) -> Iterator[str]:
    yield f"**{heading}**\n"
    for item in items:
        names = [name.strip() for name in item.name.split(",")]
        of = types.get(names[0])
        term = ", ".join(f"`{name}`" for name in names if name)
        if of is not None:
            term += f": {_linked(in_words(of), link)}"
        text = escape(item.text, link)
        if term:
            yield f"{term}\n: {text}\n"
        else:
            yield f"{text}\n"


def _linked(words: str, link: Link) -> str:
    return SPAN.sub(lambda found: link(found[1]), words)


# --- chapters -------------------------------------------------------------------


def add_engine(notebook: Notebook, reference: Reference, src: Path) -> None:
    """Say at the end of a chapter which parts of the engine it calls, in place.

    Args:
        notebook: The chapter; nothing is added where it calls none that are described.
        reference: What is described.
        src: Folder of the sources, for the studies through which it calls them.
    """
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    if called := calls(code, reference.names, src):
        cell = new_markdown_cell(_engine(called, reference))
        cell["id"] = "engine-used"
        notebook.cells.append(cell)


def calls(code: Sequence[str], names: frozenset[str], src: Path) -> list[str]:
    """Described names that pieces of code use, or the studies that they import.

    Args:
        code: Python, or what a notebook may hold instead, which is passed over.
        names: Dotted names that are described.
        src: Folder of the sources.
    """
    used: set[str] = set()
    seen: set[Path] = set()
    waiting = list(code)
    while waiting:
        try:
            tree = ast.parse(waiting.pop())
        except SyntaxError:
            continue
        meant = imports(tree)
        for target in set(meant.values()):
            path = _study(src, target)
            if path is not None and path not in seen:
                seen.add(path)
                waiting.append(path.read_text("utf8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                used.add(meant.get(node.id, ""))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.add(f"{meant.get(node.value.id, '')}.{node.attr}")
    found = used & names
    # a module is not named beside what is used of it
    return sorted(f for f in found if not any(g.startswith(f"{f}.") for g in found))


def _study(src: Path, dotted: str) -> Path | None:
    """The file of a study that an import means, by itself or by a name in it."""
    if not dotted.startswith("flatminima.studies."):
        return None
    for name in (dotted, dotted.rpartition(".")[0]):
        path = src.joinpath(*name.split(".")).with_suffix(".py")
        if path.is_file():
            return path
    return None


def _engine(called: Sequence[str], reference: Reference) -> str:
    page_of = {m.name: page for page, found in reference.pages.items() for m in found}

    def page(name: str) -> str:
        while name not in page_of:
            name = name.rpartition(".")[0]
        return page_of[name]

    lines = []
    order = list(reference.pages)
    for where, group in groupby(
        sorted(called, key=lambda name: (order.index(page(name)), name)), page
    ):
        links = ", ".join(f"{{py:obj}}`{_short(n, page_of)} <{n}>`" for n in group)
        lines.append(f"- [{where.removeprefix('api-')}]({where}.md): {links}")
    body = "\n".join(lines)
    return f":::{{admonition}} Engine used here\n:class: dropdown engine\n{body}\n:::"


def _short(name: str, page_of: Mapping[str, str]) -> str:
    """Without the rooms: ``trace.exact``, but ``certify`` where that says it all."""
    parts = name.split(".")
    return parts[-1] if name in page_of else ".".join(parts[-2:])
