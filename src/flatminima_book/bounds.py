"""Small arithmetic in the ranges of parameters, never by ``eval``.

Python's own syntax: numbers, names of other parameters, ``+ - * / // **``, ``min`` and
``max``. A name may stand for a list inside ``min`` and ``max``, which then take its
items. Nothing else can be written, and no power takes long.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LARGEST_BITS = 4096
"""Bits of the largest power that is computed."""

FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max}


def power(base: Any, exponent: Any) -> Any:
    """``base ** exponent``, refused before it can take long.

    Raises:
        ValueError: The result would be huge, or no real number.

    >>> power(2, 10)
    1024
    """
    if isinstance(base, int) and isinstance(exponent, int):
        if max(base.bit_length(), 1) * abs(exponent) > LARGEST_BITS:
            raise ValueError("too large")
    elif base < 0:
        raise ValueError("no real number")
    return base**exponent


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: power,
}


@dataclass(frozen=True)
class Expression:
    """A bound as it is written.

    Attributes:
        text: The expression.
        names: Parameters that it takes, in order.
        tree: Its syntax.
    """

    text: str
    names: tuple[str, ...]
    tree: ast.expr = field(repr=False, compare=False)

    @property
    def is_name(self) -> bool:
        """Whether it is the name of a parameter and nothing more."""
        return isinstance(self.tree, ast.Name)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Compute it.

        Args:
            values: Of the parameters, at least of `names`.

        Returns:
            A number, or a list where the expression is the name of one.

        Raises:
            ValueError: It has no value, such as a quotient by 0.
        """
        try:
            return _value(self.tree, values)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise ValueError(f"{self.text} has no value: {error}") from error

    def show(self, values: Mapping[str, Any]) -> str:
        """The text, and what it comes to where that says more."""
        if not self.names or not set(self.names) <= set(values):
            return self.text
        try:
            found = self.value(values)
        except ValueError:
            return self.text
        return f"{self.text} = {found if isinstance(found, list) else short(found)}"


def expression(text: str) -> Expression:
    """Read a bound.

    Args:
        text: As it is written.

    Returns:
        The expression.

    Raises:
        ValueError: It is none, or takes what is not allowed in one.

    >>> expression("min(2**d, 5000)").value({"d": 6})
    64
    """
    text = text.strip()
    names: dict[str, None] = {}
    tree = _tree(text)
    _check(tree, names, text)
    return Expression(text, tuple(names), tree)


def short(number: float) -> str:
    """A number to six figures, whole ones to the last.

    >>> short(64), short(0.1 + 0.2), short(2**60)
    ('64', '0.3', '1152921504606846976')
    """
    return str(number) if isinstance(number, int) else f"{number:.6g}"


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise ValueError(f"{text!r} is no number and no expression") from None


def _check(node: ast.expr, names: dict[str, None], text: str) -> None:
    match node:
        case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
            return
        case ast.Name(id=name):
            names[name] = None
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            _check(left, names, text)
            _check(right, names, text)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            _check(operand, names, text)
        case ast.Call(func=ast.Name(id=name), args=[_, *_] as args, keywords=[]) if (
            name in FUNCTIONS
        ):
            for arg in args:
                _check(arg, names, text)
        case _:
            raise ValueError(
                f"{text!r}: allowed are numbers, names of parameters, "
                "+ - * / // **, min and max"
            )


def _value(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp(operand=operand):
            return -_value(operand, values)
        case ast.Call(func=ast.Name(id=name), args=args):
            items: list[Any] = []
            for arg in args:
                found = _value(arg, values)
                items += found if isinstance(found, list) else [found]
            return FUNCTIONS[name](items)
    raise ValueError(ast.dump(node))
