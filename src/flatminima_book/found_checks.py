"""Cheap checks of the sentences that say what the chapters found."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flatminima.claims.sentences import LINK, SETTING, TITLE, Sentence, Texts
from flatminima_book.claims import load_claims
from flatminima_book.found import FoundFile, load_found
from flatminima_book.notebooks import Chapter, read_source
from flatminima_book.project import Project
from flatminima_book.verdicts import load_expected

SECTION = "conclusions.section"
SHOW = ("found.box", "found.passage", SECTION)
"""What shows sentences in a chapter, as it is called there."""


@dataclass(frozen=True)
class Call:
    """A cell that shows sentences.

    Attributes:
        passage: Name of the passage, or of a section of conclusions; empty for the box.
        chapter: Whose sentences.
        function: What shows them, one of `SHOW`.
        settings: Names of the keyword arguments.
        alone: Whether the cell shows them and does nothing else.
    """

    passage: str
    chapter: str
    function: str = "found.box"
    settings: frozenset[str] = field(default_factory=frozenset)
    alone: bool = True


def check_found(project: Project, chapters: Sequence[Chapter]) -> list[str]:
    """Check the sentences against claims, expected verdicts and cells.

    Args:
        project: The book.
        chapters: All that could be read.

    Returns:
        One line per problem.
    """
    chapter_of = load_claims(project).chapter_of
    by_name = {chapter.name: chapter for chapter in chapters}
    files = load_found(project)
    problems: list[str] = []
    for name, file in files.items():
        problems += file.problems
        if name not in by_name:
            problems.append(f"{file.where}: there is no chapter {name}")
        elif file.texts is not None:
            problems += _check_claims(project, by_name, name, file, chapter_of)
            problems += _check_cells(by_name[name], file.texts, file.where)
    return [*problems, *_check_boxes(project, by_name, set(files), chapter_of)]


def _check_claims(
    project: Project,
    chapters: Mapping[str, Chapter],
    name: str,
    file: FoundFile,
    chapter_of: Mapping[str, str],
) -> Iterator[str]:
    reach = (name, *chapters[name].after)
    assert file.texts is not None
    for place, sentence in file.texts.places():
        where = f"{file.where}: {place}, “{sentence.opening}”"
        for claim, words in sentence.written_for.items():
            home = chapter_of.get(claim)
            if home is None:
                yield f"{where}: there is no claim {claim}"
                continue
            if home not in reach or home not in chapters:
                yield (
                    f"{where}: claim {claim} is of chapter {home}, after which {name} "
                    "does not run"
                )
                continue
            expected = _expected(project, chapters[home]).get(claim)
            if expected and not set(expected.split(" or ")) <= set(words):
                yield (
                    f"{where}: written for {claim}: {' or '.join(words)}, but "
                    f"{expected} is expected"
                )
        for target in LINK.findall(sentence.says):
            page = target[2:-1].split("#")[0]
            if "://" not in page and not (project.book / page).is_file():
                yield f"{where}: broken link to {page}"


def _expected(project: Project, chapter: Chapter) -> dict[str, str]:
    try:
        return load_expected(project, chapter.name, chapter.defaults)
    except ValueError:  # a check of its own says so
        return {}


def _check_cells(chapter: Chapter, texts: Texts, where: str) -> Iterator[str]:
    """Check that the chapter shows its box and each passage once, with its settings."""
    calls = list(find_calls(chapter))
    sections = {name: part.conclusions for name, part in texts.sections.items()}
    places: dict[str, Sequence[Sentence]] = {
        "": texts.box,
        **texts.passages,
        **sections,
    }
    source = f"book/{chapter.source.name}"
    for call in calls:
        what = f"{call.function} {call.passage}".rstrip()
        if call.chapter != chapter.name:
            yield f"{source}: {what} is of chapter {call.chapter}"
        if not call.alone:
            yield f"{source}: {what} needs a cell of its own"
        if call.passage not in places:
            kind = "section" if call.function == SECTION else "passage"
            yield f"{source}: {where} has no {kind} {call.passage}"
    for place, sentences in places.items():
        shown = [call for call in calls if call.passage == place]
        what = f"{'section' if place in sections else 'passage'} {place}"
        what = what if place else "its box"
        if len(shown) != 1:
            yield f"{source}: shows {what} {len(shown)} times instead of once"
            continue
        for sentence in sentences:
            for part in sentence.placeholders():
                if part.claim == SETTING and part.parts[0] not in shown[0].settings:
                    yield f"{source}: {what} is not given the setting {part.parts[0]}"


def _check_boxes(
    project: Project,
    chapters: Mapping[str, Chapter],
    having: set[str],
    chapter_of: Mapping[str, str],
) -> Iterator[str]:
    for name in chapters:
        excused = name in project.without_box
        if name in having and excused:
            yield f"pyproject.toml: without_box lists {name}, which has a box"
        elif name in chapter_of.values() and name not in having and not excused:
            yield f"book/{name}.md: has claims but no box, “{TITLE}”"


def find_calls(chapter: Chapter) -> Iterator[Call]:
    """The calls in a chapter's cells that show sentences, see `SHOW`."""
    for cell in read_source(chapter.source).cells:
        if cell.cell_type != "code":
            continue
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:  # a magic
            continue
        for node in ast.walk(ast.Module(body, [])):
            if isinstance(node, ast.Call) and (function := _shows(node)):
                words = [_literal(argument) for argument in node.args[:2]]
                yield Call(
                    passage="" if function == SHOW[0] else words[-1],
                    chapter=words[0] if words else "",
                    function=function,
                    settings=frozenset(k.arg for k in node.keywords if k.arg),
                    alone=_is_all(body, node) and not cell.source.endswith(";"),
                )


def _is_all(body: Sequence[ast.stmt], call: ast.Call) -> bool:
    first = body[0]
    return len(body) == 1 and isinstance(first, ast.Expr) and first.value is call


def _shows(call: ast.Call) -> str:
    """Which function of `SHOW` is called; empty for another."""
    name = ast.unparse(call.func)
    return name if name in SHOW else ""


def _literal(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
