"""The scripts of the page that trains, without a browser."""

from pathlib import Path

import pytest

from flatminima.runs.mlp.config import Config
from flatminima.sources.controls import SETTINGS
from flatminima.sources.wen_li_ma import figure
from flatminima_book.live import compile as compiling
from flatminima_book.live.settings import FOLDER, NETWORKS, fields, presets

ROOT = Path(__file__).parents[2]
MOST_BYTES = 300_000
SAME = ("architecture", "d", "n", "width", "lr", "rho", "init_scale", "ascent")


def test_the_kernel_belongs_to_its_source() -> None:
    """An edit of the source without `make kernel` is seen without a compiler."""
    text = (ROOT / compiling.TARGET).read_text("utf8")
    source = compiling.source()
    digest, module = compiling.read(text)
    assert digest == compiling.digest(source), "run `make kernel`"
    assert module.startswith(b"\0asm")
    assert compiling.script(source, module) == text


def test_a_change_of_source_or_flags_changes_the_digest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Line ends do not: a checkout may translate them."""
    digest = compiling.digest(b"a\n")
    assert compiling.digest(b"a\r\n") == digest
    assert compiling.digest(b"b\n") != digest
    monkeypatch.setattr(compiling, "FLAGS", ("-O0",))
    assert compiling.digest(b"a\n") != digest


def test_a_script_without_kernel_is_refused() -> None:
    """The message says what to run."""
    with pytest.raises(ValueError, match="make kernel"):
        compiling.read("const playKernel = {};")


def test_all_that_the_page_loads_is_small() -> None:
    """Scripts, styles, the compiled kernel and the picture."""
    assert sum(p.stat().st_size for p in (ROOT / FOLDER).iterdir()) <= MOST_BYTES


def configs(name: str) -> list[Config]:
    """The engine's configs of both runs of a preset."""
    (preset,) = (each for each in presets(ROOT) if each["name"] == name)
    return [Config(**fields(preset["shared"], preset[run])) for run in ("a", "b")]


def same(ours: Config, theirs: Config, *but: str) -> None:
    """Equal in what settles a result, phases and lengths apart."""
    for field in SAME:
        if field not in but:
            assert getattr(ours, field) == getattr(theirs, field), field


@pytest.mark.parametrize(
    ("name", "paper", "net"),
    [("Scenario I", "1b", "no_bias"), ("Scenario II", "4b", "bias")],
)
def test_scenarios_are_the_sources(name: str, paper: str, net: str) -> None:
    """1-SAM of the paper's figure, beside SGD with the baseline's decay."""
    sam, decayed = configs(name)
    same(sam, figure(paper))
    same(decayed, figure(paper), "rho")
    assert decayed.rule == "SGD + wd"
    assert decayed.weight_decay == SETTINGS[net].weight_decay


def test_the_third_scenario_is_the_sources() -> None:
    """Figure 6a, and the same from a first layer as it is drawn."""
    small, large = configs("Scenario III")
    same(small, figure("6a"))
    same(large, figure("6a"), "init_scale")
    assert large.init_scale == 1


def test_the_start_and_the_equal_start_are_the_chapters() -> None:
    """Figures 4b and 6a with the first layer times 1 and times 0.01."""
    large, small = configs("It is the start")
    same(large, figure("4b"))
    same(small, figure("4b"), "init_scale")
    bias, ln = configs("From one start")
    same(bias, figure("4b"), "init_scale")
    same(ln, figure("6a"))
    assert small.init_scale == bias.init_scale == ln.init_scale == 0.01


def test_the_hinge_and_the_kinks_are_the_chapters() -> None:
    """1-SAM of figure 4b at c = 0 and 1, and with a frozen pattern."""
    closed, opened = configs("The hinge")
    for run, constant in ((closed, 0.0), (opened, 1.0)):
        same(run, figure("4b", width=200))
        assert run.bias_input == constant
    usual, frozen = configs("The kinks")
    same(usual, figure("4b"))
    same(frozen, figure("4b"), "ascent")
    assert frozen.ascent == "frozen"


def test_presets_are_whole() -> None:
    """Every button has all settings, of networks that the engine knows."""
    read = presets(ROOT)
    assert len({each["name"] for each in read}) == len(read)
    own = {"net", "rule", "eta", "rho", "decay", "scale", "c", "width"}
    for each in read:
        assert set(each["shared"]) == {"d", "n", "seed", "steps"}
        assert set(each["a"]) == set(each["b"]) == own
        assert {each["a"]["net"], each["b"]["net"]} <= set(NETWORKS)


def test_presets_without_marks_are_refused(tmp_path: Path) -> None:
    """The message names the file."""
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "presets.js").write_text("[]")
    with pytest.raises(ValueError, match=r"presets\.js: no settings"):
        presets(tmp_path)
