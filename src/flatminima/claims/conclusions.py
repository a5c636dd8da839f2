"""What the book makes of a conclusion: its verdict, what decides it, how sure we are.

Conclusions lie in `studies/<chapter>/conclusions-<section>.yml`, as `sentences` reads
them. Each names the claims that decide it, with the verdict that each must have for
the conclusion to be right. The verdict on the conclusion and how sure we are follow
from the verdicts of the build by `weigh` and `sureness`; neither is typed.
"""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import pandas as pd

from flatminima.claims.found import NOT_RUN, Told, tell_sentences
from flatminima.claims.markup import inline_html, plain
from flatminima.claims.model import RuleFixed
from flatminima.claims.register import load as load_claims
from flatminima.claims.report import Verdict, Word, in_words
from flatminima.claims.rounding import NONE
from flatminima.claims.sentences import MIME, Conclusion, load

Sureness = Literal["exact", "firm", "thin", "open"]
SURENESS: tuple[Sureness, ...] = get_args(Sureness)

COMPUTED = ("exact", "flattest")
"""Kinds of rules that compare with what is computed, and draw no seeds to decide."""

OPEN = ("undecided", "not testable")

FOUND = "We find"


def weigh(needs: Mapping[str, Word], verdicts: Mapping[str, Word]) -> Word:
    """The verdict on a conclusion, from the verdicts of the claims that decide it.

    It holds if all of them came out as it needs, and fails if none did and one came
    out the other way. It is "partly" if some came out as it needs, or one does in part.
    Otherwise nothing is decided: it is not testable if none of its claims is, and
    undecided else.

    Args:
        needs: the verdict that each claim must have, "holds" or "fails".
        verdicts: what each of them came to; others do not matter.

    Returns:
        One of the words of a verdict.

    >>> weigh({"a": "holds", "b": "fails"}, {"a": "holds", "b": "holds"})
    'partly'
    """
    found = [(wanted, verdicts[claim]) for claim, wanted in needs.items()]
    met = [word == wanted for wanted, word in found]
    if all(met):
        return "holds"
    if any(met) or any(word == "partly" for _, word in found):
        return "partly"
    if any(word not in OPEN for _, word in found):
        return "fails"
    testable = any(word != "not testable" for _, word in found)
    return "undecided" if testable else "not testable"


def sureness(verdict: Verdict, fewest_seeds: int) -> Sureness:
    """How sure the verdict on a claim makes us.

    "exact" if what decides it is computed, "open" if it is not decided, "firm" if it
    rests on enough seeds and on a rule that came before its data, else "thin".

    Args:
        verdict: of the claim.
        fewest_seeds: seeds that are enough.
    """
    if verdict.verdict in OPEN:
        return "open"
    if load_claims()[1][verdict.id].rule.kind in COMPUTED:
        return "exact"
    enough = verdict.n >= fewest_seeds and verdict.rule_fixed != "after data"
    return "firm" if enough else "thin"


@dataclass(frozen=True)
class Card:
    """A conclusion with what the build found of it.

    Attributes:
        conclusion: as written.
        told: what was found, with its numbers.
        fewest_seeds: seeds that are enough for a firm verdict.
    """

    conclusion: Conclusion
    told: Told
    fewest_seeds: int

    @property
    def decides(self) -> list[Verdict]:
        """The verdicts that decide it; fewer than it needs where some were not run."""
        found = (self.told.verdicts[claim] for claim in self.conclusion.needs)
        return [verdict for verdict in found if verdict is not None]

    @property
    def verdict(self) -> Word | None:
        """The verdict on the conclusion; null while one of its claims was not run."""
        if len(self.decides) < len(self.conclusion.needs):
            return None
        return weigh(self.conclusion.needs, {v.id: v.verdict for v in self.decides})

    @property
    def met(self) -> int:
        """How many of its claims came out as it needs."""
        return sum(v.verdict == self.conclusion.needs[v.id] for v in self.decides)

    @property
    def sure(self) -> Sureness | None:
        """The weakest of the claims that are decided; null as for the verdict."""
        if self.verdict is None:
            return None
        if self.verdict in OPEN:
            return "open"
        each = [sureness(v, self.fewest_seeds) for v in self.decides]
        return max((one for one in each if one != "open"), key=SURENESS.index)

    @property
    def how_sure(self) -> str:
        """How sure we are and why, in a few words."""
        if self.sure is None:
            return NOT_RUN
        undecided = sum(v.verdict in OPEN for v in self.decides)
        count = f"{self.met} of {len(self.decides)} claims as it needs"
        count += f", {undecided} open" if undecided else ""
        parts = [f"{self.sure.capitalize()}: {count}"]
        sampled = [v for v in self.decides if sureness(v, 0) in ("firm", "thin")]
        if sampled:
            parts += _counts(sampled)
            times = [v.rule_fixed for v in sampled]
            said = (f"{times.count(t)} {t}" for t in get_args(RuleFixed) if t in times)
            parts.append(f"rules fixed: {', '.join(said)}")
        return " · ".join(parts)


def _counts(verdicts: Iterable[Verdict]) -> list[str]:
    """How many seeds, and how many of what else, stand behind some verdicts."""
    claims = load_claims()[1]
    numbers: dict[str, list[int]] = {}
    for verdict in verdicts:
        numbers.setdefault(claims[verdict.id].rule.counts, []).append(verdict.n)
    return [
        f"{min(ns)} {noun}" if len(set(ns)) == 1 else f"{min(ns)} to {max(ns)} {noun}"
        for noun, ns in sorted(numbers.items(), reverse=True)
    ]


@dataclass(frozen=True)
class Cards:
    """The conclusions of one section, for display.

    Attributes:
        chapter: whose page shows them.
        section: name of the section.
        cards: in order.
    """

    chapter: str
    section: str
    cards: tuple[Card, ...]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        sentences = [
            {
                "says": card.told.text,
                "stands": not card.told.remark,
                "claims": {k: v and v.verdict for k, v in card.told.verdicts.items()},
            }
            for card in self.cards
        ]
        about = {"chapter": self.chapter, "passage": self.section}
        return {
            MIME: {**about, "sentences": sentences},
            "text/html": "\n".join(map(_html, self.cards)),
            "text/markdown": "\n\n".join(map(_markdown, self.cards)),
            "text/plain": repr(self),
        }

    def __repr__(self) -> str:
        return "\n".join(
            f"{card.verdict or NOT_RUN}: {card.conclusion.short}. "
            f"{plain(card.told.text)} {plain(card.told.remark)}".rstrip()
            for card in self.cards
        )


def section(chapter: str, name: str, fewest_seeds: int) -> Cards:
    """The conclusions of one section with what the last build found of them.

    Args:
        chapter: whose, such as "evidence".
        name: of the section: its file is `conclusions-<name>.yml`.
        fewest_seeds: seeds that are enough for a firm verdict.

    Returns:
        One card a conclusion, for display.

    Raises:
        ValueError: if there is no such section, or a claim is not known.
    """
    sections = load(chapter).sections
    if name not in sections:
        known = ", ".join(sections) or "none"
        raise ValueError(f"no section {name!r} of {chapter}; there are: {known}")
    chosen = sections[name].conclusions
    told = tell_sentences(f"section {name} of {chapter}", chapter, chosen)
    cards = zip(chosen, told, strict=True)
    return Cards(chapter, name, tuple(Card(*both, fewest_seeds) for both in cards))


def overview(chapter: str, names: Sequence[str], fewest_seeds: int) -> pd.DataFrame:
    """All conclusions of some sections with their verdicts, a row each.

    Args:
        chapter: whose.
        names: of the sections, in order.
        fewest_seeds: as for `section`.

    Returns:
        Columns section (its title), conclusion, verdict, sure, met, against and open.
        The last three count its claims: as it needs, otherwise and undecided. Where
        one of them was not run, the words are empty and the counts 0.
    """
    rows = [
        (load(chapter).sections[name].title, card.conclusion.short, *_found(card))
        for name in names
        for card in section(chapter, name, fewest_seeds).cards
    ]
    return pd.DataFrame(
        rows,
        columns=[
            "section",
            "conclusion",
            *("verdict", "sure", "met", "against", "open"),
        ],
    )


def _found(card: Card) -> tuple[str, str, int, int, int]:
    if card.verdict is None or card.sure is None:
        return "", "", 0, 0, 0
    met = card.met
    undecided = sum(v.verdict in OPEN for v in card.decides)
    against = len(card.decides) - met - undecided
    return card.verdict, card.sure, met, against, undecided


def _badge(word: Word | None) -> str:
    if word is None:
        return NOT_RUN
    return f'<span class="verdict verdict-{word.replace(" ", "-")}">{word}</span>'


def _facts(verdict: Verdict, wanted: Word) -> str:
    """A claim, and what decided it: numbers, size, and when its rule was fixed."""
    words = in_words(verdict)
    scale = "" if verdict.scale == "none" else verdict.scale
    facts = [words["measured"], words["over"], scale]
    facts.append(f"rule fixed {verdict.rule_fixed}")
    if wanted == "fails":
        facts.append("the conclusion needs that this fails")
    stated = [" ".join(verdict.statement.split()).rstrip(".")]
    return " · ".join(stated + [fact for fact in facts if fact not in ("", NONE)])


def _parts(card: Card) -> Iterable[tuple[str, str]]:
    """Labels and Markdown of a card, in order."""
    place = card.conclusion.place
    yield (f"It concludes ({place})" if place else "Advice"), card.conclusion.concludes
    yield FOUND, card.told.text
    yield "How sure", card.how_sure
    yield "Where it stops", card.conclusion.stops


def _markdown(card: Card) -> str:
    lines = [f"### {card.conclusion.short}", "", "::::{div} claim conclusion", ""]
    badge = f"{_badge(card.verdict)} "
    for label, text in _parts(card):
        if label == FOUND and card.told.remark:
            text = f"{_struck(card, text)} {card.told.remark}"
        lines += [f"{badge}**{label}.** {text}", ""]
        badge = ""
    if card.decides:
        lines += ["<details><summary>What decides it</summary>", ""]
        lines += [_decided(card, v) for v in card.decides]
        lines += ["", "</details>", ""]
    return "\n".join([*lines, "::::", ""])


def _decided(card: Card, v: Verdict) -> str:
    facts = _facts(v, card.conclusion.needs[v.id])
    home = f"([{v.chapter}]({v.chapter}.md), `{v.id}`)"
    return f"- {_badge(v.verdict)} {facts} {home}"


def _html(card: Card) -> str:
    parts = [f"<h3>{inline_html(card.conclusion.short)}</h3>", _badge(card.verdict)]
    for label, text in _parts(card):
        body = inline_html(text)
        if label == FOUND and card.told.remark:
            body = f"{_struck(card, body)} {inline_html(card.told.remark)}"
        parts.append(f"<p><strong>{html.escape(label)}.</strong> {body}</p>")
    items = "".join(
        f"<li>{_badge(v.verdict)} "
        f"{html.escape(_facts(v, card.conclusion.needs[v.id]))} "
        f'(<a href="{v.chapter}.ipynb">{v.chapter}</a>)</li>'
        for v in card.decides
    )
    if items:
        title = "<summary>What decides it</summary>"
        parts.append(f"<details>{title}<ul>{items}</ul></details>")
    return f"<section>{''.join(parts)}</section>"


def _struck(card: Card, text: str) -> str:
    return f"<del>{text}</del>" if card.told.moved else text
