"""Parameters of a chapter: what is allowed, and what was asked for."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flatminima_book import strict_yaml


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell.

    Attributes:
        name: Python name.
        default: Literal value, tuples as lists.
        text: The value as it is written.
        meaning: The trailing comment.
    """

    name: str
    default: Any
    text: str
    meaning: str


def as_data(value: Any) -> Any:
    """Plain data equal under YAML: tuples become lists, keys stay."""
    if isinstance(value, (list, tuple)):
        return [as_data(item) for item in value]
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    return value


def assigned_names(source: str) -> list[str] | None:
    """Names that a cell assigns, if assigning is all that it does.

    Args:
        source: Python source of the cell.

    Returns:
        The names in order, or None for any other kind of cell.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return None
    names: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            return None
        if not all(isinstance(target, ast.Name) for target in targets):
            return None
        names.extend(t.id for t in targets if isinstance(t, ast.Name))
    return names or None


def parse_parameters(source: str) -> list[Parameter]:
    """Read a ``parameters`` cell.

    Args:
        source: Its Python source: one literal assignment a line, each with a
            trailing comment.

    Returns:
        The parameters in order.

    Raises:
        ValueError: A line is anything else.

    >>> parse_parameters("d = 30  # input dimension")[0].meaning
    'input dimension'
    """
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    parameters = []
    for statement in ast.parse(source).body:
        where = f"line {statement.lineno}"
        if not (
            isinstance(statement, ast.Assign)
            and len(statement.targets) == 1
            and isinstance(statement.targets[0], ast.Name)
        ):
            raise ValueError(f"{where} is not of the form name = value")
        name = statement.targets[0].id
        try:
            default = as_data(ast.literal_eval(statement.value))
        except ValueError:
            raise ValueError(f"{where}: {name} is not a plain literal") from None
        meaning = comments.get(statement.end_lineno or statement.lineno, "")
        if not meaning:
            raise ValueError(f"{where}: {name} needs a comment that says what it is")
        text = ast.get_source_segment(source, statement.value) or repr(default)
        parameters.append(Parameter(name, default, text, meaning))
    return parameters


def refuse_unknown(given: Mapping[str, Any], allowed: Iterable[str]) -> None:
    """Refuse names that a chapter does not have.

    Args:
        given: The parameters asked for.
        allowed: The names of the chapter.

    Raises:
        ValueError: Naming the parameter, its value, and what is allowed.

    >>> refuse_unknown({"seed": 3}, ["d", "seeds"])
    Traceback (most recent call last):
    ValueError: unknown parameter seed = 3; this chapter takes: d, seeds
    """
    known = list(allowed)
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"unknown parameter {name} = {value!r}; "
                f"this chapter takes: {', '.join(known)}"
            )


def read_parameter_file(path: Path) -> dict[str, Any]:
    """Read a papermill parameter file.

    Args:
        path: A YAML mapping of names to values.

    Returns:
        The mapping.

    Raises:
        ValueError: The file is missing, holds no mapping or gives a name twice.
    """
    if not path.is_file():
        raise ValueError(f"no parameter file {path}")
    try:
        data = strict_yaml.load(path.read_text("utf8")) or {}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(data, dict):
        message = f"{path}: not a mapping of parameter names to values"
        raise ValueError(message)
    return data


def parse_value(text: str) -> Any:
    """Read a value given on the command line, as ``papermill -p`` does."""
    return yaml.safe_load(text)
