"""A build on fresh seeds, in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flatminima_book.check import check_sources
from flatminima_book.claims import load_claims
from flatminima_book.execute import setting_problems
from flatminima_book.fresh import FOLDER, SCALE, read_fresh, rerun, write_fresh
from flatminima_book.harvest import read_verdicts, used
from flatminima_book.notebooks import load_chapters, read_notebook
from flatminima_book.project import Project, Say
from flatminima_book.running import execute_all, scaled
from flatminima_book.sole import sole_build
from flatminima_book.verdicts import WORDS_MIME, collect


def build_fresh(project: Project, say: Say, only: Sequence[str] = ()) -> list[str]:
    """Execute chapters on fresh seeds, and keep what claims of ours come to there.

    The pages and notebooks of the book stay as they are: this goes to a folder of its
    own. Nothing is expected of it, so no verdict is a problem.

    Args:
        project: The book.
        say: Told of progress, a line at a time.
        only: The chapters to execute; by default all that have fresh seeds. What is
            kept of the others stays.

    Returns:
        One line per problem. A chapter that has one keeps what it had.

    Raises:
        ValueError: The book keeps no fresh seeds, there is no such chapter, or
            another build is at work.
    """
    if project.fresh is None:
        raise ValueError("pyproject.toml: fresh: names no file to keep fresh seeds in")
    if problems := setting_problems() + check_sources(project):
        return problems
    chapters = load_chapters(project)
    given = scaled(project, chapters, SCALE, only)
    chosen = [chapter for chapter in chapters if chapter.name in given]
    known, claims = read_fresh(project.fresh), load_claims(project)
    apart = replace(project, output=FOLDER)
    with sole_build(apart):
        outcomes = execute_all(apart, chosen, given, say)
        for chapter in chosen:
            if failure := outcomes[chapter.name].failure:
                problems.append(failure.line(chapter.name))
                continue
            notebook = read_notebook(apart.notebook(chapter.name))
            parameters = used(chapter, notebook)
            found = read_verdicts(project, chapter, parameters, notebook, claims)
            problems += found.problems
            if not found.problems:
                words = collect(notebook, WORDS_MIME)
                known[chapter.name] = rerun(parameters, found.scorecard, words)
    kept = {c.name: known[c.name] for c in chapters if c.name in known}
    kept = {name: each for name, each in kept.items() if each.claims}
    write_fresh(project.fresh, kept)
    count = sum(len(each.claims) for each in kept.values())
    say(f"made {project.where(project.fresh)}, claims of ours: {count}")
    return problems
