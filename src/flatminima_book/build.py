"""The build: check, execute, collect, typeset, and say what came out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from flatminima import folders
from flatminima.claims.sentences import MIME as FOUND_MIME
from flatminima_book import downloads, site_data
from flatminima_book.budget import charge, compare
from flatminima_book.check import check_sources
from flatminima_book.claims import Claims, load_claims
from flatminima_book.clean import check_outputs, clean
from flatminima_book.execute import (
    Outcome,
    execute,
    progress_file,
    setting_problems,
    stop_children,
)
from flatminima_book.folding import fold
from flatminima_book.found import place, resting, struck
from flatminima_book.fresh import (
    FOLDER,
    SCALE,
    fresh_fragment,
    read_fresh,
    rerun,
    write_fresh,
)
from flatminima_book.glossary import link_terms, load_entries
from flatminima_book.notebooks import Chapter, load_chapters, read_notebook
from flatminima_book.pages import typeset
from flatminima_book.pairs import update_pairs
from flatminima_book.parameters import read_parameter_file
from flatminima_book.project import Project
from flatminima_book.reference import (
    add_engine,
    read_reference,
    reference_fragment,
)
from flatminima_book.rerun_page import rerun_fragment
from flatminima_book.schedule import run_all, seconds_left
from flatminima_book.scorecard_page import scorecard_fragment
from flatminima_book.stage import put_fragment, put_notebook, set_stage
from flatminima_book.status import (
    FRAGMENT,
    Status,
    fill_page,
    known_seconds,
    machine,
    package_versions,
    read_status,
)
from flatminima_book.verdicts import (
    FIGURE_MIME,
    WORDS_MIME,
    Verdict,
    check_verdicts,
    collect,
    duplicate_ids,
    load_expected,
    moved,
    order_keys,
    write_json,
)

Say = Callable[[str], None]


@dataclass
class Harvest:
    """What the executed chapters gave: verdicts, problems, remarks, and what they said.

    Attributes:
        scorecard: Entries in reading order.
        problems: What is wrong, a line each.
        remarks: What is to be said of it, a line each.
        figures: Rows of the table of figures.
        words: What pages say of each verdict.
        parameters: With which each chapter was executed.
        found: Boxes and passages.
        downloads: The data of all figures and tables.
    """

    scorecard: list[Verdict] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    figures: list[dict[str, Any]] = field(default_factory=list)
    words: list[dict[str, Any]] = field(default_factory=list)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    found: list[dict[str, Any]] = field(default_factory=list)
    downloads: list[downloads.Download] = field(default_factory=list)


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


@contextmanager
def sole_build(project: Project) -> Iterator[None]:
    """Hold the build folder, so that two builds do not mix their files.

    Where there are no locks, only their user can see to that, and is told so.

    Raises:
        ValueError: Another build holds it.
    """
    project.build.mkdir(parents=True, exist_ok=True)
    lock = FileLock(project.build / "build.lock")
    problem = ""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        problem = folders.no_locks(project.build)
        if not problem:
            raise ValueError("another build is at work in this folder") from None
    except (OSError, NotImplementedError) as error:
        problem = folders.reason(error)
    if problem:
        print(
            f"note: {lock.lock_file} cannot be locked ({problem}): see to it that no "
            "other build is at work there",
            file=sys.stderr,
        )
    try:
        yield
    finally:
        lock.release()


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
    status = _status(project, chapters, outcomes, costs)
    ready = [c for c in chapters if _is_ready(project, c.name, status)]
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
        problems += _typeset(project, chapters, harvest, status, begun)
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


def gather(project: Project, chapters: Sequence[Chapter]) -> Harvest:
    """Stage executed chapters and collect their verdicts.

    Args:
        project: The book.
        chapters: Those that ran, in reading order.

    Returns:
        Scorecard entries with ``expected``, and what is wrong with them.
    """
    claims = load_claims(project)
    harvest = Harvest()
    every = load_chapters(project)
    names = [chapter.name for chapter in every]
    glossary, reference = load_entries(project), read_reference(project)
    set_stage(project, every)
    for chapter in chapters:
        notebook = read_notebook(project.notebook(chapter.name))
        entries = read_verdicts(
            project, chapter, used(chapter, notebook), notebook, claims
        )
        harvest.parameters[chapter.name] = used(chapter, notebook)
        harvest.scorecard += entries.scorecard
        harvest.problems += entries.problems
        harvest.figures += collect(notebook, FIGURE_MIME)
        harvest.words += collect(notebook, WORDS_MIME)
        harvest.found += collect(notebook, FOUND_MIME)
        harvest.problems += place(notebook, chapter.name)
        offered, without = downloads.take(
            notebook, chapter, harvest.parameters[chapter.name]
        )
        harvest.downloads += offered
        harvest.problems += without
        noise = clean(notebook)
        fold(notebook)
        link_terms(notebook, glossary)
        add_engine(notebook, reference, project.root / "src")
        harvest.remarks += [f"chapter {chapter.name}, {line}" for line in noise]
        harvest.problems += check_outputs(notebook, chapter.name, project.root)
        put_notebook(project, chapter.name, notebook, names)
    harvest.problems += duplicate_ids(harvest.scorecard)
    return harvest


def used(chapter: Chapter, notebook: Any) -> dict[str, Any]:
    """The parameters of an executed chapter: its defaults and what it was given."""
    noted = notebook.metadata.get("papermill", {}).get("parameters", {})
    return {**chapter.defaults, **noted}


def read_verdicts(
    project: Project,
    chapter: Chapter,
    parameters: Mapping[str, Any],
    notebook: Any,
    claims: Claims,
) -> Harvest:
    """Read one executed chapter's verdicts as scorecard entries."""
    verdicts = collect(notebook)
    problems = check_verdicts(verdicts, chapter.name, claims.chapter_of)
    expected = load_expected(project, chapter.name, parameters)
    sound = not problems
    entries = [order_keys(v, expected.get(v["id"])) for v in verdicts] if sound else []
    return Harvest(entries, problems)


def _typeset(
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
        harvest = gather(project, chapters)
        status = read_status(project) or _status(project, [], {}, {})
        say("typesetting")
        card = _typeset(project, chapters, harvest, status, begun)
    return harvest.problems + card


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


def _is_ready(project: Project, name: str, status: Status) -> bool:
    """Whether a chapter was executed to its end, now or in an earlier build."""
    entry = status["chapters"].get(name, {"failed": True})
    return not entry["failed"] and project.notebook(name).is_file()


def _status(
    project: Project,
    chapters: Sequence[Chapter],
    outcomes: Mapping[str, Outcome],
    costs: Mapping[str, float],
) -> Status:
    """The status of this build, with what earlier ones know of other chapters."""
    entries = read_status(project).get("chapters", {}) | {
        name: {
            "seconds": round(outcome.seconds, 2),
            "core_seconds": _core_seconds(costs, name),
            "budget": project.budget.allowed(name) if project.budget else None,
            "date": outcome.finished,
            "failed": outcome.failure is not None,
        }
        for name, outcome in outcomes.items()
    }
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return {
        "date": now.removesuffix("+00:00"),
        "machine": machine(),
        "packages": package_versions(project.packages),
        "chapters": {c.name: entries[c.name] for c in chapters if c.name in entries},
        "sphinx_seconds": 0.0,
        "total_seconds": 0.0,
    }


def _core_seconds(costs: Mapping[str, float], name: str) -> float | None:
    return round(costs[name], 2) if name in costs else None
