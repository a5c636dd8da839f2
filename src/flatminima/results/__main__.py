"""Command line of committed results; see the package."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from flatminima.checkout import refuse_another
from flatminima.results.collecting import collect
from flatminima.results.edits import declare
from flatminima.results.grids import go_on
from flatminima.results.kept import kept
from flatminima.results.reading import load
from flatminima.results.rows import config_of
from flatminima.results.verifying import verify
from flatminima.terminal import never_break


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="flatminima.results")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="commit the runs of a record")
    command.add_argument("record", type=Path, help="written through FLATMINIMA_RECORD")
    command.add_argument("path", type=Path, help="file of results/")
    command = commands.add_parser("go-on", help="do some of a chapter's grid")
    command.add_argument("chapter")
    command.add_argument("--scale", default="medium")
    command.add_argument("--budget", type=float, default=600.0, help="seconds")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.add_argument("--workers", type=int, default=None, help="processes")
    command.add_argument("--seeds", type=int, default=None, help="of those planned")
    command.add_argument("--out", type=Path, default=None, help="file of results")
    command = commands.add_parser("edited", help="say that edits change no run")
    command.add_argument("what", help="was edited, and why no run can differ")
    command.add_argument("--since", default="HEAD", help="the commit before them")
    command = commands.add_parser("verify", help="run committed results again")
    command.add_argument("paths", type=Path, nargs="*")
    command.add_argument("--sample", type=int, default=20)
    command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        refuse_another(Path.cwd())
        problems = _run(options)
    except (ValueError, OSError, RuntimeError) as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _run(options: argparse.Namespace) -> list[str]:
    if options.command == "collect":
        lines = options.record.read_bytes().splitlines()
        collect([config_of(json.loads(line)) for line in lines], options.path)
        print(f"committed {len(load(options.path).rows)} runs: {options.path}")
        return []
    if options.command == "go-on":
        path = options.out or kept("results") / f"{options.chapter}.jsonl"
        named = ("scale", "budget", "device", "workers", "seeds")
        chosen = {name: getattr(options, name) for name in named}
        return go_on(options.chapter, path, **chosen)
    everything = sorted(kept("results").glob("*.jsonl"))
    if options.command == "edited":
        rows = [row for path in everything for row in load(path).rows]
        count = declare(options.what, rows, options.since)
        print(f"said of {count} runs, next: make verify-results")
        return []
    paths = options.paths or everything
    problems = verify(paths, options.sample, options.seed)
    if not problems:
        print(f"verified: {', '.join(map(str, paths)) or 'nothing is committed'}")
    return problems


if __name__ == "__main__":
    never_break()
    sys.exit(main())
