"""What a chapter found: sentences with the numbers of a run, standing or struck."""

import html
import json
import re
from dataclasses import asdict, replace

import pytest
from IPython.core.formatters import DisplayFormatter

from flatminima.claims import found
from flatminima.claims.register import load as load_rules
from flatminima.claims.report import Report, Verdict, few_seeds, few_seeds_note
from flatminima.claims.sentences import MIME, parse
from flatminima.sweeps.table import NOT_HELD_OUT

TEXTS = parse("""\
box:
  - says: "*Flat* and wrong: {s2-sam-attains} times the bound, right on {s2-sam-fails}."
    for: {s2-sam-attains: holds, s2-sam-fails: holds}
  - says: "In dimension {setting.d}, decay helps [a lot](scenario-1.md)."
    for: {s2-sam-decay-generalises: holds or partly}
passages:
  later:
    - says: "Right on {s2-sam-fails.effect}."
      for: {s2-sam-fails: holds}
    - says: "Without a bias, on {s1-sam-generalises.effect} & more."
      for: {s1-sam-generalises: holds}
""")


def decided(name: str, word="holds", numbers=(0.79, 0.74, 0.83), note="") -> Verdict:
    claim = load_rules()[1][name]
    return Verdict(
        *(name, claim.chapter, claim.source, claim.origin, claim.statement, "rule"),
        *(word, *numbers, 10, "quick", None, note, "before"),
    )


ATTAINS = decided("s2-sam-attains", numbers=(1.025, 1.023, 1.027))
FAILS = decided("s2-sam-fails")
DECAY = decided("s2-sam-decay-generalises", numbers=(1.0, 1.0, 1.0))
ELSEWHERE = decided("s1-sam-generalises", numbers=(0.99, 0.98, 1.0))
ALL = (Report([ATTAINS, FAILS]), DECAY)


@pytest.fixture(autouse=True)
def texts(monkeypatch, tmp_path):
    """The sentences of this file stand for those of every chapter."""
    monkeypatch.setattr(found, "load", lambda chapter: TEXTS)
    monkeypatch.setenv(found.VERDICTS_VARIABLE, str(tmp_path / "verdicts"))
    return tmp_path / "verdicts"


def box(*reports, d=30):
    return found.box("scenario-2", *(reports or ALL), d=d)


def spaced(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_box_on_a_terminal():
    assert spaced(repr(box())).splitlines() == [
        "What we found",
        "- Flat and wrong: 1.025 (1.023 to 1.027) times the bound, right on 79 % "
        "(74 to 83 %).",
        "- In dimension 30, decay helps a lot.",
        "In brackets: 95 % intervals.",
    ]


def test_every_form_of_a_box():
    bundle = box()._repr_mimebundle_()
    assert bundle[MIME] == {
        "chapter": "scenario-2",
        "passage": "",
        "sentences": [
            {
                "says": bundle[MIME]["sentences"][0]["says"],
                "stands": True,
                "claims": {"s2-sam-attains": "holds", "s2-sam-fails": "holds"},
            },
            {
                "says": "In dimension 30, decay helps [a lot](scenario-1.md).",
                "stands": True,
                "claims": {"s2-sam-decay-generalises": "holds"},
            },
        ],
    }
    assert bundle["text/markdown"].startswith("- *Flat* and wrong: 1.025 (1.023 to")
    page = bundle["text/html"]
    assert 'aria-label="What we found"' in page
    assert "<p><strong>What we found</strong></p><ul><li><em>Flat</em> and" in page
    assert '<a href="scenario-1.ipynb">a lot</a>' in page
    assert "<del>" not in page
    assert "color: #" not in page  # the reader's own colours, light or dark
    json.dumps(bundle, allow_nan=False)


def test_the_page_of_a_box_has_its_note_before_its_sentences_and_its_foot_after():
    page = spaced(box()._repr_html_())
    assert page.endswith(
        "</ul><p><small>In brackets: 95 % intervals.</small></p></section>"
    )
    assert page.count("<li>") == 2
    text = spaced(box()._repr_markdown_())
    assert text.endswith("[a lot](scenario-1.md).\n\nIn brackets: 95 % intervals.")
    assert "****" not in text  # no note, so no line of one
    point = [replace(v, low=None, high=None) for v in (ATTAINS, FAILS)]
    assert "<small>" not in box(*point, DECAY)._repr_html_()
    short = box(few(ATTAINS), few(FAILS), few(DECAY))
    note = "3 seeds decide nothing: a verdict needs 10."
    assert f"found</strong></p><p><strong>{note}</strong></p><ul>" in (
        short._repr_html_()
    )
    assert short._repr_markdown_().startswith(f"**{note}**\n\n- <del>")
    assert repr(short).splitlines()[:2] == ["What we found", note]


def test_a_passage_with_a_struck_sentence_is_one_paragraph():
    fails = replace(FAILS, verdict="fails")
    shown = found.passage("scenario-2", "later", fails, ELSEWHERE)
    text = spaced(shown._repr_markdown_())
    assert text.startswith("<del>Right on 79 %.</del> Does not stand in this run: ")
    assert text.endswith("came to **fails**. Without a bias, on 99 % & more.")
    page = spaced(shown._repr_html_())
    assert page.startswith("<p><del>Right on 79 %.</del> Does not stand")
    assert spaced(repr(shown)).startswith("[struck] Right on 79 %. [Does not stand")
    stands = [one["stands"] for one in shown._repr_mimebundle_()[MIME]["sentences"]]
    assert stands == [False, True]


def test_jupyter_shows_it_as_the_output_of_a_cell():
    data, _ = DisplayFormatter().format(box())
    assert set(data) == {MIME, "text/html", "text/markdown", "text/plain"}


def test_a_sentence_with_another_verdict_is_struck_and_says_so():
    fails = decided("s2-sam-fails", "fails", (0.97, 0.96, 0.98))
    struck, other = box(ATTAINS, fails, DECAY).told
    assert struck.moved == (fails,)
    assert spaced(struck.text).endswith("right on 97 % (96 to 98 %).")
    reason = (
        "Does not stand in this run: “1-SAM fails to generalise on 2-MLP-Bias” came "
        "to **fails**."
    )
    assert struck.remark == reason
    assert other.remark == ""
    shown = box(ATTAINS, fails, DECAY)
    line = shown._repr_markdown_().splitlines()[0]
    assert re.fullmatch(r"- <del>.*</del> Does not stand in this run: .*", line)
    page = shown._repr_html_()
    assert page.count("<del>") == 1
    assert "came to <strong>fails</strong>." in page
    assert "- [struck] Flat and wrong" in repr(shown)
    assert "came to fails.]" in repr(shown)
    stands = [s["stands"] for s in shown._repr_mimebundle_()[MIME]["sentences"]]
    assert stands == [False, True]


SEEDS = "so their share decides: 3 of 10 seeds generalise, with at least 0.95"


def test_a_mean_is_not_told_where_the_share_of_seeds_decides(monkeypatch):
    apart = decided("s2-sam-fails", numbers=(0.3, 0.07, 0.65), note=SEEDS)
    struck, other = box(ATTAINS, apart, DECAY).told
    assert struck.moved == (apart,)
    assert struck.remark.endswith("to **holds** (3 of 10 seeds generalise).")
    assert other.remark == ""
    texts = parse(
        "box: [{says: 'Only {s2-sam-fails.seeds} are right.', for: {s2-sam-fails: "
        "holds}}, {says: 'Of {s2-sam-fails.n}.', for: {s2-sam-fails: holds}}]"
    )
    monkeypatch.setattr(found, "load", lambda chapter: texts)
    seeds, number = found.box("scenario-2", apart).told
    assert (seeds.text, seeds.remark) == ("Only 3 of 10 seeds are right.", "")
    assert (number.text, number.remark) == ("Of 10.", "")
    mean, number = found.box("scenario-2", FAILS).told
    assert mean.text == "Only (no number) are right."
    assert mean.moved == (FAILS,)
    assert number.remark == ""


def test_a_second_word_stands_too():
    partly = replace(DECAY, verdict="partly")
    assert [t.remark for t in box(ATTAINS, FAILS, partly).told] == ["", ""]


def few(verdict: Verdict, seeds=3, needed=10) -> Verdict:
    note = few_seeds_note(seeds, needed)
    return replace(verdict, verdict="undecided", n=seeds, note=f"A note; {note}")


def test_too_few_seeds_are_said_once():
    shown = box(few(ATTAINS), few(FAILS), few(DECAY))
    assert shown.note == "3 seeds decide nothing: a verdict needs 10."
    assert [t.remark for t in shown.told] == ["Undecided, for want of seeds."] * 2
    for text in (repr(shown), shown._repr_html_(), shown._repr_markdown_()):
        assert text.count("3 seeds decide nothing: a verdict needs 10.") == 1
    assert shown._repr_html_().count("<del>") == 2


def test_only_verdicts_that_strike_a_sentence_count_as_too_few(monkeypatch):
    says = (
        "box: [{says: x, for: {s2-sam-fails: undecided}}, {says: y, for: {B: holds}}]"
    )
    texts = parse(says.replace("B", "s2-sam-attains"))
    monkeypatch.setattr(found, "load", lambda chapter: texts)
    assert box(few(FAILS), ATTAINS).note == ""
    assert box(few(FAILS), few(ATTAINS, 2)).note.startswith("2 seeds decide nothing")


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ([], ""),
        ([(1, 10)], "1 seed decides nothing: a verdict needs 10."),
        ([(5, 10), (2, 10)], "2 or 5 seeds decide nothing: a verdict needs 10."),
        (
            [(4, 5), (3, 10)],
            "4 seeds decide nothing: a verdict needs 5. "
            "3 seeds decide nothing: a verdict needs 10.",
        ),
    ],
)
def test_the_note_on_seeds(counts, note):
    verdicts = [few(FAILS, seeds, needed) for seeds, needed in counts]
    assert found.few_seeds_note([ATTAINS, *verdicts]) == note


def test_undecided_by_an_interval_is_no_want_of_seeds():
    undecided = replace(FAILS, verdict="undecided")
    assert few_seeds(undecided) is None
    assert few_seeds(few(FAILS, 7, 8)) == (7, 8)
    shown = box(ATTAINS, undecided, DECAY)
    assert shown.note == ""
    assert "came to **undecided**" in shown.told[0].remark


def lost(verdict: Verdict, note: str) -> Verdict:
    return replace(verdict, verdict="undecided", note=f"a remark; {note}")


def test_runs_that_diverged_are_said_with_the_sentence_and_at_the_head():
    every = lost(ATTAINS, "10 of 10 runs diverged (SGD, 3 updates, data seed 0)")
    shown = box(every, lost(FAILS, "20 of 20 runs diverged (…)"), DECAY)
    assert shown.note == "Every run behind a struck sentence diverged."
    statement = ATTAINS.statement.rstrip(".")
    remark = f"“{statement}” came to **undecided** (10 of 10 runs diverged)"
    assert remark in shown.told[0].remark
    some = lost(FAILS, "3 of 10 runs diverged (…)")
    assert box(every, some, DECAY).note == "Runs diverged."
    assert box(every, replace(FAILS, verdict="fails"), DECAY).note == "Runs diverged."
    stands = replace(FAILS, note="1 of 10 runs diverged (…)")
    assert box(ATTAINS, stands, DECAY).note == ""


def test_every_reason_of_every_claim_of_a_sentence_is_said():
    wild = lost(ATTAINS, "10 of 10 runs diverged (…)")
    shown = box(wild, lost(FAILS, NOT_HELD_OUT), DECAY)
    statements = [v.statement.rstrip(".") for v in (ATTAINS, FAILS)]
    assert shown.told[0].remark == (
        f"Does not stand in this run: “{statements[0]}” came to **undecided** (10 of "
        f"10 runs diverged); “{statements[1]}” came to **undecided** ({NOT_HELD_OUT})."
    )
    assert shown.note == (
        "Runs diverged. No point is held out, so nothing can be said of generalising."
    )
    both = lost(FAILS, f"10 of 10 runs diverged (…); {NOT_HELD_OUT}")
    assert f"(10 of 10 runs diverged, and {NOT_HELD_OUT})" in (
        box(ATTAINS, both, DECAY).told[0].remark
    )


def test_a_sentence_that_few_seeds_and_a_verdict_strike_tells_the_verdict():
    shown = box(few(ATTAINS), replace(FAILS, verdict="fails"), DECAY)
    remark = shown.told[0].remark
    assert remark.startswith("Does not stand in this run: “1-SAM fails to generalise")
    assert "want of seeds" not in remark


def test_no_point_held_out_is_said_at_the_head():
    shown = box(ATTAINS, lost(FAILS, f"10 of 10 seeds …; {NOT_HELD_OUT}"), DECAY)
    assert shown.note == (
        "No point is held out, so nothing can be said of generalising."
    )


def test_want_of_seeds_hides_no_other_reason():
    note = f"{NOT_HELD_OUT}; {few_seeds_note(3, 10)}"
    shown = box(ATTAINS, lost(FAILS, note), DECAY)
    assert shown.note.startswith("3 seeds decide nothing: a verdict needs 10. No point")
    remark = f"Undecided, for want of seeds, and {NOT_HELD_OUT}."
    assert shown.told[0].remark == remark


def test_what_has_no_number_says_so():
    empty = replace(FAILS, effect=None, low=None, high=None)
    assert "right on (no number)." in repr(box(ATTAINS, empty, DECAY))


def test_intervals_are_explained_only_where_there_are_some():
    point = [replace(v, low=None, high=None) for v in (ATTAINS, FAILS)]
    assert box(*point, DECAY).foot == ""
    assert spaced(box().foot) == "In brackets: 95 % intervals."


def test_a_claim_that_no_report_has():
    message = (
        "the box of scenario-2 rests on s2-sam-fails, which is in no report given to "
        "it; those have: s2-sam-attains, s2-sam-decay-generalises"
    )
    with pytest.raises(ValueError, match=message):
        box(ATTAINS, DECAY)


def test_reports_that_differ():
    other = replace(FAILS, effect=0.5)
    with pytest.raises(ValueError, match="two reports differ on s2-sam-fails"):
        box(Report([ATTAINS, FAILS]), other, DECAY)
    assert box(*ALL, FAILS).told == box().told


def test_a_setting_that_is_not_passed():
    message = "names the setting d, which is not passed; passed are: n"
    with pytest.raises(ValueError, match=message):
        found.box("scenario-2", *ALL, n=3)
    assert "dimension 0.5," in repr(box(d=0.5))


def test_a_passage_and_its_name(texts):
    shown = found.passage("scenario-2", "later", FAILS, ELSEWHERE)
    assert spaced(repr(shown)) == "Right on 79 %. Without a bias, on 99 % & more."
    assert shown._repr_html_() == f"<p>{html.escape(repr(shown))}</p>"
    assert shown._repr_markdown_() == repr(shown)
    assert shown._repr_mimebundle_()[MIME]["passage"] == "later"
    with pytest.raises(ValueError, match="no passage 'never' of scenario-2; there are"):
        found.passage("scenario-2", "never")


def test_claims_of_other_chapters_come_from_the_last_build(texts):
    texts.mkdir()
    shown = found.passage("scenario-2", "later", FAILS)
    assert shown.told[1].text == "Without a bias, on (not run) & more."
    assert shown.told[1].remark == "Waits for scenario-1."
    assert "<del>" not in shown._repr_html_()
    (texts / "scenario-1.json").write_text("[]")
    assert found.passage("scenario-2", "later", FAILS).told == shown.told
    entry = asdict(ELSEWHERE) | {"expected": "holds"}
    older = {key: value for key, value in entry.items() if key != "rule_fixed"}
    (texts / "scenario-1.json").write_text(json.dumps([older]))
    assert found.passage("scenario-2", "later", FAILS).told == shown.told
    (texts / "scenario-1.json").write_text(json.dumps([entry]))
    filled = found.passage("scenario-2", "later", FAILS)
    assert "on 99" in filled.told[1].text
    assert filled.told[1].remark == ""
    (texts / "scenario-1.json").write_text(json.dumps([entry | {"verdict": "fails"}]))
    struck = found.passage("scenario-2", "later", FAILS).told[1]
    assert "came to **fails**" in struck.remark


def test_a_report_is_taken_before_the_last_build(texts):
    texts.mkdir()
    entry = asdict(ELSEWHERE) | {"effect": 0.5}
    (texts / "scenario-1.json").write_text(json.dumps([entry]))
    shown = found.passage("scenario-2", "later", FAILS, ELSEWHERE)
    assert "99" in shown.told[1].text


def test_a_box_of_other_chapters_before_any_build():
    shown = found.box("intro", d=3)
    assert shown.told == ()
    assert shown.note.endswith("In a checkout, `make book` fills it.")
    assert "<code>make book</code> fills it" in shown._repr_html_()
    assert shown._repr_markdown_() == f"**{shown.note}**"
    assert "<ul>" not in shown._repr_html_()


def test_an_unknown_claim(monkeypatch):
    texts = parse("box: [{says: x, for: {nine: holds}}, {says: y, for: {nine: holds}}]")
    monkeypatch.setattr(found, "load", lambda chapter: texts)
    with pytest.raises(ValueError, match="no claim 'nine' in claims.yml"):
        box()


def test_the_folder_of_verdicts(monkeypatch, texts):
    assert found.verdicts_folder() == texts
    monkeypatch.delenv(found.VERDICTS_VARIABLE)
    assert found.verdicts_folder().parts[-2:] == ("_build", "verdicts")


def test_formulas_stay_and_marks_turn():
    assert found.inline_html("$a*b*c < 1$ `x` **y** <z>") == (
        "$a*b*c &lt; 1$ <code>x</code> <strong>y</strong> &lt;z&gt;"
    )
    assert found.inline_html("[x](https://a.org)") == '<a href="https://a.org">x</a>'
    assert found.plain("*a* **b** [c](d.md)") == "a b c"


@pytest.mark.parametrize(
    ("d", "told"), [(30, "30"), (30.0, "30"), (0.1 + 0.2, "0.3"), (2.5e-7, "2.5e-07")]
)
def test_a_setting_is_told_without_digits_that_say_nothing(d, told):
    assert f"In dimension {told}, decay helps" in spaced(repr(box(d=d)))
