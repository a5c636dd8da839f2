"""The whole book: check, execute, collect, typeset, and say what came out."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from flatminima_book.budget import charge, compare
from flatminima_book.check import check_sources
from flatminima_book.execute import setting_problems
from flatminima_book.found import resting, struck
from flatminima_book.harvest import gather
from flatminima_book.notebooks import Chapter, load_chapters
from flatminima_book.project import Project, Say
from flatminima_book.running import execute_all, scaled
from flatminima_book.sole import sole_build
from flatminima_book.status import is_ready, new_status
from flatminima_book.typesetting import typeset_book
from flatminima_book.verdicts import moved, write_json


def build_book(
    project: Project,
    say: Say,
    *,
    scale: str | None = None,
    only: Sequence[str] = (),
    pages: bool = True,
) -> list[str]:
    """Build the whole book, under default parameters unless a scale is given.

    Args:
        project: The book.
        say: Told of progress, a line at a time.
        scale: Name of parameter files, such as "paper", for the chapters that
            have one.
        only: The chapters to execute, all by default. Of the others the book shows
            what was last executed.
        pages: Whether to typeset; tests of the pipeline do without.

    Returns:
        One line per problem; empty when the book is sound.

    Raises:
        ValueError: There is no such scale or chapter, or another build is at work.
    """
    begun = time.monotonic()
    if problems := setting_problems() + check_sources(project):
        return problems
    chapters = load_chapters(project)
    given = scaled(project, chapters, scale, only)
    chosen = [c for c in chapters if not only or c.name in only]
    say(f"sources are sound: {len(chapters)} chapters")
    with sole_build(project):
        return _build(project, chapters, chosen, given, say, pages, begun)


def _build(
    project: Project,
    chapters: Sequence[Chapter],
    chosen: Sequence[Chapter],
    given: Mapping[str, Mapping[str, Any]],
    say: Say,
    pages: bool,
    begun: float,
) -> list[str]:
    outcomes = execute_all(project, chosen, given, say)
    spent = {n: o.spent for n, o in outcomes.items() if o.failure is None}
    # without all chapters nobody knows whose the runs are that some of them share
    costs = charge(chapters, spent) if len(spent) == len(chapters) else {}
    status = new_status(project, chapters, outcomes, costs)
    ready = [c for c in chapters if is_ready(project, c.name, status)]
    harvest = gather(project, ready)
    problems = [
        outcome.failure.line(name)
        for name, outcome in outcomes.items()
        if outcome.failure
    ]
    for remark in harvest.remarks:
        say(f"note: {remark}")
    problems += harvest.problems
    write_json(project.build / "scorecard.json", harvest.scorecard)
    if pages and not problems and len(ready) < len(chapters):
        others = ", ".join(c.name for c in chapters if c not in ready)
        say(f"no pages: not executed are {others}; run: make book")
    elif pages and not problems:
        say("typesetting")
        problems += typeset_book(project, chapters, harvest, status, begun)
    status["total_seconds"] = round(time.monotonic() - begun, 2)
    write_json(project.build / "status.json", status)
    # other parameters are free, unless somebody expects something of them
    bound = [
        entry
        for entry in harvest.scorecard
        if entry["chapter"] in outcomes
        and (entry["chapter"] not in given or entry["expected"] is not None)
    ]
    problems += moved(project, bound, resting(project))
    free = [each for each in harvest.found if each["chapter"] not in given]
    problems += struck(free, bound)
    return problems + over(project, costs, given, say)


def over(
    project: Project, costs: Mapping[str, float], given: Collection[str], say: Say
) -> list[str]:
    """Problems of the budget; remarks are said. Parameters of a reader are free."""
    if project.budget is None:
        return []
    problems, remarks = compare(project.budget, costs, set(costs) - set(given))
    for remark in remarks:
        say(f"note: {remark}")
    return problems
