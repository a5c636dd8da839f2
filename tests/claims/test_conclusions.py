"""Conclusions: their verdicts follow from those of claims, and so does how sure we are.

The verdicts are made up; what a conclusion must come to is worked out by hand.
"""

import html
import itertools
import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.claims import conclusions, found
from flatminima.claims.conclusions import overview, section, sureness, weigh
from flatminima.claims.register import load as load_rules
from flatminima.claims.report import Verdict
from flatminima.claims.sentences import MIME, WORDS, read

NEEDS = {"s2-sam-fails": "holds", "s2-sam-memorises": "fails"}
FOUND = """\
box:
  - {says: One., for: {s2-sam-fails: holds}}
  - {says: Two., for: {s2-sam-fails: holds}}
"""
SLIDES = """\
title: The slides
conclusions:
  - short: Flat and *wrong*
    place: Fig. 2
    concludes: SAM fails and does not memorise.
    needs: {s2-sam-fails: holds, s2-sam-memorises: fails}
    says: >-
      Right on {s2-sam-fails}, with [no bias](xor.md) on {s1-sam-generalises.effect}.
    for: {s2-sam-fails: holds, s2-sam-memorises: fails, s1-sam-generalises: holds}
    stops: At $n < 2^d$ & small networks.
  - short: It attains
    concludes: Say so.
    needs: {xor-bias-attains: holds}
    says: It does.
    for: {xor-bias-attains: holds}
    stops: Nowhere.
"""
FEWEST = 10


def decided(name: str, word="holds", n=10, fixed="before") -> Verdict:
    claim = load_rules()[1][name]
    about = (name, claim.chapter, claim.source, claim.origin, claim.statement, "rule")
    return Verdict(*about, word, 0.79, 0.74, 0.83, n, "quick", None, "", fixed)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study with one section, whose verdicts a test gives."""
    (tmp_path / "found.yml").write_text(FOUND)
    (tmp_path / "conclusions-slides.yml").write_text(SLIDES)
    monkeypatch.setattr(conclusions, "load", lambda chapter: read(tmp_path))
    monkeypatch.setenv(found.VERDICTS_VARIABLE, str(tmp_path / "verdicts"))
    (tmp_path / "verdicts").mkdir()

    def put(*verdicts: Verdict) -> None:
        for chapter, group in itertools.groupby(verdicts, lambda v: v.chapter):
            path = tmp_path / f"verdicts/{chapter}.json"
            path.write_text(json.dumps([asdict(v) for v in group]))

    return put


@pytest.mark.parametrize(
    ("came", "verdict"),
    [
        (("holds", "fails"), "holds"),
        (("fails", "holds"), "fails"),
        (("holds", "holds"), "partly"),
        (("holds", "undecided"), "partly"),
        (("partly", "undecided"), "partly"),
        (("partly", "holds"), "partly"),
        (("fails", "undecided"), "fails"),
        (("undecided", "not testable"), "undecided"),
        (("not testable", "not testable"), "not testable"),
    ],
)
def test_the_verdict_on_a_conclusion(came, verdict):
    assert weigh(NEEDS, dict(zip(NEEDS, came, strict=True))) == verdict


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=6))
def test_neither_order_nor_the_word_that_is_needed_matters(came):
    needs = {f"c{k}": "holds" for k in range(len(came))}
    words = dict(zip(needs, came, strict=True))
    verdict = weigh(needs, words)
    backwards = {name: needs[name] for name in reversed(needs)}
    assert weigh(backwards, words) == verdict
    turn = {"holds": "fails", "fails": "holds"}
    turned = {name: turn.get(word, word) for name, word in words.items()}
    assert weigh(dict.fromkeys(needs, "fails"), turned) == verdict


@pytest.mark.parametrize(
    ("verdict", "sure"),
    [
        (decided("s2-sam-fails"), "firm"),
        (decided("s2-sam-fails", fixed="after pilot"), "firm"),
        (decided("s2-sam-fails", fixed="after data"), "thin"),
        (decided("s2-sam-fails", n=FEWEST - 1), "thin"),
        (decided("s2-sam-fails", "partly"), "firm"),
        (decided("s2-sam-fails", "undecided"), "open"),
        (decided("xor-bias-attains", n=1, fixed="after data"), "exact"),
        (decided("xor-bias-attains", "undecided"), "open"),
    ],
)
def test_how_sure_a_verdict_makes_us(verdict, sure):
    assert sureness(verdict, FEWEST) == sure


def test_a_card(study):
    study(
        decided("s2-sam-fails", n=12, fixed="after pilot"),
        decided("s2-sam-memorises", "fails"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains", n=1),
    )
    shown = section("evidence", "slides", FEWEST)
    first, second = shown.cards
    assert (first.verdict, first.sure) == ("holds", "firm")
    assert first.how_sure == (
        "Firm: 2 of 2 claims as it needs · 10 to 12 seeds · rules fixed: 1 before, "
        "1 after pilot"
    )
    assert (second.verdict, second.sure) == ("holds", "exact")
    assert second.how_sure == "Exact: 1 of 1 claims as it needs"
    page = shown._repr_mimebundle_()["text/markdown"]
    assert page.startswith("### Flat and *wrong*\n\n::::{div} claim conclusion\n")
    badge = '<span class="verdict verdict-holds">holds</span>'
    assert (
        f"{badge} **It concludes (Fig. 2).** SAM fails and does not memorise." in page
    )
    assert "[no bias](xor.md) on 79\N{NO-BREAK SPACE}%." in page
    assert "**Where it stops.** At $n < 2^d$ & small networks." in page
    assert "the conclusion needs that this fails ([scenario-2](scenario-2.md)" in page
    assert "**Advice.** Say so." in page  # what has no place is ours
    assert page.count("::::\n") == 2
    assert page.count("<details>") == page.count("</details>") == 2


def test_how_sure_we_are_counts_what_is_open_and_the_seeds(study):
    study(
        decided("s2-sam-fails", "undecided", n=10),
        decided("s2-sam-memorises", "undecided", n=10, fixed="after data"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains", "undecided"),
    )
    first, second = section("evidence", "slides", FEWEST).cards
    assert (first.verdict, first.sure, first.met) == ("undecided", "open", 0)
    assert first.how_sure == "Open: 0 of 2 claims as it needs, 2 open"
    assert second.how_sure == "Open: 0 of 1 claims as it needs, 1 open"


def test_a_conclusion_is_as_sure_as_its_weakest_claim_that_is_decided(study):
    study(
        decided("s2-sam-fails", n=10),
        decided("s2-sam-memorises", "holds", n=10, fixed="after data"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains", "fails", n=3),
    )
    first, second = section("evidence", "slides", FEWEST).cards
    assert (first.verdict, first.sure, first.met) == ("partly", "thin", 1)
    assert first.how_sure == (
        "Thin: 1 of 2 claims as it needs · 10 seeds · rules fixed: 1 before, "
        "1 after data"
    )
    assert (second.verdict, second.sure, second.met) == ("fails", "exact", 0)
    assert second.how_sure == "Exact: 0 of 1 claims as it needs"


def test_a_conclusion_of_which_one_claim_was_not_run_has_no_verdict(study):
    study(decided("s2-sam-memorises", "fails"), decided("s1-sam-generalises"))
    first, second = section("evidence", "slides", FEWEST).cards
    assert [v.id for v in first.decides] == ["s2-sam-memorises"]
    assert first.verdict is first.sure is None
    assert first.how_sure == second.how_sure == "(not run)"
    shown = section("evidence", "slides", FEWEST)
    assert repr(shown).splitlines()[0].startswith("(not run): Flat and *wrong*. ")
    page = shown._repr_mimebundle_()["text/html"]
    assert page.startswith("<section><h3>Flat and <em>wrong</em></h3>(not run)<p>")


def test_a_card_lists_what_decides_it_with_its_numbers(study):
    study(
        decided("s2-sam-fails", n=12, fixed="after pilot"),
        decided("s2-sam-memorises", "fails"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains", n=1),
    )
    bundle = section("evidence", "slides", FEWEST)._repr_mimebundle_()
    statement = load_rules()[1]["s2-sam-fails"].statement.strip().rstrip(".")
    badge = '<span class="verdict verdict-holds">holds</span>'
    facts = (
        f"{' '.join(statement.split())} · accuracy .79 [.74, .83] · 12 seeds · quick · "
        "rule fixed after pilot"
    )
    home = "([scenario-2](scenario-2.md), `s2-sam-fails`)"
    assert f"- {badge} {facts} {home}\n" in bundle["text/markdown"]
    link = '(<a href="scenario-2.ipynb">scenario-2</a>)'
    assert f"<li>{badge} {html.escape(facts)} {link}</li>" in bundle["text/html"]
    # only the claim that has to fail says so
    assert bundle["text/markdown"].count("the conclusion needs that this fails") == 1


def test_in_jupyter_a_card_needs_no_press(study):
    study(decided("s2-sam-fails"), decided("s2-sam-memorises", "fails"))
    bundle = section("evidence", "slides", FEWEST)._repr_mimebundle_()
    text = bundle["text/html"]
    assert "<h3>Flat and <em>wrong</em></h3>" in text
    assert '<a href="xor.ipynb">no bias</a>' in text
    assert "At $n &lt; 2^d$ &amp; small networks." in text
    assert html.unescape(text).count("What decides it") == 1  # the second was not run
    json.dumps(bundle, allow_nan=False)


def test_what_was_not_run_waits(study):
    shown = section("evidence", "slides", FEWEST)
    assert [card.verdict for card in shown.cards] == [None, None]
    assert "Waits for scenario-1 and scenario-2." in repr(shown)
    assert "(not run)" in shown._repr_mimebundle_()["text/markdown"]
    table = overview("evidence", ["slides"], FEWEST)
    assert table["verdict"].tolist() == ["", ""]
    assert table[["met", "against", "open"]].to_numpy().sum() == 0


def test_a_conclusion_whose_verdicts_moved_is_struck(study):
    study(
        decided("s2-sam-fails", "fails"),
        decided("s2-sam-memorises", "fails"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains"),
    )
    shown = section("evidence", "slides", FEWEST)
    assert [card.verdict for card in shown.cards] == ["partly", "holds"]
    bundle = shown._repr_mimebundle_()
    stands = [each["stands"] for each in bundle[MIME]["sentences"]]
    assert stands == [False, True]
    for form in ("text/html", "text/markdown"):
        assert bundle[form].count("<del>") == 1
        assert "Does not stand in this run" in bundle[form]


def test_claims_are_counted(study):
    study(
        decided("s2-sam-fails"),
        decided("s2-sam-memorises", "undecided"),
        decided("s1-sam-generalises"),
        decided("xor-bias-attains", "fails"),
    )
    table = overview("evidence", ["slides"], FEWEST)
    assert table["section"].tolist() == ["The slides"] * 2
    assert table["verdict"].tolist() == ["partly", "fails"]
    assert table["sure"].tolist() == ["firm", "exact"]
    assert table[["met", "against", "open"]].to_numpy().tolist() == [
        [1, 0, 1],
        [0, 1, 0],
    ]


def test_what_stands_behind_a_conclusion_need_not_be_seeds():
    found = [
        decided("s2-sam-fails", n=20),
        decided("open-1-map-most-sam", n=13),
        decided("s2-sam-memorises", n=10),
        decided("open-1-map-firing", n=13),
    ]
    assert conclusions._counts(found) == ["10 to 20 seeds", "13 places"]


def test_sections_are_named(study):
    message = "no section 'talk' of evidence; there are: slides"
    with pytest.raises(ValueError, match=message):
        section("evidence", "talk", FEWEST)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("s2-sam-memorises: fails}\n    says", "new: fails}\n    says",
         "conclusions, sentence 1: needs new, which is not in `for`"),
        ("memorises: fails}\n    says", "memorises: partly}\n    says", "memorises"),
        ("SAM fails", "SAM fails on 79 %", "concludes: '79' is typed"),
        ("small networks", "{s2-sam-fails}", "stops: has a placeholder"),
        ("short: It attains", "short: Flat and *wrong*", "two conclusions are named"),
        ("    stops: Nowhere.\n", "", "sentence 2, stops: Field required"),
        ("title", "name", "title: Field required"),
    ],
)  # fmt: skip
def test_flaws_of_a_file(tmp_path, old, new, message):
    assert SLIDES.count(old) == 1
    (tmp_path / "found.yml").write_text(FOUND)
    (tmp_path / "conclusions-slides.yml").write_text(SLIDES.replace(old, new))
    with pytest.raises(ValueError, match="conclusions-slides.yml: ") as error:
        read(tmp_path)
    assert message in str(error.value)


def test_names_of_sections_and_passages_differ(tmp_path):
    passages = "passages: {slides: [{says: Three., for: {s2-sam-fails: holds}}]}\n"
    (tmp_path / "found.yml").write_text(FOUND + passages)
    (tmp_path / "conclusions-slides.yml").write_text(SLIDES)
    with pytest.raises(ValueError, match="a passage is named slides, too"):
        read(tmp_path)


def test_sections_have_files_of_their_own(tmp_path):
    part = f"sections: {{slides: {json.dumps({'title': 'A', 'conclusions': []})}}}\n"
    (tmp_path / "found.yml").write_text(FOUND + part)
    with pytest.raises(ValueError, match="conclusions"):
        read(tmp_path)
