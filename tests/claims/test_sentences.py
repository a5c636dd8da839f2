"""Sentences bound to verdicts: what their file may hold, and what it may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.claims import sentences
from flatminima.claims.register import load as load_rules
from flatminima.claims.sentences import Placeholder, load, parse, split, typed_numbers

STUDIES = Path(sentences.__file__).parents[1] / "studies"
WRITTEN = sorted(
    path.parent.name.replace("_", "-") for path in STUDIES.glob("*/found.yml")
)
SOUND = """\
box:
  - says: "1-SAM is right on {a}."
    for: {a: holds}
  - says: "In dimension {setting.d} it is {b.abs.low}."
    for: {b: holds or partly, a: fails}
passages:
  later:
    - says: "Figures 4a and 4b of $2^{d}$ say the same."
      for: {a: holds}
"""


def flaw(old: str, new: str) -> str:
    """What is wrong once a part of the sound text is replaced."""
    assert old in SOUND
    return refusal(SOUND.replace(old, new))


def refusal(text: str) -> str:
    with pytest.raises(ValueError, match=".") as refused:
        parse(text)
    return str(refused.value)


def test_a_sound_file():
    texts = parse(SOUND)
    first, second = texts.box
    assert first.written_for == {"a": ("holds",)}
    assert second.written_for == {"b": ("holds", "partly"), "a": ("fails",)}
    assert second.placeholders() == [
        Placeholder("setting", ("d",)),
        Placeholder("b", ("abs", "low")),
    ]
    places = [place for place, _ in texts.places()]
    assert places == ["box", "box", "passage later"]
    assert first.opening == "1-SAM is right on {a}."
    assert second.opening == "In dimension {setting.d} it is {b.abs.low}."


def test_a_long_sentence_is_found_by_its_first_words():
    text = SOUND.replace("say the same", "say the very same thing about it")
    (sentence,) = parse(text).passages["later"]
    assert sentence.opening == "Figures 4a and 4b of $2^{d}$ say …"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{a: holds}\n  - says", "{a: hold}\n  - says", "'hold' is none of holds, "),
        ("holds or partly", "holds and partly", "joined by ' or '"),
        ("holds or partly", "holds or fails", "both for holds and for fails"),
        ("is right on {a}", "is right on {c}", "{c} is shown but not in `for`"),
        ("on {a}", "on 79 % and {a}", "'79' is typed; a measured number is"),
        ("{b.abs.low}", "{b.abs.lo}", "{b.abs.lo}: 'lo' is none of abs, rest"),
        ("{b.abs.low}", "{b.low.abs}", "'low' is none of abs"),
        ("{setting.d}", "{setting}", "{setting}: write {setting.name}"),
        ("  - says: \"1-SAM is right on {a}.\"\n    for: {a: holds}\n", "",
         "at least 2"),
        ("passages:", "passage:", "Extra inputs are not permitted"),
        ("b: holds", "a: holds", "line 5: a is given twice"),
        ("box:", "box: [", "not YAML"),
        ("    - says: \"Figures 4a and 4b of $2^{d}$ say the same.\"\n"
         "      for: {a: holds}\n", "      []\n", "at least 1"),
    ],
)  # fmt: skip
def test_flaws(old, new, message):
    assert message in flaw(old, new)


def test_a_flaw_is_told_with_its_place():
    assert flaw("{b.abs.low}", "{c}").startswith("box, sentence 2: ")
    assert flaw("say the same", "say 0.5").startswith("passages, later, sentence 1: ")


def test_every_flaw_is_a_line():
    text = SOUND.replace("right on {a}", "{c}").replace("{b.abs.low}", "{c}")
    assert [line.split(":")[0] for line in refusal(text).splitlines()] == [
        "box, sentence 1",
        "box, sentence 2",
    ]


def test_a_box_has_at_most_five_sentences():
    one = "  - says: It is flat.\n    for: {a: holds}\n"
    assert len(parse("box:\n" + 5 * one).box) == 5
    with pytest.raises(ValueError, match="at most 5"):
        parse("box:\n" + 6 * one)


@pytest.mark.parametrize(
    "says",
    [
        "1-SAM on 2-MLP-Bias and 3-layer networks",
        "n-SAM in Figure 4b, Figures 4a, 4b and 5 to 7c, Theorem 1.1, Table A2",
        "Lemma A.3, Theorems A.2 and B.1 of the appendix",
        "the bound $4\\sqrt{d+1}$ of $x_1 x_2$",
        "as [scenario II](scenario-2.md) says",
        "{s2-sam-fails} of {fig-4b.n}",
    ],
)
def test_digits_of_names_are_no_numbers(says):
    assert typed_numbers(says) == []


@pytest.mark.parametrize(
    ("says", "typed"),
    [
        ("Lemma A.3 is off by A.5", ["A.5"]),
        ("right on 79 %", ["79"]),
        ("1.03 times, in 10 runs.", ["1.03", "10"]),
        ("about $0.79$", ["0.79"]),
        ("3-fold", ["3"]),
        ("after epoch 4000", ["4000"]),
    ],
)
def test_typed_numbers(says, typed):
    assert typed_numbers(says) == typed


@given(st.text(alphabet="ab .{}$", max_size=20))
def test_splitting_loses_nothing(says):
    shown = [
        piece if isinstance(piece, str) else "{" + ".".join([piece[0], *piece[1]]) + "}"
        for piece in split(says)
    ]
    assert "".join(shown) == says


def test_a_chapter_without_sentences():
    with pytest.raises(ValueError, match="chapter 'status' has no studies/status/"):
        load("status")


@pytest.mark.parametrize("chapter", WRITTEN)
def test_the_sentences_of_the_book_name_claims(chapter):
    known = load_rules()[1]
    for _, sentence in load(chapter).places():
        assert set(sentence.written_for) <= set(known)


def test_the_book_has_sentences():
    assert {"intro", "scenario-2"} <= set(WRITTEN)
