"""Verdicts: collected from executed chapters, compared with the expected ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flatminima_book import strict_yaml
from flatminima_book.notebooks import Notebook
from flatminima_book.parameters import as_data
from flatminima_book.project import Project

MIME = "application/vnd.flatminima.claim+json"
FIGURE_MIME = "application/vnd.flatminima.figure+json"
WORDS_MIME = "application/vnd.flatminima.words+json"
WORDS = ("holds", "partly", "fails", "undecided", "not testable")
RULE_FIXED = ("before", "after pilot", "after data")
KEYS = (
    "id",
    "chapter",
    "source",
    "origin",
    "statement",
    "rule",
    "verdict",
    "effect",
    "low",
    "high",
    "n",
    "scale",
    "reported",
    "expected",
    "note",
    "rule_fixed",
)
Verdict = dict[str, Any]


def collect(notebook: Notebook, mime: str = MIME) -> list[Verdict]:
    """Take the verdicts that a notebook displays, in order of appearance.

    Args:
        notebook: The executed notebook.
        mime: What to take instead: with FIGURE_MIME, rows of the table of figures;
            with WORDS_MIME, what pages say in words of each verdict.
    """
    found: list[Verdict] = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            bundle = output.get("data", {}).get(mime)
            if isinstance(bundle, dict):
                found.append(bundle)
            elif isinstance(bundle, list):
                found.extend(bundle)
    return found


def order_keys(verdict: Mapping[str, Any], expected: str | None) -> Verdict:
    """A scorecard entry: the agreed keys, in the agreed order."""
    return {
        key: expected if key == "expected" else verdict.get(key)
        for key in KEYS
        if key == "expected" or key in verdict
    }


def check_verdicts(
    verdicts: Sequence[Mapping[str, Any]], chapter: str, claims: Mapping[str, str]
) -> list[str]:
    """Check one chapter's verdicts against the contract and the claims file.

    Args:
        verdicts: What the chapter displayed.
        chapter: Its name.
        claims: Chapter of each claim id; empty when there is no claims file.

    Returns:
        One line per problem.
    """
    problems = []
    seen: list[str] = []
    for verdict in verdicts:
        name = verdict.get("id", "without id")
        where = f"chapter {chapter}: claim {name}"
        wanted = set(KEYS) - {"expected"}
        if wrong := sorted(wanted ^ set(verdict)):
            state = "lacks" if wrong[0] in wanted else "has the unknown"
            problems.append(f"{where} {state} key {wrong[0]}")
            continue
        if name in seen:
            problems.append(f"{where} has two verdicts")
        seen.append(name)
        if verdict["chapter"] != chapter:
            problems.append(f"{where} belongs to chapter {verdict['chapter']}")
        if verdict["verdict"] not in WORDS:
            problems.append(
                f"{where}: verdict {verdict['verdict']!r} is none of {', '.join(WORDS)}"
            )
        if verdict["rule_fixed"] not in RULE_FIXED:
            allowed = ", ".join(RULE_FIXED)
            given = repr(verdict["rule_fixed"])
            problems.append(f"{where}: rule_fixed {given} is none of {allowed}")
        if claims and name not in claims:
            problems.append(f"{where} is not in the claims file")
        try:
            json.dumps(dict(verdict), allow_nan=False)
        except ValueError:
            problems.append(f"{where}: a number is not finite; use null")
    problems += [
        f"chapter {chapter}: claim {name} has no verdict"
        for name, home in claims.items()
        if home == chapter and name not in seen
    ]
    return problems


def duplicate_ids(verdicts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Find claim ids that two chapters share."""
    homes: dict[str, list[str]] = {}
    for verdict in verdicts:
        homes.setdefault(verdict["id"], []).append(verdict["chapter"])
    return [
        f"claim {name} has verdicts in {' and '.join(sorted(set(chapters)))}"
        for name, chapters in homes.items()
        if len(set(chapters)) > 1
    ]


@dataclass(frozen=True)
class Expected:
    """What a chapter must find under given parameters.

    Attributes:
        parameters: Every parameter, defaults included.
        verdicts: Verdict by claim id. Where an interval touches a threshold, so that
            another processor's rounding may tip it, both words: "holds or partly".
        why: The reason for two words, by claim id.
    """

    parameters: dict[str, Any]
    verdicts: dict[str, str]
    why: dict[str, str] = field(default_factory=dict)


def read_expected(path: Path) -> list[Expected]:
    """Read the expected verdicts of one chapter.

    Args:
        path: A YAML list of entries, each with parameters and verdicts.

    Raises:
        ValueError: A key is given twice, is unknown or is missing, or a word is no
            verdict; or two are expected without a reason, or contradict each other.
    """
    entries = []
    for number, entry in enumerate(strict_yaml.load(path.read_text("utf8")) or [], 1):
        if set(entry) - {"why"} != {"parameters", "verdicts"}:
            given = ", ".join(entry)
            raise ValueError(f"entry {number}: needs parameters and verdicts: {given}")
        for claim, words in entry["verdicts"].items():
            _check_words(claim, words, entry.get("why") or {})
        for claim in entry.get("why") or {}:
            if " or " not in entry["verdicts"].get(claim, ""):
                raise ValueError(f"{claim}: why is for two words, and it has one")
        entries.append(Expected(**entry))
    return entries


def _check_words(claim: str, expected: str, why: Mapping[str, str]) -> None:
    """Refuse what is no expectation."""
    words = set(expected.split(" or "))
    if not words <= set(WORDS):
        allowed = f"none of {', '.join(WORDS)}, nor two with or"
        raise ValueError(f"{claim}: verdict {expected!r} is {allowed}")
    if "fails" in words and words & {"holds", "partly"}:
        raise ValueError(f"{claim}: {expected!r} is no expectation: they contradict")
    if len(words) > 1 and not why.get(claim):
        raise ValueError(f"{claim}: {expected!r} needs a reason, under why")


def load_expected(
    project: Project, chapter: str, parameters: Mapping[str, Any]
) -> dict[str, str]:
    """Expected verdicts of a chapter under given parameters.

    Args:
        project: The book.
        chapter: Chapter name.
        parameters: Every parameter, defaults included.

    Returns:
        Verdict per claim id, empty when no entry has exactly these parameters.

    Raises:
        ValueError: The file is none, see :func:`read_expected`.
    """
    path = project.expected(chapter)
    try:
        entries = read_expected(path) if path.is_file() else []
    except ValueError as error:
        raise ValueError(f"{project.where(path)}: {error}") from error
    for entry in entries:
        if as_data(entry.parameters) == as_data(dict(parameters)):
            return entry.verdicts
    return {}


def moved(
    project: Project,
    scorecard: Sequence[Mapping[str, Any]],
    resting: Mapping[str, Sequence[str]] = {},
) -> list[str]:
    """Compare the default build's verdicts with the expected ones.

    Args:
        project: The book.
        scorecard: Entries, ``expected`` filled in.
        resting: The sentences that rest on a claim, by its id.

    Returns:
        One line per verdict that moved or that nobody has accepted yet.
    """
    lines = []
    for entry in scorecard:
        if entry["verdict"] not in (entry["expected"] or "").split(" or "):
            where = project.where(project.expected(entry["chapter"]))
            expected = entry["expected"] or "nothing for these parameters"
            line = (
                f"chapter {entry['chapter']}: claim {entry['id']}: expected "
                f"{expected}, got {entry['verdict']}; if this is right, edit {where}"
            )
            if sentences := resting.get(entry["id"]):
                line += f" and what rests on it: {'; '.join(sentences)}"
            lines.append(line)
    return lines


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON with a final newline, whole or not at all; refuses NaN."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text + "\n", "utf8")
    temporary.replace(path)
