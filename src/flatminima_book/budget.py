"""The budget: core-seconds that a chapter may take, and what it took.

A chapter takes what its kernel did, and the runs that it used. Runs are kept between
builds, so they count by the seconds that were stored with them, whoever computed them:
a chapter's cost is the same in a build that computes everything and in one that finds
everything.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the child that starts a kernel does without
    from flatminima_book.notebooks import Chapter

SPENT = "FLATMINIMA_SPENT"
"""Environment variable that names the file in which sweeps note what runs took."""


@dataclass(frozen=True)
class Allowance:
    """What one chapter may take beyond the budget, and why."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class Budget:
    """Core-seconds that chapters may take.

    Attributes:
        mean: Of a chapter on average; more is remarked upon.
        most: Of one chapter; more is remarked upon.
        margin: How many times that fails the build. Machines differ in speed, and a
            busy one is slow.
        allowances: Chapters that may take more than `most`.
    """

    mean: float
    most: float
    margin: float
    allowances: Mapping[str, Allowance] = field(default_factory=dict)

    def allowed(self, chapter: str) -> float:
        """What a chapter may take."""
        own = self.allowances.get(chapter)
        return own.seconds if own else self.most


@dataclass(frozen=True)
class Spent:
    """What one execution took.

    Attributes:
        kernel: Core-seconds of the kernel and of whoever started it.
        runs: For each run that was used, the core-seconds that it took in all, and
            those of them that fell into this execution.
    """

    kernel: float = 0.0
    runs: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def own(self) -> float:
        """Core-seconds of the chapter but for its runs."""
        return max(0.0, self.kernel - sum(now for _, now in self.runs.values()))


NOTHING = Spent()


def read_budget(settings: Mapping[str, Any]) -> Budget:
    """Read the table ``[tool.flatminima_book.budget]``.

    Args:
        settings: Its keys are the attributes of :class:`Budget`; an allowance is a
            table of seconds and reason.

    Returns:
        The budget.

    Raises:
        ValueError: Naming the setting, its value and what is allowed.
    """
    where = "pyproject.toml: budget"
    names = ("mean", "most", "margin")
    if unknown := sorted(set(settings) - {*names, "allowances"}):
        raise ValueError(f"{where}: unknown setting {unknown[0]!r}")
    numbers = {name: _number(f"{where}: {name}", settings.get(name)) for name in names}
    if numbers["margin"] < 1:
        raise ValueError(f"{where}: margin = {numbers['margin']:g}: must be at least 1")
    allowances = {}
    for chapter, entry in settings.get("allowances", {}).items():
        of = f"{where}: allowance of {chapter}"
        if not isinstance(entry, dict) or set(entry) != {"seconds", "reason"}:
            raise ValueError(f"{of} = {entry!r}: needs seconds and reason")
        seconds = _number(f"{of}: seconds", entry["seconds"])
        if seconds <= numbers["most"]:
            most = f"the budget is {numbers['most']:g} already"
            raise ValueError(f"{of}: seconds = {seconds:g}: {most}")
        if not str(entry["reason"]).strip():
            raise ValueError(f"{of}: reason = {entry['reason']!r}: must say why")
        allowances[chapter] = Allowance(seconds, str(entry["reason"]))
    return Budget(**numbers, allowances=allowances)


def _number(what: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(f"{what} = {value!r}: must be a number above 0")
    return float(value)


def spent_file(output: Path) -> Path:
    """Where the engine notes what the runs of an execution took."""
    return output.with_suffix(".spent")


def read_runs(path: Path) -> dict[str, tuple[float, float]]:
    """Read what the engine noted; a run that was used twice took what it took once."""
    runs: dict[str, tuple[float, float]] = {}
    if path.is_file():
        for line in path.read_text("utf8").splitlines():
            entry = json.loads(line)
            _, now = runs.get(entry["run"], (0.0, 0.0))
            runs[entry["run"]] = entry["seconds"], now + entry["now"]
    return runs


def charge(chapters: Sequence[Chapter], spent: Mapping[str, Spent]) -> dict[str, float]:
    """Core-seconds of each chapter, as if this build had computed every run.

    Args:
        chapters: All, in reading order.
        spent: What each of them took, by name.

    Returns:
        By name. A run that several chapters use counts once: for the one that the
        others wait for, or else for the first in reading order. Which one happened to
        compute it makes no difference.
    """
    after = {chapter.name: chapter.after for chapter in chapters}
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        for other in after.get(name, ()):
            visit(other)
        ordered[name] = None

    for name in after:
        visit(name)
    charged: set[str] = set()
    costs = {}
    for name in ordered:
        runs = spent[name].runs
        new = sum(seconds for run, (seconds, _) in runs.items() if run not in charged)
        costs[name] = spent[name].own + new
        charged |= set(runs)
    return {name: costs[name] for name in after}


def compare(
    budget: Budget, costs: Mapping[str, float], bound: Collection[str]
) -> tuple[list[str], list[str]]:
    """Compare what chapters took with the budget.

    Args:
        budget: What they may take.
        costs: What they took, by name.
        bound: Those whose excess is a problem: the ones under default parameters.

    Returns:
        Problems and remarks, a line each.
    """
    problems, remarks = [], []
    for name, seconds in costs.items():
        allowed = budget.allowed(name)
        took = f"chapter {name} took {seconds:.0f} core-seconds"
        if name in bound and seconds > budget.margin * allowed:
            problems.append(
                f"{took}, more than {budget.margin:g} times its budget of "
                f"{allowed:g}: let it take fewer runs or commit them to results/"
            )
        elif name in bound and seconds > allowed:
            remarks.append(f"{took}; its budget is {allowed:g}")
        if name in budget.allowances and seconds <= budget.most:
            remarks.append(f"{took}: it needs no allowance any more")
    ours = [seconds for name, seconds in costs.items() if name in bound]
    mean = sum(ours) / len(ours) if ours else 0.0
    if mean > budget.mean:
        remarks.append(
            f"a chapter took {mean:.0f} core-seconds on average; the budget is "
            f"{budget.mean:g}"
        )
    return problems, remarks
