"""What a parameter may be: ranges that read as English and are checked.

A range is what stands before the colon in the comment of a declaration:

| Type | Range, for example |
|---|---|
| ``int``, ``float`` | ``1 to 1000``; ``above 0, at most 20``; ``at least 0, below 1`` |
| | ``0 or 1 / n to 0.5``, where one value is outside the interval |
| | after a comma: ``not 1``, ``multiple of 10`` |
| ``str`` | ``threads, processes or dask`` |
| ``list[int]``, ``list[float]`` | ``each 2 to 60, 1 to 12 of them`` |
| | after a comma: ``increasing`` or ``different`` |
| | ``each one of ds``, ``not in ds``, where ds is another list |
| ``list[list[int]]`` | ``each d 2 to 6 and n 1 to 2**d, 1 to 12 of them`` |

Every range has two ends and every list a longest length, so no value is too large to
be refused. An end is a number or an expression of `bounds` over other parameters; in a
list of lists also over the entries before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from flatminima_book.bounds import Expression, expression

TYPE = re.compile(r"(?:list\[)*(int|float|str)\]*")
TYPES = ("int", "float", "str", "list[int]", "list[float]", "list[list[int]]")
SINGULAR = {"int": "a whole number", "float": "a number", "str": "a word"}
PLURAL = {"int": "whole numbers", "float": "numbers", "str": "words"}
ORDERS = ("increasing", "different")
Values = Mapping[str, Any]


class Refusal(ValueError):
    """A value is not allowed.

    Attributes:
        wrong: The entry of a list that is wrong, as it is shown, or "".
        allowed: What is allowed.
    """

    def __init__(self, allowed: str, wrong: str = "") -> None:
        super().__init__(allowed)
        self.allowed, self.wrong = allowed, wrong


@dataclass(frozen=True)
class Ends:
    """An interval.

    Attributes:
        low, high: Its ends.
        open_low, open_high: Whether they are outside.
    """

    low: Expression
    high: Expression
    open_low: bool = False
    open_high: bool = False

    def holds(self, value: Any, values: Values) -> bool:
        """Whether a number lies in it."""
        low, high = self.low.value(values), self.high.value(values)
        above = low < value if self.open_low else low <= value
        below = value < high if self.open_high else value <= high
        return bool(above and below)

    def show(self, values: Values) -> str:
        """In words."""
        low, high = self.low.show(values), self.high.show(values)
        if not (self.open_low or self.open_high):
            return f"{low} to {high}"
        above = "above" if self.open_low else "at least"
        return f"{above} {low}, {'below' if self.open_high else 'at most'} {high}"


@dataclass(frozen=True)
class Scalar:
    """What one number or word may be.

    Attributes:
        kind: "int", "float" or "str".
        words: The words that are allowed, for "str".
        ends: The interval.
        alone: A number that is allowed besides.
        member: A list whose items are allowed, in place of an interval.
        excluded: A number, or a list whose items are not allowed.
        multiple: Of which a whole number must be a multiple.
    """

    kind: str
    words: tuple[str, ...] = ()
    ends: Ends | None = None
    alone: Expression | None = None
    member: Expression | None = None
    excluded: Expression | None = None
    multiple: Expression | None = None

    def expressions(self) -> Iterator[Expression]:
        """All that it computes."""
        if self.ends:
            yield from (self.ends.low, self.ends.high)
        for part in (self.alone, self.member, self.excluded, self.multiple):
            if part:
                yield part

    def describe(self) -> str:
        """The type in words."""
        return SINGULAR[self.kind]

    def show(self, values: Values) -> str:
        """In words, with what expressions come to."""
        if self.words:
            *most, last = self.words
            return f"{', '.join(most)} or {last}" if most else last
        text = f"one of {self.member.show(values)}" if self.member else ""
        if self.ends:
            text = self.ends.show(values)
        if self.alone:
            text = f"{self.alone.show(values)} or {text}"
        if self.excluded:
            word = "not in" if self.excluded.is_name else "not"
            text += f", {word} {self.excluded.show(values)}"
        if self.multiple:
            text += f", multiple of {self.multiple.show(values)}"
        return text

    def read(self, value: Any) -> Any:
        """A value of the right type, from text that spells a number too.

        Raises:
            Refusal: It is of another type.
        """
        found = value
        if self.kind != "str" and isinstance(value, str):
            found = spelled(value)
        sound = {
            "str": isinstance(found, str),
            "int": type(found) is int,
            "float": isinstance(found, (int, float))
            and not isinstance(found, bool)
            and (isinstance(found, int) or math.isfinite(found)),
        }
        if not sound[self.kind]:
            raise Refusal(f"{self.describe()}, {self.show({})}", shown(value))
        return found

    def check(self, value: Any, values: Values) -> None:
        """Check a value of the right type.

        Raises:
            Refusal: It is out of range.
        """
        if not self._allows(value, values):
            raise Refusal(self.show(values), shown(value))

    def _allows(self, value: Any, values: Values) -> bool:
        if self.words:
            return value in self.words
        if self.excluded:
            out = self.excluded.value(values)
            if value in (out if isinstance(out, list) else [out]):
                return False
        if self.multiple and value % self.multiple.value(values):
            return False
        if self.alone and value == self.alone.value(values):
            return True
        if self.member:
            return value in self.member.value(values)
        return self.ends is not None and self.ends.holds(value, values)


@dataclass(frozen=True)
class Listing:
    """What a list may be.

    Attributes:
        kind: Type of its numbers or words.
        entries: The range of an item, by "" in a list, or of each entry of an item,
            by its name, in a list of lists.
        count: The range of its length.
        order: "increasing", "different" or "".
    """

    kind: str
    entries: Mapping[str, Scalar]
    count: Ends
    order: str = ""

    @property
    def nested(self) -> bool:
        """Whether its items are lists."""
        return "" not in self.entries

    def expressions(self) -> Iterator[Expression]:
        """All that it computes."""
        yield from (self.count.low, self.count.high)
        for entry in self.entries.values():
            yield from entry.expressions()

    def describe(self) -> str:
        """The type in words."""
        plural = PLURAL[self.kind]
        if self.nested:
            return f"a list of lists of {len(self.entries)} {plural}"
        return f"a list of {plural}"

    def show(self, values: Values) -> str:
        """In words, with what expressions come to."""
        each = " and ".join(
            f"{name} {entry.show(values)}".strip()
            for name, entry in self.entries.items()
        )
        text = f"each {each}, {self.count.show(values)} of them"
        return f"{text}, {self.order}" if self.order else text

    def read(self, value: Any) -> Any:
        """A list of values of the right types, from tuples too.

        Raises:
            Refusal: It is none, or an item is of another type.
        """
        typed = f"{self.describe()}, {self.show({})}"
        if not isinstance(value, (list, tuple)):
            raise Refusal(typed, shown(value))
        if not self.nested:
            return [self._typed(self.entries[""], item, typed, item) for item in value]
        found = []
        for item in value:
            if not isinstance(item, (list, tuple)) or len(item) != len(self.entries):
                raise Refusal(typed, shown(item))
            pairs = zip(self.entries.values(), item, strict=True)
            found.append([self._typed(part, one, typed, item) for part, one in pairs])
        return found

    @staticmethod
    def _typed(entry: Scalar, value: Any, typed: str, item: Any) -> Any:
        try:
            return entry.read(value)
        except Refusal:
            raise Refusal(typed, shown(item)) from None

    def check(self, value: Any, values: Values) -> None:
        """Check a list of values of the right types.

        Raises:
            Refusal: Its length or its order is wrong, or an item is out of range.
        """
        if not self.count.holds(len(value), values):
            raise Refusal(self.show(values))
        for item in value:
            scope = dict(values)
            for name, entry in self.entries.items():
                one = item[list(self.entries).index(name)] if self.nested else item
                try:
                    entry.check(one, scope)
                except Refusal:
                    raise Refusal(self.show(scope), shown(item)) from None
                scope[name] = one
        rising = all(before < after for before, after in pairwise(value))
        repeated = any(item in value[:k] for k, item in enumerate(value))
        if (self.order == "increasing" and not rising) or (self.order and repeated):
            raise Refusal(self.show(values))


Range = Scalar | Listing


def spelled(text: str) -> Any:
    """The number that a text spells, as papermill reads one after ``-p``.

    Returns:
        The number, or the text where it spells none.

    >>> spelled("1e-3"), spelled("010"), spelled("ten")
    (0.001, 10, 'ten')
    """
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def shown(value: Any, limit: int = 60) -> str:
    """A value for a message, however long it is."""
    if isinstance(value, int) and value.bit_length() > 4 * limit:
        return f"a whole number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except Exception:  # the value may be anything at all
        text = f"something of type {type(value).__name__}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


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
