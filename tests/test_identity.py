"""What a digest depends on: exactly the sources that are reached by imports."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flatminima
from flatminima import identity
from flatminima.identity import (
    WITHOUT_EFFECT,
    imported_modules,
    library_versions,
    package_digest,
    reachable,
    source_digest,
)
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config

FILES = {
    "__init__": "",
    "root": "from toypackage import direct\n\ndef f():\n    import toypackage.late\n",
    "direct": "from toypackage.helpers.deep import value\nimport numpy\n",
    "late": "from .sibling import *\n",
    "sibling": "",
    "unreached": "import toypackage.root\n",
    "helpers/__init__": "",
    "helpers/deep": "from . import near\nfrom ..upper import name\nvalue = 1\n",
    "helpers/near": "",
    "helpers/unreached": "",
    "upper": "name = 1\n",
}
REACHED = {
    "toypackage",
    "toypackage.root",
    "toypackage.direct",
    "toypackage.late",
    "toypackage.sibling",
    "toypackage.helpers",
    "toypackage.helpers.deep",
    "toypackage.helpers.near",
    "toypackage.upper",
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package whose sources the test may edit; digests are not remembered."""
    folder = tmp_path / "toypackage"
    for name, source in FILES.items():
        file = folder / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(identity, "source_digest", source_digest.__wrapped__)
    yield folder
    for module in [name for name in sys.modules if name.startswith("toypackage")]:
        del sys.modules[module]


def test_reachable(package):
    assert set(reachable("toypackage.root")) == REACHED


@pytest.mark.parametrize("name", FILES)
def test_exactly_reached_files_matter(package, name):
    before = identity.source_digest("toypackage.root")
    file = package / f"{name}.py"
    file.write_text(file.read_text() + "# edited\n")
    module = f"toypackage.{name}".replace("/", ".").removesuffix(".__init__")
    changed = identity.source_digest("toypackage.root") != before
    assert changed == (module in REACHED)


def test_moving_code_between_files_matters(package):
    before = identity.source_digest("toypackage.root")
    sibling, upper = package / "sibling.py", package / "upper.py"
    sibling.write_text(upper.read_text())
    upper.write_text("")
    assert identity.source_digest("toypackage.root") != before


def test_other_packages_do_not_count(package):
    assert "numpy" not in set(imported_modules("toypackage.direct"))


def test_unknown_roots_are_refused():
    with pytest.raises(ModuleNotFoundError, match=r"no module 'flatminima\.nowhere'"):
        reachable("flatminima.nowhere")
    with pytest.raises(ModuleNotFoundError, match=r"no module 'nowhere\.at\.all'"):
        reachable("nowhere.at.all")
    with pytest.raises(ModuleNotFoundError, match="no package 'nowhere'"):
        package_digest("nowhere")


@pytest.mark.parametrize("name", FILES)
def test_package_digest_covers_every_file(package, name):
    package_digest.cache_clear()
    before = package_digest("toypackage")
    file = package / f"{name}.py"
    file.write_text(file.read_text() + "# edited\n")
    package_digest.cache_clear()
    assert package_digest("toypackage") != before


def test_package_digest_sees_where_a_file_is(package):
    package_digest.cache_clear()
    before = package_digest("toypackage")
    (package / "helpers" / "deeper").mkdir()
    (package / "helpers" / "near.py").rename(package / "helpers" / "deeper" / "near.py")
    package_digest.cache_clear()
    assert package_digest("toypackage") != before


def test_what_cannot_change_a_bit_does_not_count(package, monkeypatch):
    """Nor does what only that imports; all else still counts."""
    monkeypatch.setattr(identity, "WITHOUT_EFFECT", {"toypackage.late"})
    ignored = {"toypackage.late", "toypackage.sibling"}
    assert set(reachable("toypackage.root")) == REACHED - ignored
    before = identity.source_digest("toypackage.root")
    (package / "late.py").write_text("from . import unreached\n")
    assert identity.source_digest("toypackage.root") == before
    (package / "direct.py").write_text("")
    assert identity.source_digest("toypackage.root") != before


def test_where_things_lie_is_in_no_key():
    everything = {
        module
        for architecture in ("bias", "sim_bn", "deep")
        for module in closure(architecture=architecture)
    }
    assert "flatminima.kernels.compile" in everything
    assert not WITHOUT_EFFECT & everything
    missing = [name for name in WITHOUT_EFFECT if identity.module_file(name) is None]
    assert missing == []


def test_line_ends_do_not_matter(package):
    """A checkout under Windows, or with core.autocrlf."""
    (package / "root.py").write_bytes(b"import toypackage.direct\n\nvalue = 1\n")
    package_digest.cache_clear()
    before = identity.source_digest("toypackage.root"), package_digest("toypackage")
    for file in package.rglob("*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    package_digest.cache_clear()
    after = identity.source_digest("toypackage.root"), package_digest("toypackage")
    assert after == before
    # one that is no line end counts
    (package / "root.py").write_bytes(b"import toypackage.direct\n\nvalue = 1\r")
    assert identity.source_digest("toypackage.root") != before[0]


def test_library_versions():
    import numpy

    versions = library_versions()
    assert set(versions) == {"numba", "numpy", "scipy", "torch"}
    assert versions["numpy"] == numpy.__version__


def closure(**fields) -> set[str]:
    config = Config(**({"architecture": "bias"} | fields))
    return set(reachable(*train.modules(config)))


def test_closure_of_a_run():
    one, full = closure(batch="one"), closure(batch="full")
    assert "flatminima.kernels.serial" in one - full
    assert "flatminima.kernels.full_batch" in full - one
    assert "flatminima.models.relu" in one & full
    assert "flatminima.sharpness.largest_eigenvalue" in one & full
    no_bias, sim_ln = closure(architecture="no_bias"), closure(architecture="sim_ln")
    assert "flatminima.models.bias" not in no_bias | sim_ln
    assert "flatminima.models.relu" not in sim_ln
    assert "flatminima.models.sim_ln" not in one | full | no_bias


@pytest.mark.parametrize("name", ["plots", "claims", "recipes", "sweep", "store"])
def test_what_only_shows_results_is_not_part_of_them(name):
    everything = closure() | closure(batch="full") | closure(architecture="sim_ln")
    assert f"flatminima.{name}" not in everything


@pytest.fixture
def clone(tmp_path):
    """A copy of the engine that the test may edit, with a build folder of its own."""
    shutil.copytree(
        Path(flatminima.__file__).parent,
        tmp_path / "src" / "flatminima",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def run_in(clone: Path, script: str, **variables: str) -> str:
    """Run a script in a fresh process that imports the copy; returns its output."""
    variables = {"PYTHONPATH": str(clone / "src")} | variables
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command,
        env=os.environ | variables,
        cwd=clone,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def edit(clone: Path, file: str, old: str, new: str) -> None:
    path = clone / "src" / "flatminima" / file
    source = path.read_text()
    assert old in source
    path.write_text(source.replace(old, new))


SWEEP = """
import flatminima
from pathlib import Path
from flatminima.runs.mlp.config import Config
from flatminima.sweeps.sweep import sweep

assert Path(flatminima.__file__).is_relative_to(Path.cwd()), flatminima.__file__
small = dict(d=4, n=5, width=4, num_steps=4, num_checkpoints=2)
sweep(
    [
        Config(architecture=architecture, batch=batch, **small)
        for architecture in ("bias", "sim_ln")
        for batch in ("one", "full")
    ],
    seeds=1,
)
"""


def test_an_edit_recomputes_exactly_the_runs_that_used_it(clone):
    store = clone / "results"

    def new_runs() -> set[tuple[str, str]]:
        """Run the sweep; returns what it had to compute."""
        before = set(store.glob("*.json"))
        # what is compiled does not matter to identity, so save the time
        run_in(clone, SWEEP, FLATMINIMA_STORE=str(store), NUMBA_DISABLE_JIT="1")
        configs = [
            json.loads(file.read_text())["config"]
            for file in set(store.glob("*.json")) - before
        ]
        return {(config["architecture"], config["batch"]) for config in configs}

    everything = {(a, b) for a in ("bias", "sim_ln") for b in ("one", "full")}
    assert new_runs() == everything
    edit(clone, "plots/style.py", "import", "# edited\nimport")
    edit(clone, "sweeps/sweep.py", '"""Many', '"""Edited. Many')
    edit(clone, "kernels/serial.py", '"""sum a_j^2."""', '"""The sum of squares."""')
    assert new_runs() == {("bias", "one"), ("sim_ln", "one")}
    edit(clone, "models/relu.py", "h = max(z[j], zero)", "h = max(zero, z[j])")
    assert new_runs() == {("bias", "one"), ("bias", "full")}


OUTPUT = """
import numpy as np
from flatminima.kernels.heads import heads
from flatminima.models import bias

f, u, g = np.empty(1), np.empty((1, 2)), np.empty((1, 2))
heads(bias.Model(), np.array([[1.0, 2.0]]), np.array([3.0, 4.0]), f, u, g)
print(f[0], sum(heads.stats.cache_hits.values()))
"""


def test_no_stale_machine_code_after_an_edit_of_a_helper(clone):
    assert run_in(clone, OUTPUT).split() == ["11.0", "0"]
    assert run_in(clone, OUTPUT).split() == ["11.0", "1"]
    edit(clone, "models/relu.py", "h = max(z[j], zero)", "h = max(2 * z[j], zero)")
    assert run_in(clone, OUTPUT).split() == ["22.0", "0"]
