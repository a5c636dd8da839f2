"""The filter of the scorecard: form fields and style rules, which need no script.

A rule of style looks at what a field has chosen, and hides the claims without the class
that stands for it. A small script, `scorecard.js`, counts what is left; without it
nothing is lost.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from flatminima.claims.agreement import documents, kind
from flatminima.claims.quantities import SOURCES
from flatminima_book.notebooks import Chapter
from flatminima_book.verdicts import WORDS, Verdict

OURS = "ours"
HEADING = "Find a claim"
PLACE = "find-a-claim"
"""Where the heading's section is; the claims are in sections after it."""


def anchor(claim: str) -> str:
    """The permanent place of a claim on the scorecard's page."""
    return f"claim-{claim}"


def classes(entry: Verdict) -> list[str]:
    """Classes of a claim, one for every choice of a field that shows it."""
    origin = [OURS] if kind(entry) == "ours" else documents(entry["source"])
    return [
        f"is-{entry['verdict'].replace(' ', '-')}",
        *(f"of-{name}" for name in origin),
        f"in-{entry['chapter']}",
    ]


def form(scorecard: Sequence[Verdict], chapters: Sequence[Chapter]) -> str:
    """Fields to choose claims by source, verdict and chapter, as MyST text.

    Args:
        scorecard: All entries. A choice that none of them has is not offered.
        chapters: In reading order.
    """
    had = {name for entry in scorecard for name in classes(entry)}
    sources = {f"of-{short}": f"the {name}" for short, name in SOURCES.items()}
    sources[f"of-{OURS}"] = "none: claims of ours"
    fields = {
        "source": sources,
        "verdict": {f"is-{word.replace(' ', '-')}": word for word in WORDS},
        "chapter": {f"in-{each.name}": each.title for each in chapters},
    }
    offered = {
        name: {key: said for key, said in choices.items() if key in had}
        for name, choices in fields.items()
    }
    parts = [_field(name, choices) for name, choices in offered.items()]
    rules = "\n".join(_rule(key) for choices in offered.values() for key in choices)
    return (
        f"<style>\n{rules}\n</style>\n"
        '<form class="claim-filter" aria-label="Filter of the claims">\n'
        + "\n".join(parts)
        + '\n<button type="reset">Show all</button>\n'
        '<output class="claim-count" aria-live="polite"></output>\n'
        "</form>\n"
    )


def _field(name: str, choices: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{key}">{html.escape(said.replace("$", ""))}</option>'
        for key, said in choices.items()
    )
    return (
        f'<label>{name.capitalize()} <select name="{name}" autocomplete="off">'
        f'<option value="">all</option>{options}</select></label>'
    )


def _rule(key: str) -> str:
    """Hides the other claims of the sections that follow the form's own."""
    chosen = f'#{PLACE}:has(option[value="{key}"]:checked)'
    return f"{chosen} ~ section .claim:not(.{key}) {{ display: none; }}"
