"""The pipeline on real kernels: what it writes, and how it fails."""

import json
import re
import subprocess
import sys

import pytest
import yaml

from flatminima_book.__main__ import main
from flatminima_book.build import build_book
from flatminima_book.execute import Failure, execute, run_job
from flatminima_book.harvest import gather
from flatminima_book.notebooks import load_chapters
from flatminima_book.running import build_chapter
from flatminima_book.status import known_seconds, read_status
from flatminima_book.typesetting import retypeset
from flatminima_book.verdicts import KEYS, moved
from tests.book.fixture_book import SETTINGS, claim, code, make_book


def press(book):
    """Build without pages; returns problems and what was said."""
    said: list[str] = []
    return build_book(book.project, said.append, pages=False), said


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A sound book, executed once for the tests that only read or spoil texts."""
    book = make_book(tmp_path_factory.mktemp("built") / "root")
    problems, said = press(book)
    assert problems == []
    return book, said


def scorecard(book):
    """The scorecard that a build wrote."""
    return json.loads((book.root / "_build/scorecard.json").read_text())


def test_scorecard_has_exactly_the_agreed_keys_in_reading_order(built):
    book, _ = built
    text = (book.root / "_build/scorecard.json").read_text()
    assert text.endswith("]\n")
    assert "NaN" not in text
    entries = scorecard(book)
    assert [list(entry) for entry in entries] == [list(KEYS)] * 2
    assert [entry["id"] for entry in entries] == ["one-a", "two-a"]
    assert entries[1]["expected"] == entries[1]["verdict"] == "fails"
    assert entries[0]["high"] is None


def test_staged_notebooks_hold_nothing_of_this_run(built):
    book, _ = built
    for name in ("one", "two"):
        text = (book.root / f"_build/stage/book/{name}.ipynb").read_text()
        for word in (str(book.root), "papermill", "start_time", "iopub"):
            assert word not in text
        for cell in json.loads(text)["cells"]:
            assert "claim+json" not in str(cell.get("outputs"))
            assert "figure+json" not in str(cell.get("outputs"))
    staged = book.root / "_build/stage/book"
    assert not (staged / "one.md").exists()
    assert (staged / "intro.md").exists()
    assert (book.root / "_build/stage/_static/flatminima.css").exists()


def test_progress_and_status_are_kept(built):
    book, said = built
    assert any(line.startswith("[2/2]") for line in said)
    status = json.loads((book.root / "_build/status.json").read_text())
    assert set(status["chapters"]) == {"one", "two"}
    assert status["machine"]["python"] == sys.version.split()[0]


SHAPES = ["[]", "null", "{}", '{"chapters": null}', '{"chapters": []}']
SHAPES += ['{"chapters": {"one": {}}}', '{"chapters": {"one": {"seconds": "a"}}}']


@pytest.mark.parametrize("text", [*SHAPES, "no JSON"])
def test_a_status_of_another_shape_is_as_none(book, text):
    book.project.build.mkdir(exist_ok=True)
    (book.project.build / "status.json").write_text(text)
    assert known_seconds(read_status(book.project)) == {}


def test_a_broken_chapter_is_one_line_and_the_others_still_run(book, quick):
    book.edit("book/one.md", "from IPython", "raise RuntimeError('no\\nway')\nfrom I")
    book.pair("one")
    problems, _ = press(book)
    assert problems == ["chapter one, cell 4: RuntimeError: no; way"]
    assert [entry["id"] for entry in scorecard(book)] == ["two-a"]
    status = json.loads((book.root / "_build/status.json").read_text())
    assert status["chapters"]["one"]["failed"]


@pytest.mark.parametrize(
    ("expected", "sound"),
    [("holds", True), ("partly or holds", True), ("fails or undecided", False)],
)
def test_an_expectation_may_name_two_words(book, expected, sound):
    entry = {"chapter": "one", "id": "a", "verdict": "holds", "expected": expected}
    assert (moved(book.project, [entry]) == []) is sound


def test_a_verdict_that_moves_fails_after_everything_is_written(built, quick):
    book, _ = built
    path = book.root / "params/two/expected.yml"
    sound = path.read_text()
    staged = book.root / "_build/stage/book/two.ipynb"
    before = staged.read_bytes()
    try:
        book.edit("params/two/expected.yml", "two-a: fails", "two-a: holds")
        problems, _ = press(book)
    finally:
        path.write_text(sound)
    line = "chapter two: claim two-a: expected holds, got fails; "
    assert problems == [line + "if this is right, edit params/two/expected.yml"]
    assert [entry["expected"] for entry in scorecard(book)] == ["holds", "holds"]
    assert staged.read_bytes() == before  # a second run stages the same bytes


def test_a_verdict_nobody_expected_fails(built):
    book, _ = built
    path = book.root / "params/one/expected.yml"
    sound = path.read_text()
    entries = yaml.safe_load(sound)
    entries[0]["parameters"]["d"] = 4
    path.write_text(yaml.safe_dump(entries))
    try:
        project = book.project
        lines = moved(project, gather(project, load_chapters(project)).scorecard)
    finally:
        path.write_text(sound)
    assert len(lines) == 1
    assert "expected nothing for these parameters, got holds" in lines[0]


def test_verdicts_that_break_the_contract(book, quick):
    book.chapter(
        "one",
        "<!-- one-a -->",
        claim("one-b", "one"),
        claim("one-b", "one"),
        claim("one-c", "two", "maybe").replace('"before"', '"later"'),
    )
    book.chapter("two", claim("two-a", "two").replace("n=10, ", ""))
    problems, _ = press(book)
    words = "holds, partly, fails, undecided, not testable"
    assert problems[:7] == [
        "chapter one: claim one-b is not in the claims file",
        "chapter one: claim one-b has two verdicts",
        "chapter one: claim one-b is not in the claims file",
        "chapter one: claim one-c belongs to chapter two",
        f"chapter one: claim one-c: verdict 'maybe' is none of {words}",
        "chapter one: claim one-c: rule_fixed 'later' is none of before, after pilot, "
        "after data",
        "chapter one: claim one-c is not in the claims file",
    ]
    assert "chapter one: claim one-a has no verdict" in problems
    assert "chapter two: claim two-a lacks key n" in problems


def test_outputs_that_a_page_must_not_show(book, quick):
    figure = code("import matplotlib.pyplot as plt\nplt.plot([0, 1]);")
    book.chapter("one", claim("one-a", "one"), figure, code("import os; os.getcwd()"))
    caption = code(
        "---\nmystnb:\n  figure:\n    caption: A $x$ by {cite}`foret2021sam`.\n"
        "    name: fig-x\n---\n"
        "import matplotlib.pyplot as plt, sys\nplt.plot([0, 1]);\n"
        "print('noise', file=sys.stderr)"
    )
    book.chapter("two", claim("two-a", "two", "fails"), caption)
    problems, said = press(book)
    root = book.project.root
    assert problems == [
        "chapter one, cell 5: the figure has neither caption nor alt text",
        f"chapter one, cell 6: the output holds this machine's path {root}",
    ]
    assert "note: chapter two, cell 5 wrote to standard error: noise" in said
    staged = json.loads((root / "_build/stage/book/two.ipynb").read_text())
    cell = staged["cells"][-1]
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "A x by foret2021sam."
    svg = "".join(cell["outputs"][0]["data"]["image/svg+xml"])
    assert "<dc:date>" not in svg
    assert "text/plain" not in cell["outputs"][0]["data"] or (
        "0x" not in cell["outputs"][0]["data"]["text/plain"]
    )


def test_one_chapter_under_other_parameters(built, capsys):
    book, _ = built
    root = str(book.root)
    assert main(["--root", root, "chapter", "two", "-p", "d", "7"]) == 0
    assert "two-a" in capsys.readouterr().out
    entries = json.loads((book.root / "_build/chapters/two.json").read_text())
    assert entries[0]["expected"] is None
    executed = json.loads((book.root / "_build/chapters/two.ipynb").read_text())
    outputs = [o for c in executed["cells"] for o in c.get("outputs", [])]
    assert ["7\n"] in [output.get("text") for output in outputs]
    book.write("p.yml", "d: 3\n")
    options = ["chapter", "two", "-f", str(book.root / "p.yml")]
    assert main(["--root", root, *options]) == 0
    entries = json.loads((book.root / "_build/chapters/two.json").read_text())
    assert entries[0]["expected"] == "fails"


def test_an_unknown_parameter_is_refused_before_a_kernel_starts(built, capsys):
    book, _ = built
    assert main(["--root", str(book.root), "chapter", "two", "-p", "seed", "3"]) == 1
    line = "error: unknown parameter seed = 3; this chapter takes: d, seeds"
    assert line in capsys.readouterr().err
    with pytest.raises(ValueError, match="no chapter nine; there are: one, two"):
        build_chapter(book.project, "nine", {}, print)


def test_papermill_itself_refuses_an_unknown_parameter(built, tmp_path):
    book, _ = built
    out = str(tmp_path / "out.ipynb")
    command = ["papermill", "book/two.ipynb", out, "-p", "seed", "3"]
    run = subprocess.run(
        [sys.executable, "-m", *command],
        check=False,
        cwd=book.root,
        capture_output=True,
        text=True,
    )
    assert run.returncode != 0
    line = "ValueError: unknown parameter seed = 3; this chapter takes: d, seeds"
    assert line in run.stderr


def test_a_chapter_that_fails_under_parameters(book, capsys):
    book.chapter("two", claim("two-a", "two"), code("if d == 0:\n    1 / d"))
    assert main(["--root", str(book.root), "chapter", "two", "-p", "d", "0"]) == 1
    line = "error: chapter two, cell 6: ZeroDivisionError: division by zero"
    assert line in capsys.readouterr().err


def test_a_dead_kernel_is_reported(book):
    book.chapter("two", code("import os\nos._exit(1)"))
    job = {
        "notebook": str(book.root / "book/two.ipynb"),
        "output": str(book.root / "out.ipynb"),
        "parameters": {},
        "root": str(book.root),
        "timeout": 600,
    }
    failure = run_job(job)
    assert failure is not None
    assert failure.error == "DeadKernelError"
    assert failure.line("two") == "chapter two: DeadKernelError: Kernel died"


def test_a_child_that_cannot_start_is_reported(book, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    outcome = execute(
        book.root / "book/two.ipynb",
        book.root / "out/two.ipynb",
        {},
        root=book.root,
        build=book.root / "_build",
        timeout=1,
    )
    assert outcome.failure == Failure(None, "exit status 1", "no message")


def test_pages_need_executed_chapters(book):
    line = "chapter one has not been executed; run: make book"
    assert retypeset(book.project, print) == [line]


def test_two_chapters_cannot_share_a_claim(built):
    book, _ = built
    one, two = load_chapters(book.project)
    executed = book.root / "_build/executed"
    original = (executed / "two.ipynb").read_text()
    spoilt = original.replace('"id": "two-a"', '"id": "one-a"')
    (executed / "two.ipynb").write_text(spoilt)
    try:
        book.edit("pyproject.toml", SETTINGS, "")
        harvest = gather(book.project, [one, two])
        assert harvest.problems == ["claim one-a has verdicts in one and two"]
    finally:
        (executed / "two.ipynb").write_text(original)
        book.write("pyproject.toml", SETTINGS)


def test_expected_entries_can_be_printed_for_a_person_to_judge(built, capsys):
    book, _ = built
    assert main(["--root", str(book.root), "expect"]) == 0
    printed = capsys.readouterr().out
    names = ["params/one/expected.yml", "params/two/expected.yml"]
    assert re.findall(r"(?m)^# (.*)$", printed) == names
    committed = "".join((book.root / name).read_text() for name in names)
    assert yaml.safe_load(printed) == yaml.safe_load(committed)
