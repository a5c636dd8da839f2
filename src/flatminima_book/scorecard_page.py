"""The scorecard page: agreement with the sources, summary tables, then every claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flatminima.claims.agreement import AGREEMENTS, agreement, counts, kind
from flatminima.claims.multiplicity import holm
from flatminima.statistics.thresholds import thresholds
from flatminima_book.claims import SummaryTable
from flatminima_book.markdown import MARKS, badge, interval, list_table, number
from flatminima_book.notebooks import Chapter
from flatminima_book.scorecard_filter import HEADING, anchor, classes, form
from flatminima_book.verdicts import RULE_FIXED, WORDS, Verdict

MISSING = "(not run)"
NOTHING = "–"
UNSCALED = "none"
TRACES = ("trace", "bound", "ratio")
SECTIONS = {
    "source": "Claims of the sources",
    "misprint": "Misprints of the sources",
    "ours": "Claims of ours",
}
"""What follows the tables, by the kind of claim."""

ABOUT = {
    "source": "A claim is open where its verdict is undecided or not testable, or "
    "where the data meet a weaker form than the source has.",
    "misprint": "Statements as they are printed. One that fails is corrected in the "
    "chapter.",
    "ours": "Controls, remarks and corrections, which no source has to answer for.",
}
FILTER = (
    "Choose by source, verdict and chapter. The name of a claim, below it, is a link "
    "to it that stays."
)
FIXED = {
    "before": "fixed before its runs",
    "after pilot": "fixed after pilot runs",
    "after data": "fixed after its data had been seen",
}
"""When a rule was fixed, as a card says it."""


def scorecard_fragment(
    scorecard: Sequence[Verdict],
    tables: Sequence[SummaryTable],
    chapters: Sequence[Chapter],
    figures: Sequence[Mapping[str, Any]] = (),
    words: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Write the generated part of the scorecard page.

    Args:
        scorecard: Entries in reading order.
        tables: Summary tables of the claims file.
        chapters: Chapters in reading order.
        figures: Rows of the table of figures, in any order.
        words: What to say of an entry, in any order: its `id`, what was `measured`,
            what it was measured `over`, its `source`, and `p`, how far its interval is
            from its threshold. An entry without words shows its numbers.

    Returns:
        MyST text without anything that changes from run to run.
    """
    if not scorecard:
        return "No chapter has made a claim yet.\n"
    by_id = {entry["id"]: entry for entry in scorecard}
    said = {entry["id"]: entry for entry in words}
    parts = [_counts(scorecard), _agreement(scorecard)]
    parts += [_summary(table, by_id) for table in tables]
    if figures:
        parts.append(_figures(figures))
    parts += [_fixed(scorecard), _by_chance(scorecard, said)]
    parts += [f"## {HEADING}\n\n{FILTER}\n", form(scorecard, chapters)]
    for section, title in SECTIONS.items():
        chosen = [e for e in scorecard if kind(e) == section]
        if not chosen:
            continue
        parts.append(f"## {title}\n\n{ABOUT[section]}\n")
        for chapter in chapters:
            entries = [e for e in chosen if e["chapter"] == chapter.name]
            if entries:
                parts.append(f"### {chapter.title}\n")
                parts.append(f"Computed in [this chapter]({chapter.name}.ipynb).\n")
                parts += [_claim(e, said.get(e["id"]) or _numbers(e)) for e in entries]
    return "\n".join(parts)


def _counts(scorecard: Sequence[Verdict]) -> str:
    cells = [
        f"{badge(word)} {sum(e['verdict'] == word for e in scorecard)}"
        for word in WORDS
    ]
    return f"Of {len(scorecard)} claims: {', '.join(cells)}.\n"


def _agreement(scorecard: Sequence[Verdict]) -> str:
    """How often the book agrees with each source, and how its misprints stand."""
    claims = [e for e in scorecard if kind(e) == "source"]
    if not claims:
        return ""
    rows = [
        [f"the {name}", *(str(found[word]) for word in AGREEMENTS)]
        for name, found in counts(claims).items()
    ]
    words = [agreement(entry) for entry in claims]
    rows.append(["all, each claim once", *(str(words.count(w)) for w in AGREEMENTS)])
    table = list_table(
        ["Claims of", *AGREEMENTS],
        rows,
        caption="Agreement with the sources",
        name="table-agreement",
        kind="summary",
    )
    printed = [e["verdict"] for e in scorecard if kind(e) == "misprint"]
    if not printed:
        return table
    wrong = printed.count("fails")
    others = "all of them are" if wrong == len(printed) else f"{wrong} are"
    return table + (
        f"\n{len(printed)} printed statements were checked by themselves; {others} "
        "misprints. They are no disagreement on what was found.\n"
    )


def _fixed(scorecard: Sequence[Verdict]) -> str:
    """When rules were fixed, by the kind of claim."""
    rows = []
    for section, title in SECTIONS.items():
        times = [e["rule_fixed"] for e in scorecard if kind(e) == section]
        if times:
            rows.append([title, *(str(times.count(time)) for time in RULE_FIXED)])
    return list_table(
        ["", *(FIXED[time] for time in RULE_FIXED)],
        rows,
        caption="Claims by when their rule was fixed",
        name="table-rule-fixed",
        kind="summary",
    )


def _by_chance(
    scorecard: Sequence[Verdict], said: Mapping[str, Mapping[str, Any]]
) -> str:
    """How many verdicts may be wrong by chance, and which stand all together."""
    decided = [e for e in scorecard if said.get(e["id"], {}).get("p") is not None]
    if not decided:
        return ""
    level = thresholds().level
    misses = (1 - level) * len(decided)
    text = (
        "## How many may be wrong by chance\n\n"
        f"An interval at {level:.0%} that is held against a threshold decides "
        f"{len(decided)} of the verdicts. Such an interval misses in "
        f"{100 * (1 - level):.0f} of 100 cases, half of them on either side. So "
        f"{misses:.1f} of these intervals may be expected to miss, and at most "
        f"{misses / 2:.1f} verdicts to be wrong by chance: those where the truth lies "
        "just beyond its threshold.\n"
    )
    theirs = [e for e in decided if kind(e) == "source"]
    if not theirs:
        return text
    stands = holm([said[e["id"]]["p"] for e in theirs], level)
    lost = [f"`{e['id']}`" for e, one in zip(theirs, stands, strict=True) if not one]
    text += (
        f"\nOf the claims of the sources {len(theirs)} are decided so. If the chance "
        f"that any of them is wrong is to be {1 - level:.0%}, each needs an interval "
        f"at a higher level. By Holm's procedure {int(stands.sum())} of them still "
        "stand"
    )
    return text + (f"; these do not: {', '.join(lost)}.\n" if lost else ".\n")


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


def _numbers(entry: Verdict) -> dict[str, Any]:
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


def _claim(entry: Verdict, words: Mapping[str, Any]) -> str:
    """One claim as a card: reads at any width, unlike a table of nine columns."""
    measured = words["measured"]
    facts = [f"**{measured}**" if measured not in ("", NOTHING) else ""]
    facts += [words["over"], "" if entry["scale"] == UNSCALED else entry["scale"]]
    if entry["reported"] is not None:
        facts.append(f"source reports {entry['reported']}")
    if kind(entry) == "source":
        facts.append(f"agreement: {agreement(entry)}")
    facts = [fact for fact in facts if fact]
    origin = "" if entry["origin"] == "source" else f" ({entry['origin']})"
    blocks = [f"{badge(entry['verdict'])} {_line(entry['statement'])}"]
    blocks += [" · ".join(facts)] if facts else []
    blocks += [_line(entry["note"])] if entry["note"] else []
    own = f"[`{entry['id']}`](#{anchor(entry['id'])})"
    source = f"{_line(words['source'])}{origin} · {own}"
    blocks.append(f"{{.claim-source}}\n{source}")
    fixed = FIXED[entry["rule_fixed"]]
    rule = f": {_line(entry['rule'])}" if entry["rule"] else ""
    blocks.append(f"{{.claim-source}}\nRule {fixed}{rule}")
    head = f":::{{div}} {' '.join(['claim', *classes(entry)])}"
    name = f":name: {anchor(entry['id'])}"
    return f"{head}\n{name}\n\n" + "\n\n".join(blocks) + "\n:::\n"


def _line(text: object) -> str:
    return " ".join(str(text).split())
