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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flatminima_book.bounds import Expression

SINGULAR = {"int": "a whole number", "float": "a number", "str": "a word"}
PLURAL = {"int": "whole numbers", "float": "numbers", "str": "words"}
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
