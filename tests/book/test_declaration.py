"""What a parameters cell declares: read strictly, and checked before anything else."""

import re

import pytest
from nbformat.v4 import new_code_cell
from papermill.translators import PythonTranslator

from flatminima_book.bounds import expression
from flatminima_book.chapter import check, start
from flatminima_book.declaration import declared, refuse_unknown, settled
from flatminima_book.range_texts import TYPES, parse_range
from flatminima_book.ranges import shown

CELL = """\
d: int = 30  # 2 to 1000: input dimension
n: int = 100  # 1 to min(2**d, 5000): points, distinct: all of them
lr: float = 0.1  # above 0, below 1 / decay: learning rate
decay: float = 0.05  # above 0, at most 1: decay
place: str = "dask"  # threads, processes or dask: where
ds: list[int] = (6, 8)  # each 5 to 60, not in more, 1 to 4 of them, increasing: dims
more: list[int] = []  # each 5 to 60, 0 to 4 of them, different: further ones
one: int = 6  # one of ds: the first
levels: list[float] = [0, 0.2]  # each 0 or 1 / n to 0.5, 2 to 4 of them: flips
batch: int = 20  # 10 to n, multiple of 10: examples
sizes: list[list[int]] = [
    [2, 4], [3, 8]
]  # each d 2 to 6 and m 1 to 2**d, 1 to 3 of them: sizes
"""
SETUP = "import sys"
PARAMETERS = declared(CELL)
DEFAULTS = {parameter.name: parameter.default for parameter in PARAMETERS}


def refusal(**given) -> str:
    """The message on values that are not allowed."""
    with pytest.raises(ValueError, match="allowed is") as refused:
        settled(PARAMETERS, DEFAULTS | given)
    return str(refused.value)


def test_a_line_gives_name_type_default_range_and_meaning():
    n = PARAMETERS[1]
    assert (n.name, n.annotation, n.text, n.default) == ("n", "int", "100", 100)
    assert n.within == "1 to min(2**d, 5000)"
    assert n.meaning == "points, distinct: all of them"
    assert n.needs == ("d",)
    assert DEFAULTS["ds"] == [6, 8]
    assert PARAMETERS[-1].needs == ()  # its d is that of the item
    assert settled(PARAMETERS, DEFAULTS) == DEFAULTS


def test_papermill_inspects_the_same():
    found = PythonTranslator.inspect(new_code_cell(CELL))
    assert [(p.name, p.inferred_type_name) for p in found] == [
        (p.name, p.annotation) for p in PARAMETERS
    ]
    for theirs, ours in zip(found, PARAMETERS, strict=True):
        assert theirs.help == f"{ours.within}: {ours.meaning}"
        assert theirs.default.replace(" ", "") == "".join(ours.text.split())


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("d = 30  # 2 to 9: what", "line 1: is not of the form d: int"),
        ("d: int  # 2 to 9: what", "line 1: is not of the form"),
        ("d: int = 30", "line 1: d needs its range and its meaning"),
        ("d: int = 30  # input dimension", "line 1: d needs its range"),
        ("d: int = 30  # 2 to 9:", "line 1: d needs its range"),
        ("d: int = 3  # 2 to 9: what\nimport os  # b: c", "line 2: is not of the form"),
        ("d: int = 3  # 2 to 9: d = 3", "papermill reads no comment with an equals"),
        ("d: dict = {}  # 2 to 9: what", "type dict: allowed are int, float"),
        ("d: list[str] = []  # each a, 1 to 2 of them: w", "type list[str]: allowed"),
        ("d: int = 3  # 2 to: what", "range '2 to': is not of the form 1 to 9"),
        ("d: int = 3  # 2 to 3 4: what", "'3 4' is no number and no expression"),
        ("d: int = 3  # above 2: what", "range 'above 2': has no upper end"),
        ("d: int = 3  # at least 2, to 4: what", "has no upper end"),
        ("d: int = 3  # 2 to f(3): what", "'f(3)': allowed are numbers, names of"),
        ("d: int = 3  # 2 to len: what", "its range takes len, which is no parameter"),
        ("d: int = 3  # 2 to d: what", "the ranges of d depend on each other"),
        ("a: int = 1  # 1 to b: x\nb: int = 1  # 1 to a: y", "the ranges of a and b"),
        ("d: int = 3  # 2 to 9, odd: what", "'odd' is not understood"),
        ("d: list[int] = [3]  # 2 to 9, 1 to 2 of them: w", "of a list begins with"),
        ("d: list[int] = [3]  # each 2 to 9: what", "says no length, such as 1 to 9"),
        ("d: list[list[int]] = []  # each 2 to 9, 1 to 2 of them: w", "no name with"),
        ('d: str = "a"  # a, b or c d: what', "words are a, b or c"),
        ("d: int = 3  # 2 to 9: a\nd: int = 4  # 2 to 9: b", "d is declared twice"),
    ],
)
def test_anything_but_a_full_declaration_is_refused(source, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        declared(source)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"d": 1}, "d = 1: allowed is 2 to 1000"),
        ({"d": 6}, "n = 100: allowed is 1 to min(2**d, 5000) = 64, with d = 6"),
        ({"d": 30.0}, "d = 30.0: allowed is a whole number, 2 to 1000"),
        ({"d": True}, "d = True: allowed is a whole number, 2 to 1000"),
        ({"d": None}, "d = None: allowed is a whole number, 2 to 1000"),
        ({"d": "30.0"}, "d = '30.0': allowed is a whole number, 2 to 1000"),
        ({"d": 10**5000}, "d = a whole number of 16610 bits: allowed is 2 to 1000"),
        ({"n": "many"}, "n = 'many': allowed is a whole number, 1 to min(2**d, 5000)"),
        ({"lr": float("nan")}, "lr = nan: allowed is a number, above 0, below 1 / dec"),
        ({"lr": "inf"}, "lr = 'inf': allowed is a number, above 0"),
        ({"lr": 20}, "lr = 20: allowed is above 0, below 1 / decay = 20, with decay ="),
        ({"place": "Dask"}, "place = 'Dask': allowed is threads, processes or dask"),
        ({"place": 1}, "place = 1: allowed is a word, threads, processes or dask"),
        ({"ds": []}, "ds = []: allowed is each 5 to 60, not in more = [], 1 to 4 of t"),
        ({"ds": [8, 6], "one": 6}, "ds = [8, 6]: allowed is each 5 to 60"),
        ({"ds": [6, 99]}, "ds = [6, 99] has 99: allowed is each 5 to 60"),
        ({"ds": "[6, 8]"}, "ds = '[6, 8]': allowed is a list of whole numbers, each"),
        ({"ds": "[6, 8]"}, "after -p papermill takes a text, write -y 'ds: […]'"),
        ({"more": [7, 7]}, "more = [7, 7]: allowed is each 5 to 60, 0 to 4 of them, d"),
        (
            {"more": [8]},
            "ds = [6, 8] has 8: allowed is each 5 to 60, not in more = [8]",
        ),
        ({"one": 7}, "one = 7: allowed is one of ds = [6, 8]"),
        ({"levels": [0, 0.001]}, "has 0.001: allowed is each 0 or 1 / n = 0.01 to 0.5"),
        ({"batch": 25}, "batch = 25: allowed is 10 to n = 100, multiple of 10"),
        (
            {"sizes": [[2, 5]]},
            "sizes = [[2, 5]] has [2, 5]: allowed is each d 2 to 6 a",
        ),
        ({"sizes": [[2, 4, 1]]}, "allowed is a list of lists of 2 whole numbers, each"),
        ({"sizes": [2, 4]}, "sizes = [2, 4] has 2: allowed is a list of lists of 2"),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(given, message):
    lines = refusal(**given).splitlines()
    assert len(lines) == 1
    assert message in lines[0]


def test_the_message_shows_how_a_bound_of_an_item_comes_about():
    assert "m 1 to 2**d = 4, 1 to 3 of them" in refusal(sizes=[[2, 5]])


def test_all_that_is_wrong_is_named_and_nothing_that_follows_from_it():
    assert refusal(d=0, decay="x", batch=5).splitlines() == [
        "d = 0: allowed is 2 to 1000",
        "decay = 'x': allowed is a number, above 0, at most 1",
        "batch = 5: allowed is 10 to n = 100, multiple of 10",
    ]
    assert refusal(ds=[]).splitlines()[1:] == []  # one is not one of ds then


def test_texts_that_spell_a_number_become_it_and_tuples_lists():
    given = {"d": "010", "lr": "1e-3", "levels": ("0", ".25"), "sizes": ((2, "4"),)}
    found = settled(PARAMETERS, DEFAULTS | given)
    assert (found["d"], found["lr"]) == (10, 0.001)
    assert found["levels"] == [0, 0.25]
    assert found["sizes"] == [[2, 4]]
    assert settled(PARAMETERS, DEFAULTS | {"lr": 1})["lr"] == 1


def test_an_unknown_name_is_refused_with_its_value_and_the_allowed_names():
    with pytest.raises(ValueError, match="seed = 3; this chapter takes: d, rates"):
        refuse_unknown({"d": 1, "seed": 3}, ["d", "rates"])


@pytest.mark.parametrize(
    "text",
    ["2**2**2**2**2**2", "9**9**9**9", "10**-10**10", "1 / 0", "(-8)**0.5", "1e308**9"],
)
def test_a_bound_without_a_value_is_no_bound_and_takes_no_time(text):
    with pytest.raises(ValueError, match="has no value"):
        expression(text).value({})


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "d.real",
        "d[0]",
        "(lambda: 1)()",
        "True",
        "'a'",
        "max()",
        "[",
    ],
)
def test_a_bound_is_arithmetic_and_nothing_else(text):
    with pytest.raises(ValueError, match=r"allowed are numbers|is no number"):
        expression(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 * 4 - 1", 13),
        ("-d**2", -36),
        ("2**-1", 0.5),
        ("7 // 2", 3),
        ("(d + 3)**0.5", 3.0),
        ("min(2**d, 50)", 50),
        ("max(ds)", 8),
        ("min(ds, d, 7 / 2)", 3.5),
        ("ds", [6, 8]),
    ],
)
def test_a_bound_is_pythons_own_arithmetic(text, value):
    assert expression(text).value({"d": 6, "ds": [6, 8]}) == value


@pytest.mark.parametrize("annotation", TYPES)
def test_a_range_is_shown_as_it_is_read(annotation):
    text = {
        "int": "0 or 1 to 9, not 4, multiple of 2",
        "float": "at least 0, below 9",
        "str": "a, b or c",
        "list[int]": "each one of x, not in y, 1 to 9 of them, increasing",
        "list[float]": "each above 0, at most 9, not 1, 1 to 9 of them",
        "list[list[int]]": "each a 1 to 9 and b 1 to 2**a, 1 to 9 of them, different",
    }[annotation]
    assert parse_range(annotation, text).show({}) == text


def test_a_value_is_shown_however_odd_it_is():
    class Odd:
        def __repr__(self):
            raise RuntimeError

    assert shown(Odd()) == "something of type Odd"
    assert len(shown("x" * 10**6)) == 60
    nested = []
    for _ in range(10**5):
        nested = [nested]
    assert shown(nested) == "something of type list"


# --- what a notebook ran before ---------------------------------------------------


def run(*cells: str) -> dict:
    """The variables after some cells, once they are checked."""
    namespace: dict = {}
    for cell in cells:
        exec(cell, namespace)
    check([*cells, "chapter.start()"], namespace)
    return namespace


def test_start_checks_what_papermill_injects_and_puts_numbers_for_texts():
    assert run(SETUP, CELL, '# Parameters\nlr = "1e-3"\n')["lr"] == 0.001
    with pytest.raises(ValueError, match=r"unknown parameter seed = 3;.*: d, n, lr"):
        run(SETUP, CELL, "# Parameters\nseed = 3\n")
    with pytest.raises(ValueError, match=r"^d = nan: allowed is a whole number"):
        run(SETUP, CELL, "# Parameters\nd = float('nan')\n")


def test_start_checks_what_a_reader_edits_by_hand():
    with pytest.raises(ValueError, match=r"^d = 1: allowed is 2 to 1000"):
        run(SETUP, CELL.replace("d: int = 30", "d: int = 1"))
    with pytest.raises(ValueError, match=r"^d = 1: allowed is 2 to 1000"):
        run(SETUP, CELL, "d = 1")
    edited = CELL.replace("n: int = 100", "n: int = 2**4 + len('ab') * 2")
    assert run(SETUP, edited)["n"] == 20


def test_start_checks_the_newest_cell_and_says_what_a_line_lacks():
    run(SETUP, CELL.replace("d: int = 30", "d: int = 1"), CELL)
    run(SETUP, CELL, "# Parameters\nseed = 3\n", CELL)  # injected before, and gone
    with pytest.raises(ValueError, match="the parameters cell: line 1: is not of the"):
        run(SETUP, CELL.replace("d: int = 30", "d = 30"))
    with pytest.raises(ValueError, match="the parameters cell: line 1: is not of the"):
        run(SETUP, "d = 30")
    with pytest.raises(ValueError, match="lr has no value: run the cell"):
        check([CELL], {name: v for name, v in DEFAULTS.items() if name != "lr"})


@pytest.mark.parametrize("history", [[], [SETUP], ["%matplotlib inline", "d.x = 1"]])
def test_start_lets_a_notebook_without_parameters_be(history):
    check(history, {})


def test_start_does_nothing_outside_a_notebook():
    start()
