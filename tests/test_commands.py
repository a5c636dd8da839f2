"""Every command that a document or a page prints can be run.

Commands come from the README, CONTRIBUTING, the texts of the book, the generated part
of the rerun page, the skeleton of a chapter and the messages of the programs. Each is
taken as far as it goes without its hours of work: what `make` would start is read from
a dry run, papermill's own command line reads its lines, and the parameters of both are
checked as the chapter declares them. A command of an unknown kind is a failure.
"""

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from papermill import cli
from papermill.inspection import inspect_notebook

from flatminima_book.__main__ import parser
from flatminima_book.new import NAME, new_chapter
from flatminima_book.notebooks import Chapter, load_chapter
from flatminima_book.parameters import read_command_line
from flatminima_book.running import scaled
from tests.book.fixture_book import make_book
from tests.commands import CHAPTERS, EXAMPLE, PROJECT, commands, documents, messages
from tests.examples import examples

ROOT = Path(__file__).parents[1]
FOUND = {name: commands(text) for name, text in documents().items()}
EVERY = sorted({line for lines in FOUND.values() for line in lines} | {*messages()})


PAPERMILL = {name for option in cli.papermill.params for name in option.opts}


class Parsed(Exception):
    """Where a program would begin to work."""


@pytest.fixture(scope="module")
def example(tmp_path_factory) -> Chapter:
    """The chapter that `flatminima_book new` writes, in a small book."""
    book = make_book(tmp_path_factory.mktemp("example") / "book")
    new_chapter(book.project, EXAMPLE)
    return load_chapter(book.root / f"book/{EXAMPLE}.md")


def run(line: str, monkeypatch: pytest.MonkeyPatch, example: Chapter) -> None:
    """Take a command as far as its work.

    Raises:
        ValueError: The command cannot run.
    """
    words = shlex.split(line, comments=True)
    match words:
        case ["make", *rest]:
            for started in dry_run(rest):
                run_press(started)
        case ["papermill", "--help-notebook", path]:
            exists(path)
            run_help(path)
        case ["papermill", *options] if set(options) <= set(PAPERMILL):
            pass  # named, not called
        case ["papermill", *rest]:
            run_papermill(rest, monkeypatch, example)
        case [".venv/bin/python" | "python", "-m", "flatminima_book"]:
            pass  # named, not called
        case ["python", "-O"]:
            pass
        case [".venv/bin/python" | "python", "-m", "flatminima_book", *rest]:
            run_press(rest)
        case [".venv/bin/python" | "python", "-m", "pytest", *paths]:
            for path in paths:
                exists(path)
        case [".venv/bin/python" | "python", "-m", name, *rest]:
            run_module(name, rest, monkeypatch)
        case [".venv/bin/python" | "python", path, *rest] if path.endswith(".py"):
            run_script(path, rest, monkeypatch)
        case [".venv/bin/pre-commit", "install"]:
            exists(".pre-commit-config.yaml")
            if "pre-commit" not in (ROOT / "pyproject.toml").read_text("utf8"):
                raise ValueError("pre-commit is not installed with the rest")
        case ["pip", "install", name]:
            if f'name = "{name}"' not in (ROOT / "pyproject.toml").read_text("utf8"):
                raise ValueError(f"this is no {name}")
        case ["source", ".venv/bin/activate"]:
            if "venv .venv" not in " ".join(lines_of_make(["install"])):
                raise ValueError("make install makes no .venv")
        case ["export", setting]:
            name, _, value = setting.partition("=")
            read = [p for p in (ROOT / "src").rglob("*.py") if name in p.read_text()]
            if not (read and value):
                raise ValueError(f"nothing reads {name}")
        case _:
            raise ValueError(f"what kind of command is this: {line}")


def lines_of_make(words: list[str]) -> list[str]:
    """What make would run, if nothing were installed yet.

    Raises:
        ValueError: There is no such target, or a variable that no recipe uses.
    """
    makefile = (ROOT / "Makefile").read_text("utf8")
    for word in words:
        variable, equals, _ = word.partition("=")
        if equals and f"$({variable})" not in makefile:
            raise ValueError(f"make: no recipe uses {variable}")
    done = subprocess.run(
        ["make", "-n", "-W", "pyproject.toml", "MAKE=true", *words],  # -n runs $(MAKE)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip())
    return done.stdout.replace("\\\n", " ").splitlines()


def dry_run(words: list[str]) -> list[list[str]]:
    """Words for the press in what make would run."""
    found: list[list[str]] = []
    lines = lines_of_make(words)
    if words == ["chapter"]:  # named, not called
        return found
    for line in lines:
        _, press, rest = line.partition("-m flatminima_book ")
        if press and "$" not in rest:  # a loop of the shell has its own variables
            found.append(shlex.split(rest))
        elif press:
            chapters = dict(w.split("=", 1) for w in words if "=" in w)["CHAPTERS"]
            rest = rest.partition(" && ")[0].replace("$chapter", "{0}")
            found += [shlex.split(rest.format(name)) for name in chapters.split()]
    return found


def run_press(words: list[str]) -> None:
    """Parse a command of the press, and check its names and its parameters."""
    try:
        options = parser().parse_args(words)
    except SystemExit as ended:
        raise ValueError(f"flatminima_book {words}: {ended}") from None
    match options.command:
        case "chapter":
            name, given = read_command_line(options.words)
            chapter_of(name).checked(given)
        case "new":
            if not NAME.fullmatch(options.name):
                raise ValueError(f"no name of a chapter: {options.name}")
        case "fresh":
            scaled(PROJECT, list(CHAPTERS.values()), "fresh", options.chapters)
        case "build" if options.chapters != [EXAMPLE]:
            chapters = list(CHAPTERS.values())
            given_to = scaled(PROJECT, chapters, options.scale, options.chapters)
            for name, given in given_to.items():
                CHAPTERS[name].checked(given)


def chapter_of(name: str) -> Any:
    """A chapter by its name.

    Raises:
        ValueError: There is none.
    """
    if name not in CHAPTERS:
        raise ValueError(f"no chapter {name}")
    return CHAPTERS[name]


def run_papermill(
    words: list[str], monkeypatch: pytest.MonkeyPatch, example: Chapter
) -> None:
    """Have papermill parse a line, and check what it would inject."""
    taken: dict[str, Any] = {}
    name = Path(words[0]).stem
    chapter = example if name == EXAMPLE else chapter_of(name)
    root = chapter.source.parents[1]
    with monkeypatch.context() as patch:
        patch.setattr(cli, "execute_notebook", lambda **given: taken.update(given))
        patch.chdir(root)
        try:
            cli.papermill.main(words, standalone_mode=False)
        except click.ClickException as error:
            raise ValueError(error.format_message()) from None
    assert (root / taken["input_path"]) == chapter.paired
    given = taken["parameters"]
    assert chapter.checked(given) == given  # as papermill passes it


def run_help(path: str) -> None:
    """Have papermill list the parameters of a chapter."""
    shown = inspect_notebook(ROOT / path)
    parameters = chapter_of(Path(path).stem).parameters
    if [*shown] != [p.name for p in parameters]:
        raise ValueError(f"papermill lists {[*shown]} of {path}")


def exists(name: str) -> None:
    """Refuse a path that is not there."""
    if not (ROOT / name).exists():
        raise ValueError(f"no {name}")


def run_module(name: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `python -m NAME` parse its options."""
    found = importlib.util.find_spec(name)
    if found is not None and found.submodule_search_locations:
        found = importlib.util.find_spec(f"{name}.__main__")
    if found is None or found.origin is None:
        raise ValueError(f"no module {name}")
    run_script(found.origin, words, monkeypatch)


def run_script(path: str, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program parse its options, and stop there."""
    exists(path)
    text = (ROOT / path).read_text("utf8")
    compile(text, path, "exec")
    if "ArgumentParser" not in text:
        if words:
            raise ValueError(f"{path} takes no options: {words}")
        return
    specification = importlib.util.spec_from_file_location("program", ROOT / path)
    program = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(program)
    true = argparse.ArgumentParser.parse_args

    def parse(self, *arguments):
        raise Parsed(true(self, *arguments))

    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parse)
        patch.setattr(sys, "argv", [path, *words])
        try:
            program.main()
        except Parsed:
            return
        except SystemExit as ended:
            raise ValueError(f"{path} {words}: {ended}") from None
    raise ValueError(f"{path} reads no options")


@pytest.mark.parametrize("line", EVERY)
def test_a_command_can_be_run(line, monkeypatch, example):
    run(line, monkeypatch, example)


def test_no_document_is_forgotten():
    """Nor is one read without its commands being found."""
    assert len(FOUND["README.md"]) >= 25
    assert len(FOUND["CONTRIBUTING.md"]) >= 20
    assert len(FOUND["the rerun page"]) >= 2 * len(CHAPTERS)
    assert len(FOUND["the skeleton"]) == 2
    assert len(FOUND["book/rerun.md"]) == 5
    tried = [name for name in CHAPTERS if FOUND[f"book/{name}.md"]]
    assert len(tried) >= 14
    for name, text in documents().items():
        languages = set(re.findall(r"^```([a-z]+)\n", text, re.M))
        assert languages <= {"bash", "python", "pycon", "yaml", "text"}, name


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("make books", "No rule to make target"),
        ("make book SCALES=paper", "no recipe uses SCALES"),
        ("make book SCALE=huge", "no scale huge"),
        ("make book CHAPTERS=none", "no chapter none"),
        ('make chapter CHAPTER=xor PARAMS="-p seed 3"', "unknown parameter seed = 3"),
        ('make chapter CHAPTER=xor PARAMS="-p d 1"', "d = 1: allowed is 2 to 1000"),
        ('make chapter CHAPTER=xor PARAMS="--depth 3"', "No such option"),
        ("make results CHAPTERS=xor", "no parameter file"),
        ("papermill book/none.ipynb out.ipynb", "no chapter none"),
        ("papermill book/xor.ipynb out.ipynb -p seed 3", "unknown parameter seed = 3"),
        ("papermill book/sample-complexity.ipynb o.ipynb -p ds '[6, 8]'", "ds = '[6,"),
        ("papermill book/xor.ipynb out.ipynb -q d 3", "No such option"),
        (".venv/bin/python -m flatminima_book knew a", "flatminima_book"),
        (".venv/bin/python -m flatminima_book new A", "no name of a chapter: A"),
        (".venv/bin/python -m pytest tests/none", "no tests/none"),
        ("python clusters/none.py", "no clusters/none.py"),
        ("python clusters/slurm.py --kores 8", "clusters/slurm.py"),
        ("python docs/overview.py --all", "takes no options"),
        ("python -m benchmarks size", "__main__.py"),
        ("export FLATMINIMA_NOTHING=1", "nothing reads FLATMINIMA_NOTHING"),
        ("rm -rf _build", "what kind of command is this"),
    ],
)
def test_a_command_that_cannot_run_is_found(line, problem, monkeypatch, example):
    with pytest.raises(ValueError, match=re.escape(problem)):
        run(line, monkeypatch, example)


def test_the_papermill_lines_change_something():
    """A line that repeats the defaults shows nobody how to change them."""
    lines = [
        line
        for name, found in FOUND.items()
        if name.startswith("book/")
        for line in found
        if line.startswith("papermill book/")
    ]
    assert len(lines) >= 20
    for line in lines:
        _, path, _, *options = shlex.split(line)
        name, given = read_command_line([Path(path).stem, *options])
        defaults = CHAPTERS[name].defaults
        assert {k: v for k, v in given.items() if v != defaults[k]}, line


def test_the_examples_of_the_readme_run(capsys):
    """They are told as code to copy, so they are run as they stand."""
    fitted, measured = examples()
    exec(fitted, {})
    first, last = capsys.readouterr().out.splitlines()
    _, loss, _, trace = first.split()
    least = float(last.split()[-1])
    assert float(loss) < 1e-2 and 0 < least <= 1.1 * float(trace)
    exec(measured, {})
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == measured.count("print(")
    least, whole = (
        float(shown[-1].split()[-1]),
        sum(float(value) for value in re.findall(r"value=([0-9.e+-]+)", shown[0])),
    )
    assert 0 < least <= whole
