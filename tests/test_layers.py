"""The house: rooms on floors, and arrows of imports that all run down."""

import pkgutil

import pytest

import flatminima
from flatminima.identity import imported_modules, reachable
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.kind import engine_of
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.mlp.config import Config
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.patterns.config import PatternConfig
from flatminima.runs.race.config import DescentRace, WalkRace
from flatminima.runs.svag.config import SvagConfig
from flatminima.sweeps.store import ROOTS

FLOORS = [
    {"identity", "paths", "checks", "checkout", "folders", "terminal"},
    {"data", "models"},
    {"measures", "kernels", "optim"},
    {"sharpness"},
    {"flows", "theory"},
    {"runs"},
    {"sources", "sweeps"},
    {"statistics"},
    {"claims", "results", "plots"},
    {"studies"},
]
FLOOR = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MODULES = [
    module.name
    for module in pkgutil.walk_packages(flatminima.__path__, "flatminima.")
    if not module.name.endswith("__main__")
]
CONFIGS = {
    "two layers": Config(architecture="bias"),
    "batch": Config(architecture="sim_ln", batch=4),
    "deep": Config(architecture="deep"),
    "batch norm": Config(architecture="sim_bn"),
    "deep, made flat": FlatConfig(net=Config(architecture="deep"), penalty=0.1),
    "descent": DescentConfig(model="product"),
    "flow": FlowConfig(start=Config(architecture="bias"), kind="naive"),
    "pattern": PatternConfig(start=Config(architecture="bias")),
    "images": ImageConfig(),
    "torch": NetConfig(data="clusters"),
    "torch, measured": NetConfig(net="cnn", sharpness=True),
    "view": ViewConfig(net=NetConfig()),
    "path": PathConfig(net=NetConfig()),
    "svag": SvagConfig(net=NetConfig()),
    "cell": CellConfig(architecture="bias", arms=(Arm(name="a", certified=True),)),
    "cell of a deep network": CellConfig(architecture="deep", arms=(Arm(name="a"),)),
    "race": DescentRace(instance="bias", d=8, method="gd"),
    "race on the set": WalkRace(instance="matrix", d=4, method="flow"),
}


def room(module: str) -> str:
    """The room of a module: a folder of the engine, or a module at its door."""
    return module.split(".")[1]


def test_every_module_has_a_floor():
    assert {room(module) for module in MODULES} == set(FLOOR)


def test_few_modules_stand_at_the_door():
    files = {module for module in MODULES if module.count(".") == 1}
    packages = {m.rpartition(".")[0] for m in MODULES}
    assert len(files - packages) <= 6


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down(module):
    for target in imported_modules(module):
        if target != "flatminima" and room(target) != room(module):
            assert FLOOR[room(target)] < FLOOR[room(module)], f"{module} -> {target}"


def test_the_engine_does_not_know_the_studies():
    engine = [module for module in MODULES if room(module) != "studies"]
    assert not [m for m in reachable(*engine) if m.startswith("flatminima.studies")]


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) == "studies"])
def test_studies_meet_in_the_figures_of_the_paper_only(module):
    for target in imported_modules(module):
        parts = target.split(".")
        if len(parts) > 2 and parts[1] == "studies":
            assert parts[2] in (module.split(".")[2], "paper_figures")


def test_what_a_sweep_needs_knows_no_kind_of_run():
    found = reachable("flatminima.sweeps.sweep", "flatminima.results.verifying")
    runs = {module for module in found if module.startswith("flatminima.runs")}
    assert runs == {"flatminima.runs", *ROOTS}


def test_claims_know_neither_xor_nor_a_kind_of_run():
    """But for what statistics has to know of targets, to hold a loss against them."""
    targets = "flatminima.statistics.targets"
    found = set(reachable("flatminima.claims.decide", "flatminima.claims.crossings"))
    found -= set(reachable(targets)) - {targets}
    strangers = ("flatminima.data", "flatminima.models", "flatminima.sources")
    assert not [module for module in found if module.startswith(strangers)]
    runs = {module for module in found if module.startswith("flatminima.runs")}
    assert runs <= {"flatminima.runs", *ROOTS}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_key_depends_on_one_kind_of_run(name):
    """Flows and views start from trained networks: that kind, and their own."""
    config = CONFIGS[name]
    found = reachable(*engine_of(config).modules(config), *ROOTS)
    kinds = {m.split(".")[2] for m in found if m.startswith("flatminima.runs.")}
    own = config.engine.split(".")[2]
    start = {
        "deep_flat": {"mlp"},
        "flow": {"mlp"},
        "patterns": {"mlp", "flow"},
        "landscape": {"nets"},
        "svag": {"nets"},
    }.get(own, set())
    assert kinds - {"kind", "loop"} == {own} | start
    assert not {"sweeps", "sources", "claims", "results", "plots", "studies"} & {
        room(module) for module in found if module != "flatminima"
    }


def test_one_architecture_a_key():
    for name in ("two layers", "deep", "batch norm"):
        config = CONFIGS[name]
        found = reachable(*engine_of(config).modules(config))
        models = {m.rpartition(".")[2] for m in found if ".models." in m}
        others = {"bias", "no_bias", "sim_ln", "softplus", "sim_bn", "deep"}
        assert models & others == {config.architecture}


def test_torch_networks_depend_on_one_architecture_data_set_and_what_they_measure():
    plain, measured = (
        set(reachable(*engine_of(CONFIGS[name]).modules(CONFIGS[name])))
        for name in ("torch", "torch, measured")
    )
    known = {f"flatminima.models.nets.{name}" for name in ("mlp", "cnn")}
    assert plain & known == {"flatminima.models.nets.mlp"}
    assert measured & known == {"flatminima.models.nets.cnn"}
    assert "flatminima.data.digits" not in plain
    assert not [m for m in plain if m.startswith("flatminima.sharpness")]
    assert [m for m in measured if m.startswith("flatminima.sharpness")]
