"""The commands that documents, pages and messages print."""

import re
import shlex
from pathlib import Path

from flatminima_book.notebooks import load_chapters
from flatminima_book.project import load
from flatminima_book.rerun_page import rerun_fragment

ROOT = Path(__file__).parents[1]
PROJECT = load(ROOT)
CHAPTERS = {chapter.name: chapter for chapter in load_chapters(PROJECT)}
EXAMPLE = "my-question"
"""The chapter that somebody who reads CONTRIBUTING is about to write."""

FENCED = re.compile(r"^```(?:bash|sh|shell|console)\n(.*?)^```", re.M | re.S)
ANY_FENCE = re.compile(r"^(`{3,})[^\n]*\n.*?^\1", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"make( |$)|(papermill|pip|python3?|\.venv/bin/\S+) ")


def documents() -> dict[str, str]:
    """Texts that a reader sees, by name."""
    names = ["README.md", "CONTRIBUTING.md"]
    names += sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("book/*.md"))
    texts = {name: (ROOT / name).read_text("utf8") for name in names}
    texts["the rerun page"] = rerun_fragment(PROJECT, list(CHAPTERS.values()))
    skeleton = ROOT / "src/flatminima_book/skeleton/chapter.md.txt"
    texts["the skeleton"] = skeleton.read_text("utf8").replace("@name@", EXAMPLE)
    return texts


def commands(markdown: str) -> list[str]:
    """The lines of shell blocks, and code spans that begin as a command."""
    lines = []
    for block in FENCED.findall(markdown):
        lines += [line for line in block.replace("\\\n", " ").splitlines() if line]
    plain = ANY_FENCE.sub("", markdown)
    lines += [span for span in SPAN.findall(plain) if COMMAND.match(span)]
    return [line for line in lines if shlex.split(line, comments=True)]


def messages() -> list[str]:
    """Commands in the messages and docstrings of the programs."""
    found = set()
    for folder in ("src", "benchmarks", "clusters", "docs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text("utf8")
            found |= {span for span in SPAN.findall(text) if COMMAND.match(span)}
            found |= set(re.findall(r"run: (make [\w-]+)", text))
    return sorted(found)
