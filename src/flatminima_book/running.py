"""Chapters are executed: several at once, or one for a reader."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flatminima_book.claims import load_claims
from flatminima_book.execute import (
    Outcome,
    execute,
    progress_file,
    setting_problems,
    stop_children,
)
from flatminima_book.harvest import read_verdicts
from flatminima_book.notebooks import Chapter, load_chapters, read_notebook
from flatminima_book.pairs import update_pairs
from flatminima_book.parameters import read_parameter_file
from flatminima_book.project import Project, Say
from flatminima_book.schedule import run_all, seconds_left
from flatminima_book.status import known_seconds, read_status
from flatminima_book.verdicts import Verdict, collect, write_json


def scaled(
    project: Project,
    chapters: Sequence[Chapter],
    scale: str | None,
    only: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """Parameters that chapters are given at a scale.

    Returns:
        By chapter; those that keep their defaults are not in it.

    Raises:
        ValueError: There is no such scale or chapter, or no file for a chapter
            that was named.
    """
    names = {chapter.name for chapter in chapters}
    for name in only:
        if name not in names:
            raise ValueError(
                f"no chapter {name}; there are: {', '.join(sorted(names))}"
            )
    if scale is None:
        return {}
    every = project.parameter_files()
    files = {path.parent.name: path for path in every if path.stem == scale}
    if not files:
        known = sorted({path.stem for path in every})
        raise ValueError(f"no scale {scale}; there are: {', '.join(known)}")
    for name in only:
        if name not in files:
            raise ValueError(f"chapter {name} has no parameters at scale {scale}")
    chosen = only or [name for name in files if name in names]
    return {name: read_parameter_file(files[name]) for name in chosen}


def execute_all(
    project: Project,
    chapters: Sequence[Chapter],
    given: Mapping[str, Mapping[str, Any]],
    say: Say,
) -> dict[str, Outcome]:
    """Execute chapters, a few at a time; a failing one does not stop the others."""
    by_name = {chapter.name: chapter for chapter in chapters}
    given = {name: by_name[name].checked(values) for name, values in given.items()}
    seconds = known_seconds(read_status(project))
    took: dict[str, float] = {}

    def work(name: str) -> Outcome:
        (project.verdicts / f"{name}.json").unlink(missing_ok=True)
        outcome = execute(
            by_name[name].paired,
            project.notebook(name),
            given.get(name, {}),
            root=project.root,
            build=project.build,
            timeout=None if name in given else project.timeout,
        )
        if not outcome.failure:
            keep_verdicts(project, name)
        return outcome

    def finished(name: str, outcome: Outcome, unfinished: list[str]) -> None:
        done = len(by_name) - len(unfinished)
        state = "failed after" if outcome.failure else "done in"
        line = f"[{done}/{len(by_name)}] {name} {state} {outcome.seconds:.0f} s"
        took[name] = outcome.seconds
        left = seconds_left(unfinished, seconds, project.workers, took)
        if unfinished and left is not None:
            line += f", about {max(left, 1):.0f} s left"
        say(line)

    say(f"executing, {project.workers} at a time")
    return run_all(
        {c.name: [a for a in c.after if a in by_name] for c in chapters},
        work,
        workers=project.workers,
        seconds=seconds,
        finished=finished,
        waiting_on=lambda names: say(_still(project.executed, names)),
        interrupted=stop_children,
    )


def keep_verdicts(project: Project, name: str) -> None:
    """Keep the verdicts of a chapter that has run for those that run after it."""
    found = collect(read_notebook(project.executed / f"{name}.ipynb"))
    project.verdicts.mkdir(parents=True, exist_ok=True)
    path = project.verdicts / f"{name}.json"
    # as the chapter shows them; what breaks the contract is reported later
    path.write_text(json.dumps(found), "utf8")


def _still(folder: Path, names: Sequence[str]) -> str:
    """Running chapters, each with what its sweep last noted."""
    parts = []
    for name in names:
        note = progress_file(folder / f"{name}.ipynb")
        try:
            parts.append(f"{name} ({note.read_text('utf8')})")
        except FileNotFoundError:
            parts.append(name)
    return f"still running: {', '.join(parts)}"


def build_chapter(
    project: Project, name: str, given: Mapping[str, Any], say: Say
) -> tuple[list[str], list[Verdict]]:
    """Execute one chapter under a reader's parameters; nothing is enforced.

    Args:
        project: The book.
        name: Chapter name.
        given: Parameters that override the defaults.
        say: Told of progress.

    Returns:
        Problems, and the scorecard entries of this run.

    Raises:
        ValueError: There is no such chapter, or it does not allow a parameter.
    """
    chapters = {chapter.name: chapter for chapter in load_chapters(project)}
    if name not in chapters:
        raise ValueError(f"no chapter {name}; there are: {', '.join(chapters)}")
    chapter = chapters[name]
    given = chapter.checked(given)
    if problems := setting_problems() + update_pairs(project, say, [name]):
        return problems, []
    output = project.build / "chapters" / f"{name}.ipynb"
    say(f"executing {name}")

    def work(name: str) -> Outcome:
        return execute(
            chapter.paired,
            output,
            given,
            root=project.root,
            build=project.build,
            timeout=None if given else project.timeout,
        )

    outcome = run_all(
        {name: []},
        work,
        workers=1,
        seconds={},
        finished=lambda *_: None,
        waiting_on=lambda names: say(_still(output.parent, names)),
        interrupted=stop_children,
    )[name]
    if outcome.failure:
        return [outcome.failure.line(name)], []
    parameters = {**chapter.defaults, **given}
    notebook = read_notebook(output)
    found = read_verdicts(project, chapter, parameters, notebook, load_claims(project))
    write_json(output.with_suffix(".json"), found.scorecard)
    say(f"{name} done in {outcome.seconds:.0f} s: {project.where(output)}")
    return found.problems, found.scorecard
