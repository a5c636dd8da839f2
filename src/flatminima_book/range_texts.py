"""Ranges are read from their text; `ranges` says what they look like and mean."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from flatminima_book.bounds import expression
from flatminima_book.ranges import Ends, Listing, Range, Scalar

TYPE = re.compile(r"(?:list\[)*(int|float|str)\]*")
TYPES = ("int", "float", "str", "list[int]", "list[float]", "list[list[int]]")
ORDERS = ("increasing", "different")


def parse_range(annotation: str, text: str) -> Range:
    """Read a range.

    Args:
        annotation: The parameter's type, one of `TYPES`.
        text: The range, as in the comment.

    Returns:
        The range.

    Raises:
        ValueError: The type is another, or the text is no range of it.

    >>> parse_range("float", "above 0, below 1 / lr").show({"lr": 0.5})
    'above 0, below 1 / lr = 2'
    """
    matched = TYPE.fullmatch(annotation.replace(" ", ""))
    if matched is None or annotation.replace(" ", "") not in TYPES:
        raise ValueError(f"type {annotation}: allowed are {', '.join(TYPES)}")
    kind, depth = matched[1], annotation.count("list[")
    if not depth:
        clauses = _Clauses(text)
        scalar = _scalar(kind, clauses)
        clauses.end()
        return scalar
    if not text.startswith("each "):
        raise ValueError(f"range {text!r}: of a list begins with each")
    clauses = _Clauses(text.removeprefix("each "))
    if depth == 1:
        entries = {"": _scalar(kind, clauses)}
    else:
        entries = {}
        for part in clauses.take().split(" and "):
            name, _, rest = part.partition(" ")
            if not name.isidentifier() or name in entries:
                raise ValueError(f"range {text!r}: {part!r} is no name with a range")
            entries[name] = _scalar(kind, _Clauses(rest))
    count = clauses.take_match(r"(.+) of them")
    if count is None:
        raise ValueError(f"range {text!r}: says no length, such as 1 to 9 of them")
    order = clauses.take_match("|".join(ORDERS))
    clauses.end()
    return Listing(kind, entries, _ends(count[1]), order[0] if order else "")


@dataclass
class _Clauses:
    """The parts of a range between commas that are in no brackets."""

    text: str
    rest: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rest, depth = [""], 0
        for letter in self.text:
            depth += (letter == "(") - (letter == ")")
            if letter == "," and not depth:
                self.rest.append("")
            else:
                self.rest[-1] += letter
        self.rest = [part.strip() for part in self.rest]

    def take(self) -> str:
        """The next part."""
        if not self.rest or not self.rest[0]:
            raise ValueError(f"range {self.text!r}: something is missing")
        return self.rest.pop(0)

    def take_match(self, pattern: str) -> re.Match[str] | None:
        """The next part, if it is of some form."""
        found = re.fullmatch(pattern, self.rest[0]) if self.rest else None
        if found:
            self.rest.pop(0)
        return found

    def end(self) -> None:
        """Refuse a part that is left."""
        if self.rest:
            raise ValueError(f"range {self.text!r}: {self.rest[0]!r} is not understood")


def _scalar(kind: str, clauses: _Clauses) -> Scalar:
    if kind == "str":
        *most, last = [*clauses.rest]
        clauses.rest = []
        words = (*most, *last.split(" or "))
        if not all(re.fullmatch(r"[\w-]+", word) for word in words):
            raise ValueError(f"range {clauses.text!r}: words are a, b or c")
        return Scalar(kind, words=words)
    alone = member = ends = None
    first = clauses.take()
    if " or " in first:
        number, _, first = first.partition(" or ")
        alone = expression(number)
    if first.startswith("one of "):
        member = expression(first.removeprefix("one of "))
    elif matched := re.fullmatch(r"(above|at least) (.+)", first):
        upper = clauses.take_match(r"(below|at most) (.+)")
        if upper is None:
            raise ValueError(f"range {clauses.text!r}: has no upper end")
        ends = Ends(
            expression(matched[2]),
            expression(upper[2]),
            matched[1] == "above",
            upper[1] == "below",
        )
    else:
        ends = _ends(first)
    excluded = clauses.take_match(r"not (?:in )?(.+)")
    multiple = clauses.take_match(r"multiple of (.+)")
    return Scalar(
        kind,
        ends=ends,
        alone=alone,
        member=member,
        excluded=expression(excluded[1]) if excluded else None,
        multiple=expression(multiple[1]) if multiple else None,
    )


def _ends(text: str) -> Ends:
    low, to, high = text.partition(" to ")
    if not to:
        raise ValueError(f"range {text!r}: is not of the form 1 to 9")
    return Ends(expression(low), expression(high))
