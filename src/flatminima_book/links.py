"""Links of the sources: every page and file they point to exists."""

from __future__ import annotations

import re
from pathlib import Path

from flatminima_book.project import Project, toc_names

INLINE = re.compile(r"\]\(\s*<?([^)\s>]+)")
IMAGE_DIRECTIVE = re.compile(
    r"^(?:`{3,}|:{3,})\{(?:figure|image)\}\s+(\S+)", re.MULTILINE
)
DOC_ROLE = re.compile(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`")
GLUE_PAGE = re.compile(r"\{glue:\w+\}`([^`:]+\.md)::")
FENCE = re.compile(r"^(`{3,}|~{3,})(?!\s*\{).*?^\1\s*$", re.MULTILINE | re.DOTALL)
CODE_CELL = re.compile(r"^(`{3,})\{code-cell\}.*?^\1\s*$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<![}`])(`+)(?!`).+?(?<!`)\1(?!`)")
OUTSIDE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|#)", re.IGNORECASE)


def check_links(project: Project) -> list[str]:
    """Check the pages of the table of contents and the links between them.

    Args:
        project: The book.

    Returns:
        One line per missing page, stray page or broken link.
    """
    names = toc_names(project)
    problems = []
    for name in sorted({n for n in names if names.count(n) > 1}):
        problems.append(f"_toc.yml: book/{name}.md is listed twice")
    for name in names:
        path = project.book / f"{name}.md"
        if path.is_file():
            problems += broken_links(path)
        else:
            problems.append(f"_toc.yml: book/{name}.md does not exist")
    for path in sorted(project.book.glob("*.md")):
        if path.stem not in names:
            problems.append(f"book/{path.name}: is not in _toc.yml")
    return problems


def broken_links(path: Path) -> list[str]:
    """Find links of a MyST page that lead nowhere.

    Args:
        path: The page.

    Returns:
        One line per link whose file does not exist. Links to other sites and
        to labels are left to Sphinx.
    """
    text = FENCE.sub("", CODE_CELL.sub("", path.read_text("utf8")))
    plain = CODE_SPAN.sub("", text)
    targets = [*INLINE.findall(plain), *IMAGE_DIRECTIVE.findall(text)]
    targets += [f"{page}.md" for page in DOC_ROLE.findall(text)]
    targets += GLUE_PAGE.findall(text)
    problems = []
    for target in targets:
        if OUTSIDE.match(target):
            continue
        if not (path.parent / target.split("#", 1)[0]).is_file():
            problems.append(f"book/{path.name}: broken link to {target}")
    return problems
