"""Pages from a harvest: the generated texts, Sphinx, the data beside them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from flatminima_book import site_data
from flatminima_book.claims import load_claims
from flatminima_book.fresh import fresh_fragment, read_fresh
from flatminima_book.harvest import Harvest, gather
from flatminima_book.notebooks import Chapter, load_chapters
from flatminima_book.pages import typeset
from flatminima_book.project import Project, Say
from flatminima_book.reference import read_reference, reference_fragment
from flatminima_book.rerun_page import rerun_fragment
from flatminima_book.scorecard_page import scorecard_fragment
from flatminima_book.sole import sole_build
from flatminima_book.stage import put_fragment
from flatminima_book.status import (
    FRAGMENT,
    Status,
    fill_page,
    new_status,
    read_status,
)


def typeset_book(
    project: Project,
    chapters: Sequence[Chapter],
    harvest: Harvest,
    status: Status,
    begun: float,
) -> list[str]:
    tables = load_claims(project).tables
    card = scorecard_fragment(
        harvest.scorecard, tables, chapters, harvest.figures, harvest.words
    )
    put_fragment(project, "scorecard.md", card)
    again = fresh_fragment(
        harvest.scorecard,
        read_fresh(project.fresh) if project.fresh else {},
        harvest.parameters,
        chapters,
        harvest.words,
    )
    put_fragment(project, "fresh.md", again)
    put_fragment(
        project, "data.md", site_data.page(project, harvest.downloads, chapters)
    )
    put_fragment(project, "rerun.md", rerun_fragment(project, chapters))
    put_fragment(project, "status.md", FRAGMENT)
    reference = read_reference(project)
    for page in reference.pages:
        put_fragment(project, f"{page}.md", reference_fragment(reference, page))
    sphinx = time.monotonic()
    problems = typeset(project)
    site_data.write(project, harvest.downloads, harvest.scorecard)
    status["sphinx_seconds"] = round(time.monotonic() - sphinx, 2)
    status["total_seconds"] = round(time.monotonic() - begun, 2)
    fill_page(project.html / "book" / "status.html", status)
    return problems


def retypeset(project: Project, say: Say) -> list[str]:
    """Typeset again what was last executed, after an edit of pages or styles.

    Args:
        project: The book.
        say: Told of progress.

    Returns:
        One line per problem.

    Raises:
        ValueError: A build is at work.
    """
    begun = time.monotonic()
    chapters = load_chapters(project)
    for chapter in chapters:
        if not project.notebook(chapter.name).is_file():
            return [f"chapter {chapter.name} has not been executed; run: make book"]
    with sole_build(project):
        status = read_status(project) or new_status(project, [], {}, {})
        for chapter in chapters:
            if status["chapters"].get(chapter.name, {}).get("failed"):
                return [
                    f"chapter {chapter.name} failed when it was last executed; run: "
                    f"make book CHAPTERS={chapter.name}"
                ]
        harvest = gather(project, chapters)
        say("typesetting")
        card = typeset_book(project, chapters, harvest, status, begun)
    return harvest.problems + card
