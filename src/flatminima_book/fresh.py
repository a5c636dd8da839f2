"""Claims of ours, run again on fresh seeds: a small committed file, and a table.

A build on fresh seeds gives every chapter the parameters of its ``fresh.yml``. What
the claims of ours came to there is kept with the book, a part for each chapter, so that
the scorecard can set it beside what this build found.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from flatminima.identity import library_versions, package_digest
from flatminima_book.markdown import badge, interval, list_table, number
from flatminima_book.notebooks import Chapter
from flatminima_book.parameters import as_data
from flatminima_book.status import cpu_name
from flatminima_book.verdicts import WORDS, Verdict, write_json

SCALE = "fresh"
"""The scale whose files of parameters name the fresh seeds."""

FOLDER = "_build/fresh"
"""Where a build on fresh seeds goes."""

FIRST = 100
"""The first seed that no pilot may use."""

SEED = "first_seed"
"""The parameter of chapters that names the first of their seeds."""

COMMITTED = re.compile(r"committed, seeds (\d+) to (\d+)")
"""What the engine says in the scale of a verdict that committed runs decide."""

NOTHING = "–"

ENGINE = tuple(
    f"flatminima.{room}"
    for room in ("data", "kernels", "measures", "models", "runs", "sharpness")
)
"""The packages that compute runs."""


@dataclass(frozen=True)
class Again:
    """What one claim came to on other seeds.

    Attributes:
        verdict, effect, low, high, n, scale, rule: As in the scorecard.
        first_seed: The first of the seeds that decide it.
        measured, over: Effect and n in words.
    """

    verdict: str
    effect: float | None
    low: float | None
    high: float | None
    n: int
    scale: str
    rule: str
    first_seed: int
    measured: str
    over: str


@dataclass(frozen=True)
class Rerun:
    """A chapter on fresh seeds, and where that was computed.

    Attributes:
        parameters: All of the chapter's.
        engine: Digest of the sources that compute runs.
        libraries, python, processor: What computed them.
        claims: Those of ours, by id.
    """

    parameters: Mapping[str, Any]
    engine: str
    libraries: Mapping[str, str]
    python: str
    processor: str
    claims: Mapping[str, Again]


def rerun(
    parameters: Mapping[str, Any],
    verdicts: Sequence[Verdict],
    words: Sequence[Mapping[str, str]],
) -> Rerun:
    """What is kept of a chapter that has just run on fresh seeds.

    Args:
        parameters: All of the chapter's.
        verdicts: What it displayed.
        words: What it said of them.
    """
    said = {entry["id"]: entry for entry in words}
    claims = {
        v["id"]: _again(v, parameters, said) for v in verdicts if v["origin"] == "ours"
    }
    return Rerun(
        as_data(dict(parameters)),
        package_digest(*ENGINE),
        library_versions(),
        platform.python_version(),
        cpu_name(),
        claims,
    )


def _again(
    verdict: Verdict,
    parameters: Mapping[str, Any],
    said: Mapping[str, Mapping[str, str]],
) -> Again:
    words = _in_words(verdict, said)
    return Again(
        verdict=verdict["verdict"],
        effect=verdict["effect"],
        low=verdict["low"],
        high=verdict["high"],
        n=verdict["n"],
        scale=verdict["scale"],
        rule=verdict["rule"],
        first_seed=_deciding_seed(verdict, parameters),
        measured=words["measured"],
        over=words["over"],
    )


def _deciding_seed(verdict: Verdict, parameters: Mapping[str, Any]) -> int:
    """The first seed behind a verdict: the chapter's, unless committed runs decide."""
    found = COMMITTED.search(verdict["scale"])
    return int(found[1]) if found else int(parameters[SEED])


def _in_words(
    verdict: Verdict, said: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Effect and n of a verdict; its numbers where the chapter gave no words."""
    if verdict["id"] in said:
        return {key: said[verdict["id"]][key] for key in ("measured", "over")}
    measured = f"{number(verdict['effect'])} "
    measured += interval(verdict["low"], verdict["high"])
    return {"measured": measured.strip(), "over": f"n = {number(verdict['n'])}"}


def write_fresh(path: Path, reruns: Mapping[str, Rerun]) -> None:
    """Write the file, each chapter with a checksum.

    Args:
        path: The file.
        reruns: By chapter, in the order of the file.
    """
    entries = {name: asdict(each) for name, each in reruns.items()}
    write_json(
        path,
        {name: {**entry, "checksum": _sum(entry)} for name, entry in entries.items()},
    )


def read_fresh(path: Path) -> dict[str, Rerun]:
    """Read the file, and check each chapter against its checksum.

    Args:
        path: A file that need not exist.

    Returns:
        By chapter; empty where there is no file.

    Raises:
        ValueError: The file is damaged; names what is wrong and the way out.
    """
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text("utf8"))
        if not isinstance(data, dict):
            raise ValueError("is no mapping of chapters")
        return {name: _read(name, entry) for name, entry in data.items()}
    except (OSError, ValueError) as error:  # no JSON and no UTF-8 are ValueErrors
        raise ValueError(
            f"{path.parent.name}/{path.name}: {error}; take it from git again, or "
            "remove it and run: make fresh"
        ) from error


def _read(name: str, entry: Any) -> Rerun:
    where = f"chapter {name}"
    wanted = {each.name for each in fields(Rerun)}
    _same_keys(where, entry, wanted | {"checksum"})
    kept = {key: entry[key] for key in wanted}
    if entry["checksum"] != _sum(kept):
        raise ValueError(f"{where}: is not what its checksum says")
    claims = {}
    for claim, numbers in entry["claims"].items():
        inside = f"{where}: claim {claim}"
        _same_keys(inside, numbers, {each.name for each in fields(Again)})
        if numbers["verdict"] not in WORDS:
            raise ValueError(
                f"{inside}: verdict {numbers['verdict']!r} is none of "
                f"{', '.join(WORDS)}"
            )
        claims[claim] = Again(**numbers)
    return Rerun(**{**kept, "claims": claims})


def _same_keys(where: str, entry: Any, wanted: set[str]) -> None:
    given = set(entry) if isinstance(entry, dict) else set()
    if wrong := sorted(wanted ^ given):
        state = "lacks" if wrong[0] in wanted else "has the unknown"
        raise ValueError(f"{where} {state} key {wrong[0]}")


def _sum(entry: Mapping[str, Any]) -> str:
    text = json.dumps(entry, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fresh_fragment(
    scorecard: Sequence[Verdict],
    reruns: Mapping[str, Rerun],
    parameters: Mapping[str, Mapping[str, Any]],
    chapters: Sequence[Chapter],
    words: Sequence[Mapping[str, str]] = (),
) -> str:
    """Write what the scorecard says of claims of ours on fresh seeds.

    Args:
        scorecard: What this build found.
        reruns: What is kept of fresh seeds, by chapter.
        parameters: With which this build executed each chapter.
        chapters: In reading order.
        words: What to say of an entry of the scorecard, as for the page itself.

    Returns:
        MyST text: first, in words, how many were run again and which verdicts differ;
        then a row for every claim of ours.
    """
    said = {entry["id"]: entry for entry in words}
    titles = {chapter.name: chapter.title for chapter in chapters}
    ours = [v for v in scorecard if v["origin"] == "ours"]
    if not ours:
        return "No chapter has made a claim of ours yet.\n"
    kept = {v["id"]: _kept(v, reruns, parameters) for v in ours}
    own = [v for v in ours if _own_seed(v, parameters) >= FIRST]
    left = [v for v in ours if v not in own]
    again = [v for v in left if _is_fresh(kept[v["id"]])]
    committed = [v for v in left if kept[v["id"]] and v not in again]
    waiting = [v for v in left if kept[v["id"]] is None]
    parts = [_counted(len(ours), len(own), len(again), len(committed), len(waiting))]
    parts.append(_differing(again, kept, said))
    rows = []
    for v in ours:
        here = _in_words(v, said)
        there = kept[v["id"]]
        row = [f"[{titles.get(v['chapter'], v['chapter'])}]({v['chapter']}.ipynb)"]
        row += [_line(v["statement"]), f"{badge(v['verdict'])} {here['measured']}"]
        if v in own:
            row += ["the same", f"from {_own_seed(v, parameters)}, in the book itself"]
        elif there is None:
            row += ["not yet run again", NOTHING]
        elif v in committed:
            row += ["not run again", f"from {there.first_seed}, committed runs"]
        else:
            row += [f"{badge(there.verdict)} {there.measured}"]
            row += [", ".join(filter(None, [f"from {there.first_seed}", there.over]))]
        rows.append(row)
    columns = ["Chapter", "Claim", "In the book", "On fresh seeds", "Seeds"]
    parts.append(
        list_table(
            columns,
            rows,
            caption="Claims of ours, in the book and on fresh seeds",
            name="table-fresh",
            kind="figures",
        )
    )
    parts.append(_origin(reruns))
    return "\n".join(part for part in parts if part)


def _kept(
    verdict: Verdict,
    reruns: Mapping[str, Rerun],
    parameters: Mapping[str, Mapping[str, Any]],
) -> Again | None:
    """What is kept of a claim, if it is still the same claim under other seeds."""
    chapter, name = verdict["chapter"], verdict["id"]
    if chapter not in reruns or name not in reruns[chapter].claims:
        return None
    there, found = reruns[chapter].parameters, reruns[chapter].claims[name]
    here = as_data(dict(parameters.get(chapter, {})))
    only_seeds = {**there, SEED: None} == {**here, SEED: None}
    if not only_seeds or there[SEED] == here.get(SEED):
        return None
    return found if found.rule == verdict["rule"] else None


def _own_seed(verdict: Verdict, parameters: Mapping[str, Mapping[str, Any]]) -> int:
    """The first seed that decides a claim in this build; 0 where none is named."""
    given = {SEED: 0, **parameters.get(verdict["chapter"], {})}
    return _deciding_seed(verdict, given)


def _is_fresh(again: Again | None) -> bool:
    return again is not None and again.first_seed >= FIRST


def _counted(ours: int, own: int, again: int, committed: int, waiting: int) -> str:
    parts = []
    if again:
        parts.append(f"{again} {_was(again)} run again on seeds from {FIRST} on")
    if own:
        parts.append(f"{own} {_is(own)} decided by such seeds in the book itself")
    if committed:
        why = "by committed runs, which are not run again"
        parts.append(f"{committed} {_is(committed)} decided {why}")
    if waiting:
        parts.append(f"{waiting} {_is(waiting)} not yet run again")
    claims = "claim" if ours == 1 else "claims"
    return f"Of {ours} {claims} of ours: {'; '.join(parts)}.\n"


def _was(count: int) -> str:
    return "was" if count == 1 else "were"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _differing(
    again: Sequence[Verdict],
    kept: Mapping[str, Again | None],
    said: Mapping[str, Mapping[str, str]],
) -> str:
    """Which verdicts are others on fresh seeds, in words."""
    if not again:
        return ""
    pairs = [(v, found) for v in again if (found := kept[v["id"]])]
    other = [(v, found) for v, found in pairs if found.verdict != v["verdict"]]
    if not other:
        return "**No verdict is another on fresh seeds.**\n"
    count = "One verdict is another" if len(other) == 1 else f"{len(other)} are others"
    lines = [f"**{count} on fresh seeds:**", ""]
    lines += [
        f"- {_line(v['statement'])} In the book: {v['verdict']}, "
        f"{_in_words(v, said)['measured']}. On fresh seeds: {found.verdict}, "
        f"{found.measured}. `{v['id']}`"
        for v, found in other
    ]
    return "\n".join([*lines, ""])


def _origin(reruns: Mapping[str, Rerun]) -> str:
    """Where the runs on fresh seeds were computed, in one sentence."""
    if not reruns:
        return ""
    engines = sorted({each.engine[:8] for each in reruns.values()})
    made = sorted({each.processor for each in reruns.values()})
    libraries = sorted(
        {
            ", ".join(f"{name} {version}" for name, version in each.libraries.items())
            for each in reruns.values()
        }
    )
    text = (
        f"Fresh seeds were run on {'; '.join(made)}, with {'; '.join(libraries)}, "
        f"engine {', '.join(f'`{engine}`' for engine in engines)}."
    )
    now = package_digest(*ENGINE)
    older = sum(each.engine != now for each in reruns.values())
    if older:
        text += f" An older engine ran {older} of {len(reruns)} chapters."
    return text + "\n"


def _line(text: object) -> str:
    return " ".join(str(text).split())
