"""Command line of the press: ``python -m flatminima_book``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from flatminima.checkout import refuse_another
from flatminima.terminal import never_break
from flatminima_book.build import build_book
from flatminima_book.check import check_sources
from flatminima_book.experiments import write_data
from flatminima_book.fresh_build import build_fresh
from flatminima_book.markdown import MARKS, interval, number
from flatminima_book.new import new_chapter
from flatminima_book.notebooks import load_chapters, read_notebook
from flatminima_book.pairs import update_pairs
from flatminima_book.parameters import read_command_line
from flatminima_book.printing import print_book
from flatminima_book.project import Project, check_places, load
from flatminima_book.running import build_chapter
from flatminima_book.serve import serve
from flatminima_book.typesetting import retypeset
from flatminima_book.verdicts import Verdict, collect


def say(line: str) -> None:
    """Print a line at once, with the time since the command began."""
    print(f"{time.monotonic() - BEGUN:6.0f} s  {line}", flush=True)


BEGUN = time.monotonic()
STYLE: dict[str, Any] = {
    "sort_keys": False,
    "allow_unicode": True,
    "default_flow_style": None,
}


def parser() -> argparse.ArgumentParser:
    """Arguments of the command line."""
    top = argparse.ArgumentParser(prog="flatminima_book", description=__doc__)
    top.add_argument("--root", type=Path, default=Path("."), help="the book's folder")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check the sources; runs nothing")
    book = commands.add_parser("build", help="check, execute every chapter, typeset")
    book.add_argument("--scale", help="which files of params/ to take parameters from")
    book.add_argument(
        "--chapters",
        nargs="*",
        default=[],
        help="execute only these",
    )
    chapter = commands.add_parser("new", help="write the skeleton of a chapter")
    chapter.add_argument("name", help="such as scenario-2")
    fresh = commands.add_parser("fresh", help="run claims of ours on fresh seeds")
    fresh.add_argument("--chapters", nargs="*", default=[], help="only these")
    commands.add_parser("pdf", help="print the built pages as one PDF")
    commands.add_parser("pages", help="typeset again what was last executed")
    commands.add_parser("live", help="write the data of the live experiments anew")
    served = commands.add_parser("serve", help="show the built pages on this machine")
    served.add_argument("--port", default="8000", help="0 takes any that is free")
    pair = commands.add_parser("pair", help="update the notebooks from the texts")
    pair.add_argument("chapters", nargs="*", help="only these")
    pair.add_argument(
        "--keep",
        choices=["text", "notebook"],
        help="the side to write the other from, whatever is lost",
    )
    commands.add_parser("expect", help="print the last build's verdicts as expected")
    # nothing here is an option of ours: papermill's command line reads the words
    chapter = commands.add_parser(
        "chapter",
        help="execute one chapter: NAME, then papermill's -p, -r, -f, -y and -b",
        prefix_chars="\0",
        add_help=False,
    )
    chapter.add_argument("words", nargs="*")
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Command-line words; those of the process by default.

    Returns:
        The exit status: 0 when all is well.
    """
    options = parser().parse_args(arguments)
    try:
        refuse_another(options.root)
        project = load(options.root)
        problems = run(project, options)
    except ValueError as error:
        problems = str(error).splitlines()
    except OSError as error:  # a full disk, a folder of another user's: it names it
        problems = [str(error)]
    except KeyboardInterrupt:
        print(
            "Stopped. Finished runs are kept; run the same again to go on.",
            file=sys.stderr,
        )
        return 130
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr, flush=True)
    if problems:
        print(f"{options.command}: {len(problems)} to mend", file=sys.stderr)
    return 1 if problems else 0


def run(project: Project, options: argparse.Namespace) -> list[str]:
    """Run a parsed command and say what it made; returns problems."""
    if options.command == "check":
        problems = check_sources(project)
        if not problems:
            say("sources are sound")
        return problems
    if options.command == "pair":
        return update_pairs(project, say, options.chapters, options.keep)
    if options.command == "new":
        return new(project, options.name)
    if options.command == "expect":
        return expect(project)
    if options.command == "live":
        for path in write_data(project):
            say(f"wrote {project.where(path)}")
        return []
    if options.command == "serve":
        return serve(project.html, options.port, partial(print, flush=True))
    check_places(project)
    if options.command == "chapter":
        name, given = read_command_line(options.words)
        problems, verdicts = build_chapter(project, name, given, say)
        for verdict in verdicts:
            print(verdict_line(verdict))
        return problems
    if options.command == "pdf":
        return print_book(project, say)
    if options.command == "fresh":
        return build_fresh(project, say, options.chapters)
    if options.command == "build":
        problems = build_book(project, say, scale=options.scale, only=options.chapters)
    else:
        problems = retypeset(project, say)
    if not problems:
        for made in (project.html / "index.html", project.build / "scorecard.json"):
            if made.is_file():
                say(f"made {project.where(made)}")
    return problems


def verdict_line(verdict: Verdict) -> str:
    """A verdict for a terminal."""
    effect = f"{number(verdict['effect'])} {interval(verdict['low'], verdict['high'])}"
    word = f"{MARKS[verdict['verdict']]} {verdict['verdict']}"
    return f"{word:<14} {verdict['id']:<28} {effect.strip()}".rstrip()


def new(project: Project, name: str) -> list[str]:
    """Write the skeleton of a chapter and say how the book takes it in."""
    for path in new_chapter(project, name):
        say(f"wrote {project.where(path)}")
    print(f"Now add this line to _toc.yml, in the part where {name} belongs:")
    print(f"      - file: book/{name}")
    return []


def expect(project: Project) -> list[str]:
    """Print entries for the files of expected verdicts, for a person to judge."""
    for chapter in load_chapters(project):
        executed = project.notebook(chapter.name)
        if executed.is_file():
            verdicts = {v["id"]: v["verdict"] for v in collect(read_notebook(executed))}
            entry = {"parameters": chapter.defaults, "verdicts": verdicts}
            print(f"# {project.where(project.expected(chapter.name))}")
            print(yaml.safe_dump([entry], **STYLE), end="")
    return []


if __name__ == "__main__":
    never_break()
    sys.exit(main())
