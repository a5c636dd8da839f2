"""What a package offers, read from its source: nothing is imported, nothing runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from flatminima_book.docstrings import Docstring, parse

SHAPED = {
    "Float": "floats",
    "Int": "integers",
    "Int64": "integers",
    "UInt8": "bytes",
    "Bool": "truth values",
    "Complex": "complex numbers",
    "Num": "numbers",
    "Real": "real numbers",
    "Shaped": "anything",
}
"""Kinds of jaxtyping, in words."""

HOLDERS = {"ndarray": "array", "Tensor": "tensor"}
BRIEF = 60
"""Letters up to which the value of a constant is shown."""


@dataclass(frozen=True)
class Parameter:
    """One parameter, or one field of a class.

    Attributes:
        name: with its stars.
        annotation: None where there is none.
    """

    name: str
    annotation: ast.expr | None


@dataclass(frozen=True)
class Member:
    """Something with a docstring: a function, class, method, property or constant.

    Attributes:
        kind: the name of its directive in Sphinx's Python domain, without ``py:``.
        name: without its module.
        signature: of a call, such as ``(x, *, tolerance=0.1)``; empty for the rest.
        value: of a constant, where it is short.
        doc: its docstring.
        parameters: of a call, or the fields of a class.
        returns: annotation of what it returns, or None.
        members: of a class.
    """

    kind: str
    name: str
    signature: str
    value: str
    doc: Docstring
    parameters: tuple[Parameter, ...]
    returns: ast.expr | None
    members: tuple[Member, ...] = ()


@dataclass(frozen=True)
class Module:
    """One file of a package.

    Attributes:
        name: dotted.
        path: of its source.
        doc: its docstring.
        members: what is public in it, in order.
        imports: what its names stand for, dotted: ``{"np": "numpy"}``.
    """

    name: str
    path: Path
    doc: Docstring
    members: tuple[Member, ...]
    imports: dict[str, str]


def modules(src: Path, name: str) -> list[Module]:
    """A module, or every public module of a package that holds anything public.

    Args:
        src: Folder of top-level packages.
        name: Dotted.

    Raises:
        ValueError: There is no such module.
    """
    home = src.joinpath(*name.split("."))
    if home.is_dir():
        files = sorted(home.rglob("*.py"))
    elif home.with_suffix(".py").is_file():
        files = [home.with_suffix(".py")]
    else:
        raise ValueError(f"no module {name!r} in {src.name}/")
    found = []
    for path in files:
        parts = path.relative_to(src).with_suffix("").parts
        if parts[-1] != "__init__" and any(part.startswith("_") for part in parts):
            continue
        dotted = ".".join(part for part in parts if part != "__init__")
        module = read_module(path, dotted)
        if module.members:
            found.append(module)
    return found


def read_module(path: Path, name: str) -> Module:
    """Read one file."""
    tree = ast.parse(path.read_text("utf8"))
    home = name if path.name == "__init__.py" else name.rpartition(".")[0]
    members = tuple(_members(tree.body))
    return Module(name, path, _doc(tree), members, imports(tree, home))


def imports(tree: ast.AST, home: str = "") -> dict[str, str]:
    """What the names stand for that a text imports, wherever it does.

    Args:
        tree: Of the text.
        home: Package that relative imports start from.

    >>> imports(ast.parse("import numpy as np\\nfrom a.b import c"))
    {'np': 'numpy', 'c': 'a.b.c'}
    """
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            up = home.split(".")[: len(home.split(".")) + 1 - node.level]
            start = [*up, node.module or ""] if node.level else [node.module or ""]
            for alias in node.names:
                dotted = ".".join(part for part in [*start, alias.name] if part)
                found[alias.asname or alias.name] = dotted
    return found


def _doc(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> Docstring:
    return parse(ast.get_docstring(node) or "")


def _members(body: list[ast.stmt], *, of_class: bool = False) -> Iterator[Member]:
    """What is public and has a docstring; the rest is nobody's business."""
    for node, after in zip_longest(body, body[1:]):
        if isinstance(node, ast.FunctionDef):
            if not node.name.startswith("_") and ast.get_docstring(node):
                yield _function(node, of_class=of_class)
        elif isinstance(node, ast.ClassDef):
            if not node.name.startswith("_") and ast.get_docstring(node):
                yield _class(node)
        elif not of_class and (constant := _constant(node, after)):
            yield constant


def _function(node: ast.FunctionDef, *, of_class: bool = False) -> Member:
    marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
    kind = "function"
    if of_class:
        kind = "property" if marks & {"property", "cached_property"} else "method"
    bound = of_class and "staticmethod" not in marks
    parameters = tuple(_parameters(node.args, bound=bound))
    signature = "" if kind == "property" else _signature(node.args, bound=bound)
    return Member(kind, node.name, signature, "", _doc(node), parameters, node.returns)


def _class(node: ast.ClassDef) -> Member:
    functions = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    start = next((each for each in functions if each.name == "__init__"), None)
    parameters = [
        Parameter(each.target.id, each.annotation)
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not each.target.id.startswith("_")
    ]
    signature = ""
    if start is not None:
        signature = _signature(start.args, bound=True)
        parameters += _parameters(start.args, bound=True)
    members = tuple(_members(node.body, of_class=True))
    return Member(
        "class", node.name, signature, "", _doc(node), tuple(parameters), None, members
    )


def _constant(node: ast.stmt, after: ast.stmt | None) -> Member | None:
    """A constant, if a docstring follows it."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target, value = node.targets[0], node.value
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target, value = node.target, node.value
    else:
        return None
    if not isinstance(target, ast.Name) or target.id.startswith("_"):
        return None
    if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
        return None
    text = ast.unparse(value)
    shown = text if len(text) <= BRIEF and "\n" not in text else ""
    doc = parse(str(after.value.value))
    return Member("data", target.id, "", shown, doc, (), None)


def _parameters(arguments: ast.arguments, *, bound: bool) -> Iterator[Parameter]:
    before = [*arguments.posonlyargs, *arguments.args][bound:]
    for each in before:
        yield Parameter(each.arg, each.annotation)
    if arguments.vararg:
        yield Parameter(f"*{arguments.vararg.arg}", arguments.vararg.annotation)
    for each in arguments.kwonlyargs:
        yield Parameter(each.arg, each.annotation)
    if arguments.kwarg:
        yield Parameter(f"**{arguments.kwarg.arg}", arguments.kwarg.annotation)


def _signature(arguments: ast.arguments, *, bound: bool) -> str:
    """Names and defaults: types and shapes have a place of their own."""

    def bare(each: ast.arg | None) -> ast.arg | None:
        return None if each is None else ast.arg(each.arg)

    named, first = len(arguments.posonlyargs), int(bound)
    before = [ast.arg(a.arg) for a in (*arguments.posonlyargs, *arguments.args)]
    plain = ast.arguments(
        posonlyargs=before[first:named],
        args=before[max(first, named) :],
        vararg=bare(arguments.vararg),
        kwonlyargs=[ast.arg(each.arg) for each in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=bare(arguments.kwarg),
        defaults=arguments.defaults,
    )
    return f"({ast.unparse(plain)})"


def in_words(annotation: ast.expr) -> str:
    """A type as a reader says it: shapes of jaxtyping as shapes, the rest as code.

    >>> in_words(ast.parse('Float[np.ndarray, "n k"] | None', mode="eval").body)
    'array (n, k) of floats, or `None`'
    >>> in_words(ast.parse('tuple[Float[Tensor, ""], Certificate]', mode="eval").body)
    'tuple of tensor () of floats and `Certificate`'
    """
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return f"{in_words(annotation.left)}, or {in_words(annotation.right)}"
    if isinstance(annotation, ast.Subscript) and _has_shapes(annotation):
        outer = ast.unparse(annotation.value).rpartition(".")[2]
        inner = annotation.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if outer in SHAPED and isinstance(parts[-1], ast.Constant):
            holder = ast.unparse(parts[0]).rpartition(".")[2]
            dims = str(parts[-1].value).split()
            words = f"{HOLDERS.get(holder, holder)} ({', '.join(dims)})"
            return f"{words} of {SHAPED[outer]}"
        rest = [in_words(part) for part in parts if not _is_ellipsis(part)]
        return f"{outer} of {' and '.join(rest)}"
    text = annotation.value if isinstance(annotation, ast.Constant) else None
    return f"`{text if isinstance(text, str) else ast.unparse(annotation)}`"


def _has_shapes(annotation: ast.expr) -> bool:
    kinds = "|".join(SHAPED)
    return re.search(rf"\b({kinds})\[", ast.unparse(annotation)) is not None


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
