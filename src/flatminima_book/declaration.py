"""What a chapter declares of its parameters, and the one check of their values.

The ``parameters`` cell has a statement for each: name, type and default, then a comment
with the range, a colon and the meaning.

    n: int = 100  # 1 to min(2**d, 5000): distinct training points

papermill reads the same lines (``papermill --help-notebook``). The forms of a range are
in `ranges`. Only the standard library is imported: a chapter checks its parameters
before it imports anything else.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flatminima_book.range_texts import parse_range
from flatminima_book.ranges import Range, Refusal, shown

FORM = "d: int = 30  # 2 to 1000: input dimension"


@dataclass(frozen=True)
class Parameter:
    """One statement of a ``parameters`` cell.

    Attributes:
        name: Python name.
        annotation: Type, as it is written.
        text: Default, as it is written.
        within: Range, as it is written.
        meaning: What it is.
        allowed: The range, which checks.
    """

    name: str
    annotation: str
    text: str
    within: str
    meaning: str
    allowed: Range

    @property
    def default(self) -> Any:
        """Default value, tuples as lists.

        Raises:
            ValueError: The default is no literal, or of another type.
        """
        try:
            value = ast.literal_eval(self.text)
        except (ValueError, SyntaxError):
            raise ValueError(f"{self.name} is not a plain literal") from None
        try:
            return self.allowed.read(value)
        except Refusal as error:
            raise ValueError(_refusal(self, value, error)) from None

    @property
    def needs(self) -> tuple[str, ...]:
        """Other parameters that its range depends on, in order."""
        own = getattr(self.allowed, "entries", {})
        names = [name for part in self.allowed.expressions() for name in part.names]
        return tuple(dict.fromkeys(name for name in names if name not in own))


@lru_cache
def declared(source: str) -> tuple[Parameter, ...]:
    """Read a ``parameters`` cell.

    A default may be any expression here: a reader may have edited it.

    Args:
        source: Its Python source.

    Returns:
        The parameters in order.

    Raises:
        ValueError: A line is no declaration, a name is declared twice, or a range
            depends on what is no parameter or on itself.

    >>> declared("d: int = 30  # 2 to 1000: input dimension")[0].meaning
    'input dimension'
    """
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for statement in ast.parse(source).body:
        end = statement.end_lineno or statement.lineno
        try:
            parameter = _declaration(source, statement, comments.get(end, ""))
        except ValueError as error:
            raise ValueError(f"line {statement.lineno}: {error}") from None
        if parameter.name in found:
            raise ValueError(f"{parameter.name} is declared twice")
        found[parameter.name] = parameter
    for parameter in found.values():
        for name in parameter.needs:
            if name not in found:
                raise ValueError(
                    f"{parameter.name}: its range takes {name}, which is no parameter"
                )
    _in_order(list(found.values()))
    return tuple(found.values())


def settled(
    parameters: Sequence[Parameter], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Check all parameters, each for itself and against the others.

    Args:
        parameters: What is declared.
        values: Of all of them; others are passed over.

    Returns:
        The values in order, with numbers for texts that spell one and lists for
        tuples.

    Raises:
        ValueError: Names every parameter that is wrong, its value and what is
            allowed, a line each.
    """
    found: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for parameter in _in_order(parameters):
        name = parameter.name
        if name not in values:
            refused[name] = f"{name} has no value: run the cell that declares it"
            continue
        value = values[name]
        try:
            found[name] = parameter.allowed.read(value)
            if set(parameter.needs) <= set(found):  # else an end is not known
                parameter.allowed.check(found[name], found)
        except Refusal as error:
            refused[name] = _refusal(parameter, value, error, found)
        except ValueError as error:
            refused[name] = f"{name} = {shown(value)}: {error}"
        if name in refused:
            found.pop(name, None)
    if refused:
        lines = [refused[p.name] for p in parameters if p.name in refused]
        raise ValueError("\n".join(lines))
    return {p.name: found[p.name] for p in parameters}


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
                f"unknown parameter {name} = {shown(value)}; "
                f"this chapter takes: {', '.join(known)}"
            )


def _declaration(source: str, statement: ast.stmt, comment: str) -> Parameter:
    if not (
        isinstance(statement, ast.AnnAssign)
        and isinstance(statement.target, ast.Name)
        and statement.value is not None
    ):
        raise ValueError(f"is not of the form {FORM}")
    name = statement.target.id
    within, colon, meaning = comment.partition(": ")
    if not colon or not meaning.strip():
        raise ValueError(f"{name} needs its range and its meaning, as in {FORM}")
    if "=" in comment:
        raise ValueError(f"{name}: papermill reads no comment with an equals sign")
    annotation = ast.unparse(statement.annotation)
    try:
        allowed = parse_range(annotation, within)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    text = ast.get_source_segment(source, statement.value) or ""
    return Parameter(name, annotation, text, within, meaning.strip(), allowed)


def _in_order(parameters: Sequence[Parameter]) -> list[Parameter]:
    """Each after those that its range depends on."""
    waiting, ordered = list(parameters), dict[str, Parameter]()
    while waiting:
        ready = [p for p in waiting if set(p.needs) <= set(ordered)]
        if not ready:
            names = " and ".join(p.name for p in waiting)
            raise ValueError(f"the ranges of {names} depend on each other")
        ordered |= {p.name: p for p in ready}
        waiting = [p for p in waiting if p.name not in ordered]
    return list(ordered.values())


def _refusal(
    parameter: Parameter, value: Any, error: Refusal, values: Mapping[str, Any] = {}
) -> str:
    """One line: name, value, what is allowed, and what that depends on."""
    line = f"{parameter.name} = {shown(value)}"
    if error.wrong and error.wrong != shown(value):
        line += f" has {error.wrong}"
    line += f": allowed is {error.allowed}"
    seen = {part.text for part in parameter.allowed.expressions() if part.is_name}
    known = [
        f"{name} = {shown(values[name])}"
        for name in parameter.needs
        if name in values and not (name in seen and f"{name} = " in error.allowed)
    ]
    if known:
        line += f", with {' and '.join(known)}"
    if isinstance(value, str) and parameter.annotation.startswith("list"):
        line += f"; after -p papermill takes a text, write -y '{parameter.name}: […]'"
    return line
