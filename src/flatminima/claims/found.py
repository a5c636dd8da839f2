"""What a chapter found, in words: a box at its head, and passages in its middle.

The sentences lie in `studies/<chapter>/found.yml`, as `sentences` reads them. Each
was written for certain verdicts. Here they get the numbers of this run; one whose
verdicts differ is struck, and says so.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from flatminima.claims import register
from flatminima.claims.effects import SPACE, tell
from flatminima.claims.markup import inline_html, plain
from flatminima.claims.report import (
    Report,
    Verdict,
    few_seeds,
    seeds_that_generalise,
    why_undecided,
)
from flatminima.claims.sentences import (
    MIME,
    SEEDS,
    SETTING,
    TITLE,
    Placeholder,
    Sentence,
    load,
    split,
)
from flatminima.paths import build_folder, checkout_folder
from flatminima.sweeps.table import ALL_DIVERGED, NOT_HELD_OUT

VERDICTS_VARIABLE = "FLATMINIMA_VERDICTS"
NOT_RUN = "(not run)"
BOX_STYLE = (
    "border: 1px solid currentColor; border-left-width: 0.4em; border-radius: 0.3em; "
    "padding: 0.4em 1em; max-width: 50em"
)
DIVERGED = re.compile("runs? diverged$")
ALL_OF_THEM = re.compile(rf"(\d+) of \1 runs|{ALL_DIVERGED}")


@dataclass(frozen=True)
class Told:
    """A sentence with the numbers of a run.

    Attributes:
        text: Markdown.
        verdicts: of the claims that it rests on; null for a claim of another chapter
            that was not run.
        moved: those for which it was not written.
    """

    text: str
    verdicts: Mapping[str, Verdict | None]
    moved: tuple[Verdict, ...]

    @property
    def waits(self) -> bool:
        """Whether a verdict is missing."""
        return None in self.verdicts.values()

    @property
    def remark(self) -> str:
        """Why it does not stand, in Markdown; empty if it does."""
        others = [v for v in self.moved if not few_seeds(v)]
        if others:
            came = "; ".join(
                f"“{v.statement.rstrip('.')}” came to **{v.verdict}**{_because(v)}"
                for v in others
            )
            return f"Does not stand in this run: {came}."
        if self.moved:
            whys = dict.fromkeys(why for v in self.moved for why in why_undecided(v))
            return f"Undecided, {', and '.join(['for want of seeds', *whys])}."
        known = register.load()[1]
        missing = [name for name, verdict in self.verdicts.items() if verdict is None]
        chapters = sorted({known[name].chapter for name in missing})
        return f"Waits for {' and '.join(chapters)}." if missing else ""


@dataclass(frozen=True)
class Found:
    """Sentences that a chapter shows: its box, or one of its passages.

    Attributes:
        chapter: whose.
        passage: its name; empty for the box.
        told: the sentences.
        note: what a reader must know before them, such as that there are too few
            seeds.
        foot: what helps to read the numbers.
    """

    chapter: str
    passage: str
    told: tuple[Told, ...]
    note: str = ""
    foot: str = ""

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        sentences = [
            {
                "says": one.text,
                "stands": not one.remark,
                "claims": {k: v and v.verdict for k, v in one.verdicts.items()},
            }
            for one in self.told
        ]
        about = {"chapter": self.chapter, "passage": self.passage}
        return {
            MIME: {**about, "sentences": sentences},
            "text/html": self._repr_html_(),
            "text/markdown": self._repr_markdown_(),
            "text/plain": repr(self),
        }

    def _repr_markdown_(self) -> str:
        """Markdown: the body of the box without its title, or a paragraph."""
        lines = []
        for one in self.told:
            text = f"<del>{one.text}</del>" if one.moved else one.text
            lines.append(f"{text} {one.remark}".rstrip())
        if self.passage:
            return " ".join(lines)
        parts = [f"**{self.note}**", "\n".join(f"- {line}" for line in lines)]
        return "\n\n".join(part for part in [*parts, self.foot] if part.strip("*"))

    def _repr_html_(self) -> str:
        """HTML that needs no style sheet, on a light or a dark ground."""
        lines = []
        for one in self.told:
            text = inline_html(one.text)
            text = f"<del>{text}</del>" if one.moved else text
            lines.append(f"{text} {inline_html(one.remark)}".rstrip())
        if self.passage:
            return f"<p>{' '.join(lines)}</p>"
        note = inline_html(self.note)
        parts = [f"<p><strong>{TITLE}</strong></p>"]
        parts += [f"<p><strong>{note}</strong></p>"] if note else []
        items = "".join(f"<li>{line}</li>" for line in lines)
        parts += [f"<ul>{items}</ul>"] if items else []
        parts += [f"<p><small>{self.foot}</small></p>"] if self.foot else []
        opening = f'<section class="found" aria-label="{TITLE}" style="{BOX_STYLE}">'
        return f"{opening}{''.join(parts)}</section>"

    def __repr__(self) -> str:
        lines = [
            f"[struck] {plain(one.text)} [{plain(one.remark)}]"
            if one.moved
            else f"{plain(one.text)} {plain(one.remark)}".rstrip()
            for one in self.told
        ]
        if self.passage:
            return " ".join(lines)
        parts = [TITLE, self.note, *(f"- {line}" for line in lines), self.foot]
        return "\n".join(part for part in parts if part)


def box(chapter: str, *reports: Report | Verdict, **settings: object) -> Found:
    """What a chapter found, as the box at its head.

    Args:
        chapter: its name, such as "scenario-2".
        reports: every report that the chapter has made. A claim of another chapter
            that is in none of them is taken from the last build.
        settings: for placeholders such as ``{setting.d}``: parameters of the run,
            never what it measured.

    Returns:
        The sentences of the box in `studies/<chapter>/found.yml`, for display.

    Raises:
        ValueError: if the chapter has no such file, if a claim of the chapter is in
            no report, if two reports disagree or if a setting is missing.
    """
    sentences = load(chapter).box
    told = tell_sentences(
        f"the box of {chapter}", chapter, sentences, reports, settings
    )
    if all(one.waits for one in told):
        note = (
            "This box tells verdicts of other chapters. In a checkout, `make book` "
            "fills it."
        )
        return Found(chapter, "", (), note)
    verdicts = [v for one in told for v in one.verdicts.values() if v is not None]
    level = 100 * register.load()[0].level
    foot = f"In brackets: {level:g}{SPACE}% intervals."
    moved = [verdict for one in told for verdict in one.moved]
    few = " ".join(filter(None, [few_seeds_note(moved), what_happened(moved)]))
    shown = {
        part.claim
        for sentence in sentences
        for part in sentence.placeholders()
        if not part.end
    }
    ranges = [v for v in verdicts if v.id in shown and v.low != v.high]
    return Found(chapter, "", told, few, foot if ranges else "")


def passage(
    chapter: str, name: str, *reports: Report | Verdict, **settings: object
) -> Found:
    """Sentences for the middle of a chapter, in the same way as `box`.

    Args:
        chapter: its name.
        name: of the passage in `studies/<chapter>/found.yml`.
        reports: those that hold the passage's claims.
        settings: as for `box`.

    Raises:
        ValueError: as for `box`, and if there is no such passage.
    """
    passages = load(chapter).passages
    if name not in passages:
        known = ", ".join(passages) or "none"
        raise ValueError(f"no passage {name!r} of {chapter}; there are: {known}")
    place = f"passage {name} of {chapter}"
    told = tell_sentences(place, chapter, passages[name], reports, settings)
    return Found(chapter, name, told)


def verdicts_folder() -> Path:
    """Where the last build keeps the verdicts of each chapter.

    This is $FLATMINIMA_VERDICTS, else where the press keeps them: in a checkout this is
    `_build/verdicts`, also if this user may not write there.
    """
    chosen = os.environ.get(VERDICTS_VARIABLE)
    if chosen:
        return Path(chosen)
    checkout = checkout_folder()
    return (checkout / "_build" if checkout else build_folder()) / "verdicts"


def few_seeds_note(verdicts: Iterable[Verdict]) -> str:
    """One sentence that says how many seeds decide nothing; empty if all are enough.

    Args:
        verdicts: any, of which those that too few seeds leave undecided count.
    """
    seeds: dict[int, set[int]] = {}
    for few in map(few_seeds, verdicts):
        if few is not None:
            seeds.setdefault(few[1], set()).add(few[0])
    lines = []
    for needed, counts in sorted(seeds.items()):
        said = " or ".join(map(str, sorted(counts)))
        noun = "seed decides" if counts == {1} else "seeds decide"
        lines.append(f"{said} {noun} nothing: a verdict needs {needed}.")
    return " ".join(lines)


def what_happened(verdicts: Sequence[Verdict]) -> str:
    """What kept runs from deciding anything, for the head of a box; empty if nothing.

    Args:
        verdicts: those for which no sentence was written.
    """
    whys = [why for verdict in verdicts for why in why_undecided(verdict)]
    lost = [why for why in whys if DIVERGED.search(why)]
    notes = []
    if lost:
        every = len(lost) == len(verdicts) and all(map(ALL_OF_THEM.match, lost))
        every_one = "Every run behind a struck sentence diverged."
        notes.append(every_one if every else "Runs diverged.")
    if NOT_HELD_OUT in whys:
        notes.append(f"{NOT_HELD_OUT[0].upper()}{NOT_HELD_OUT[1:]}.")
    return " ".join(notes)


def _tells_another(sentence: Sentence, verdict: Verdict) -> bool:
    """Whether a sentence tells a mean where the share of seeds decides, or this where
    a mean does."""
    apart = seeds_that_generalise(verdict) is not None
    return any(
        (SEEDS in part.views) != apart
        for part in sentence.placeholders()
        if part.claim == verdict.id and part.end != "n"
    )


def _because(verdict: Verdict) -> str:
    if found := seeds_that_generalise(verdict):
        return f" ({found[0]} of {found[1]} seeds generalise)"
    whys = why_undecided(verdict)
    return f" ({', and '.join(whys)})" if whys else ""


def tell_sentences(
    place: str,
    chapter: str,
    sentences: Sequence[Sentence],
    reports: Sequence[Report | Verdict] = (),
    settings: Mapping[str, object] = {},
) -> tuple[Told, ...]:
    """Sentences with the numbers of this run, or of the build that came before it.

    Args:
        place: where they stand, for messages.
        chapter: whose they are.
        sentences: as written.
        reports: as for `box`.
        settings: as for `box`.

    Raises:
        ValueError: as for `box`.
    """
    given = _given(place, reports)
    _, known = register.load()
    told = []
    for sentence in sentences:
        verdicts: dict[str, Verdict | None] = {}
        for name in sentence.written_for:
            if name not in known:
                raise ValueError(f"{place}: no claim {name!r} in claims.yml")
            home = known[name].chapter
            if name not in given and home == chapter:
                names = ", ".join(given) or "none"
                raise ValueError(
                    f"{place} rests on {name}, which is in no report given to it; "
                    f"those have: {names}"
                )
            verdicts[name] = given.get(name) or _of_last_build(name, home)
        moved = tuple(
            verdict
            for name, verdict in verdicts.items()
            if verdict is not None
            and (
                verdict.verdict not in sentence.written_for[name]
                or _tells_another(sentence, verdict)
            )
        )
        text = "".join(
            piece if isinstance(piece, str) else _fill(place, piece, verdicts, settings)
            for piece in split(sentence.says)
        )
        told.append(Told(text, verdicts, moved))
    return tuple(told)


def _given(place: str, reports: Sequence[Report | Verdict]) -> dict[str, Verdict]:
    given: dict[str, Verdict] = {}
    for report in reports:
        for verdict in report.verdicts if isinstance(report, Report) else [report]:
            if given.setdefault(verdict.id, verdict) != verdict:
                raise ValueError(f"{place}: two reports differ on {verdict.id}")
    return given


def _of_last_build(name: str, chapter: str) -> Verdict | None:
    try:
        text = (verdicts_folder() / f"{chapter}.json").read_text("utf8")
    except FileNotFoundError:
        return None
    names = [field.name for field in fields(Verdict)]
    found = [entry for entry in json.loads(text) if entry["id"] == name]
    if not found or set(names) - set(found[0]):  # an older build had fewer keys
        return None
    return Verdict(**{key: found[0][key] for key in names})


def _fill(
    place: str,
    asked: Placeholder,
    verdicts: Mapping[str, Verdict | None],
    settings: Mapping[str, object],
) -> str:
    if asked.claim != SETTING:
        verdict = verdicts[asked.claim]
        rule = register.load()[1][asked.claim].rule
        return NOT_RUN if verdict is None else tell(verdict, rule, asked)
    name = asked.parts[0]
    if name not in settings:
        raise ValueError(
            f"{place} names the setting {name}, which is not passed; passed are: "
            f"{', '.join(settings) or 'none'}"
        )
    value = settings[name]
    return f"{value:g}" if isinstance(value, float) else str(value)
