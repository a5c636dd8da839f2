"""The scorecard page: summary tables, then every claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flatminima_book.claims import SummaryTable
from flatminima_book.markdown import MARKS, badge, interval, list_table, number
from flatminima_book.notebooks import Chapter
from flatminima_book.verdicts import WORDS, Verdict

MISSING = "(not run)"
NOTHING = "–"
UNSCALED = "none"
TRACES = ("trace", "bound", "ratio")


def scorecard_fragment(
    scorecard: Sequence[Verdict],
    tables: Sequence[SummaryTable],
    chapters: Sequence[Chapter],
    figures: Sequence[Mapping[str, Any]] = (),
    words: Sequence[Mapping[str, str]] = (),
) -> str:
    """Write the generated part of the scorecard page.

    Args:
        scorecard: Entries in reading order.
        tables: Summary tables of the claims file.
        chapters: Chapters in reading order.
        figures: Rows of the table of figures, in any order.
        words: What to say of an entry, in any order: its `id`, what was `measured`,
            what it was measured `over`, and its `source`. An entry without words
            shows its numbers.

    Returns:
        MyST text without anything that changes from run to run.
    """
    if not scorecard:
        return "No chapter has made a claim yet.\n"
    by_id = {entry["id"]: entry for entry in scorecard}
    said = {entry["id"]: entry for entry in words}
    parts = [_counts(scorecard)]
    parts += [_summary(table, by_id) for table in tables]
    if figures:
        parts.append(_figures(figures))
    for chapter in chapters:
        entries = [e for e in scorecard if e["chapter"] == chapter.name]
        if entries:
            parts.append(f"## {chapter.title}\n")
            parts.append(f"Computed in [this chapter]({chapter.name}.ipynb).\n")
            parts += [_claim(e, said.get(e["id"]) or _numbers(e)) for e in entries]
    return "\n".join(parts)


def _counts(scorecard: Sequence[Verdict]) -> str:
    cells = [
        f"{badge(word)} {sum(e['verdict'] == word for e in scorecard)}"
        for word in WORDS
    ]
    return f"Of {len(scorecard)} claims: {', '.join(cells)}.\n"


def _summary(table: SummaryTable, by_id: Mapping[str, Verdict]) -> str:
    rows = []
    for row in table.rows:
        rows.append([row.label, *(_cell(by_id.get(name)) for name in row.cells)])
    return list_table(
        ["", *table.columns],
        rows,
        caption=table.caption,
        name=f"table-{table.name}",
        kind="summary",
    )


def _cell(entry: Verdict | None) -> str:
    if entry is None:
        return MISSING
    ours = "almost" if entry["verdict"] == "partly" else MARKS[entry["verdict"]]
    said = entry["reported"] if entry["reported"] is not None else "not said"
    return f"source {said}, [ours {ours}]({entry['chapter']}.ipynb)"


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    """Every figure of the source: its outcome, ours, and traces beside bounds."""
    outcomes, traces = [], []
    for row in sorted(figures, key=lambda row: _figure_order(row["figure"])):
        link = f"[{row['figure']}]({row['chapter']}.ipynb)"
        value = f"{row['metric']} {number(row['value'])} "
        value = row.get("measured") or value + interval(row["low"], row["high"])
        runs = f"{row['scale']}, n = {row['n']}"
        outcomes.append(
            [
                *(link, _line(row["setting"]), _line(row["reported"])),
                *(value.strip(), badge(row["verdict"]), runs),
            ]
        )
        if row["trace"] is None:
            continue
        where = f"{row['retracted']} of {row['n']} seeds, retracted"
        where = where if row["retracted"] else "iterates, bound at their outputs"
        if row["bound"] is None:
            where = "iterates, no bound is known"
        numbers = [f"{row[key]:.4g}" if row[key] else "–" for key in TRACES]
        traces.append([link, _line(row["setting"]), *numbers, where])
    return "\n".join(
        [
            list_table(
                ["Figure", "Setting", "The paper", "Ours", "Verdict", "Runs"],
                outcomes,
                caption="Every figure of the paper, and ours: means over seeds with "
                "intervals",
                name="table-figures",
                kind="figures",
            ),
            list_table(
                ["Figure", "Setting", "Final trace", "Bound", "Ratio", "Taken over"],
                traces,
                caption="Final traces beside certified lower bounds: medians over "
                "seeds",
                name="table-traces",
                kind="figures",
            ),
        ]
    )


def _figure_order(name: str) -> tuple[int, str]:
    """Figure 10a after 9b."""
    digits = "".join(c for c in name if c.isdigit())
    return int(digits or 0), name


def _numbers(entry: Verdict) -> dict[str, str]:
    """What to say of an entry that came without words."""
    measured = ""
    if entry["effect"] is not None:
        measured = f"effect {number(entry['effect'])} "
        measured += interval(entry["low"], entry["high"])
    return {
        "measured": measured.strip(),
        "over": "" if entry["n"] is None else f"n = {number(entry['n'])}",
        "source": entry["source"],
    }


def _claim(entry: Verdict, words: Mapping[str, str]) -> str:
    """One claim as a card: reads at any width, unlike a table of nine columns."""
    measured = words["measured"]
    facts = [f"**{measured}**" if measured not in ("", NOTHING) else ""]
    facts += [words["over"], "" if entry["scale"] == UNSCALED else entry["scale"]]
    if entry["reported"] is not None:
        facts.append(f"source reports {entry['reported']}")
    facts = [fact for fact in facts if fact]
    origin = "" if entry["origin"] == "source" else f" ({entry['origin']})"
    blocks = [f"{badge(entry['verdict'])} {_line(entry['statement'])}"]
    blocks += [" · ".join(facts)] if facts else []
    blocks += [_line(entry["note"])] if entry["note"] else []
    source = f"{_line(words['source'])}{origin} · `{entry['id']}`"
    blocks.append(f"{{.claim-source}}\n{source}")
    if entry["rule"]:
        blocks.append(f"{{.claim-source}}\nRule: {_line(entry['rule'])}")
    return ":::{div} claim\n" + "\n\n".join(blocks) + "\n:::\n"


def _line(text: object) -> str:
    return " ".join(str(text).split())
