"""The reference: what is public, in words, and who calls it."""

import ast
import importlib
import inspect
from pathlib import Path
from textwrap import dedent

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from flatminima_book.inspection import in_words, modules, read_module
from flatminima_book.project import load
from flatminima_book.reference import (
    add_engine,
    calls,
    read_reference,
    reference_fragment,
)
from tests.book.fixture_book import make_book

ROOT = Path(__file__).parents[2]
ENGINE = '''\
"""Squares of `numbers`, see `double`."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LIMIT = 3
"""How many there may be."""

silent = 4


@dataclass(frozen=True)
class Square:
    """A square.

    Attributes:
        side: its length.
    """

    side: Float[np.ndarray, "n d"]
    _hidden: int = 0

    @property
    def area(self) -> float:
        """Side times side."""

    def grown(self, by: int = 2, /, *rest: float, twice: bool = False) -> "Square":
        """A larger one."""

    def _own(self) -> None:
        """Nobody's business."""


def double(x: Float[np.ndarray, " n"], *, times: int = 2) -> Float[np.ndarray, " n"]:
    """Twice x, up to `LIMIT`.

    Args:
        x: numbers.

    Raises:
        ValueError: if `times` is 0.

    >>> double(1)
    2
    """


def _private() -> None:
    """Not shown."""


def undocumented() -> None:
    pass
'''


@pytest.fixture
def project(tmp_path):
    book = make_book(tmp_path / "book-root")
    book.write("src/flatminima/sharpness/squares.py", ENGINE)
    book.write("src/flatminima/sharpness/_inner.py", ENGINE)
    book.write("src/flatminima/sharpness/__init__.py", '"""Nothing public."""\n')
    book.write(
        "src/flatminima/studies/one/runs.py",
        """\
        from flatminima.sharpness import squares
        from flatminima.studies.one.more import again


        def run():
            return squares.double(again())
        """,
    )
    book.write(
        "src/flatminima/studies/one/more.py",
        "from flatminima.sharpness.squares import Square, LIMIT as most\n"
        "again = lambda: Square(most)\n",
    )
    setting = '\n[tool.flatminima_book.reference]\napi = ["flatminima.sharpness"]\n'
    book.edit(
        "pyproject.toml",
        'found = "studies',
        'sources = "https://x/src"\nfound = "studies',
    )
    path = book.root / "pyproject.toml"
    path.write_text(path.read_text("utf8") + setting, "utf8")
    return load(book.root)


def test_what_is_public_is_there_and_nothing_else(project):
    (module,) = modules(project.root / "src", "flatminima.sharpness")
    assert [m.name for m in module.members] == ["LIMIT", "Square", "double"]
    square = module.members[1]
    assert [(m.kind, m.name, m.signature) for m in square.members] == [
        ("property", "area", ""),
        ("method", "grown", "(by=2, /, *rest, twice=False)"),
    ]
    assert [p.name for p in square.parameters] == ["side"]
    assert module.members[2].signature == "(x, *, times=2)"


def test_a_page_has_shapes_values_links_and_examples(project):
    page = reference_fragment(read_reference(project), "api")
    double = "{py:obj}`double <flatminima.sharpness.squares.double>`"
    assert f"Squares of `numbers`, see {double}." in page
    assert ":value: 3" in page and "_private" not in page and "_hidden" not in page
    assert "`x`: array (n) of floats\n: numbers." in page
    assert "`times`: `int`" in page
    assert "up to {py:obj}`LIMIT <flatminima.sharpness.squares.LIMIT>`." in page
    assert "```pycon\n>>> double(1)\n2\n```" in page
    assert "https://x/src/flatminima/sharpness/squares.py" in page


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        ("int", "`int`"),
        ('Int[Tensor, ""]', "tensor () of integers"),
        ('Bool[np.ndarray, "k *batch 2*n"]', "array (k, *batch, 2*n) of truth values"),
        ("dict[str, tuple[int, ...]]", "`dict[str, tuple[int, ...]]`"),
        ("'Square'", "`Square`"),
        ('Sequence[Float[Tensor, " D"]]', "Sequence of tensor (D) of floats"),
    ],
)
def test_types_in_words(annotation, words):
    assert in_words(ast.parse(annotation, mode="eval").body) == words


def test_a_chapter_says_what_it_calls_itself_and_through_its_study(project):
    reference = read_reference(project)
    code = "from flatminima.studies.one import runs\nruns.run()"
    squares = "flatminima.sharpness.squares"
    found = calls(["%matplotlib inline", code], reference.names, project.root / "src")
    assert found == [f"{squares}.{n}" for n in ("LIMIT", "Square", "double")]
    notebook = new_notebook(cells=[new_code_cell(code)])
    add_engine(notebook, reference, project.root / "src")
    assert f"{{py:obj}}`squares.double <{squares}.double>`" in notebook.cells[-1].source


@pytest.mark.parametrize(
    "code", ["import os", "from flatminima.sharpness import squares", "x = double(2)"]
)
def test_a_chapter_that_calls_nothing_says_nothing(code, project):
    reference = read_reference(project)
    notebook = new_notebook(cells=[new_code_cell(code)])
    add_engine(notebook, reference, project.root / "src")
    assert len(notebook.cells) == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"flatminima.sharpness"',
            '"flatminima.none"',
            r"api: no module 'flatminima.none'",
        ),
        (
            '["flatminima.sharpness"]',
            '["flatminima.sharpness"]\nb = ["flatminima.sharpness.squares"]',
            r"flatminima.sharpness.squares is on api and b",
        ),
    ],
)
def test_a_reference_to_nothing_or_twice_is_refused(old, new, message, project):
    path = project.root / "pyproject.toml"
    path.write_text(path.read_text("utf8").replace(old, new), "utf8")
    with pytest.raises(ValueError, match=message):
        read_reference(load(project.root))


def test_the_books_reference_equals_what_python_finds():
    """Names and parameters, against `inspect`, in the largest module of some pages."""
    reference = read_reference(load(ROOT))
    for page in ("api-optim", "api-statistics", "api-certificates", "api-claims"):
        found = reference.pages[page]
        module = max(found, key=lambda m: len(m.members))
        live = importlib.import_module(module.name)
        for member in module.members:
            thing = getattr(live, member.name)
            if member.kind == "function":
                names = list(inspect.signature(thing).parameters)
                assert [p.name.lstrip("*") for p in member.parameters] == names, page
            if member.kind != "data":
                assert thing.__module__ == module.name
                assert member.doc.summary == " ".join(
                    inspect.getdoc(thing).split("\n\n")[0].split()
                )


def test_every_public_function_of_these_rooms_has_words_for_its_errors():
    reference = read_reference(load(ROOT))
    for found in reference.pages.values():
        for module in found:
            for member in module.members:
                for item in member.doc.sections.get("Raises", ()):
                    assert item.name and item.text, f"{module.name}.{member.name}"


def test_relative_imports_and_packages_are_followed(tmp_path):
    path = tmp_path / "p" / "__init__.py"
    path.parent.mkdir()
    path.write_text(dedent('"""A package."""\nfrom .a import b\nfrom .. import c\n'))
    assert read_module(path, "q.p").imports == {"b": "q.p.a.b", "c": "q.c"}
