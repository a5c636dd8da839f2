"""What the surroundings of a process change in a result: it joins the key, or stops."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from numba import config as numba_config

from flatminima.runs.mlp.config import Config
from flatminima.sweeps import settings as sweeps_settings
from flatminima.sweeps import store as sweeps_store
from flatminima.sweeps.provenance import provenance
from flatminima.sweeps.sweep import EngineMismatch, Part, fetch, run_all

CONFIG = Config(architecture="bias", d=4, n=5, width=4, num_steps=3, num_checkpoints=2)


@pytest.fixture
def usual(monkeypatch):
    """No setting of the tester's own."""
    for name in sweeps_settings.LIBRARIES:
        monkeypatch.delenv(name, raising=False)
    for name, value in (sweeps_settings.COMPILER | sweeps_settings.MIXED).items():
        if sweeps_settings.numba_setting(name) != value:
            monkeypatch.setattr(numba_config, sweeps_settings.attribute(name), value)


def test_ordinary_settings_leave_keys_as_they_are(usual):
    """Keys of committed and stored runs: the four entries that they always had."""
    assert sweeps_settings.settings() == {}
    identity = {
        "module": CONFIG.engine,
        "config": CONFIG.model_dump(mode="json"),
        "engine": sweeps_store.engine_digest(CONFIG),
        "libraries": sweeps_store.library_versions(),
    }
    text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    assert sweeps_store.key(CONFIG) == hashlib.sha256(text.encode()).hexdigest()
    assert "settings" not in provenance(1.0, 1)["device"]


@pytest.mark.parametrize("name", sweeps_settings.LIBRARIES)
def test_settings_of_libraries_join_the_key(usual, name, monkeypatch):
    before = sweeps_store.key(CONFIG)
    monkeypatch.setenv(name, "")  # as good as not set
    assert sweeps_store.key(CONFIG) == before
    monkeypatch.setenv(name, "one")
    one = sweeps_store.key(CONFIG)
    monkeypatch.setenv(name, "other")
    assert len({before, one, sweeps_store.key(CONFIG)}) == 3
    assert provenance(1.0, 1)["device"]["settings"] == {name: "other"}


@pytest.mark.parametrize("name", sweeps_settings.COMPILER)
def test_settings_of_the_compiler_join_the_key(usual, name, monkeypatch):
    before = sweeps_store.key(CONFIG)
    monkeypatch.setattr(numba_config, sweeps_settings.attribute(name), 1)
    assert sweeps_settings.settings() == {name: "1"}
    assert sweeps_store.key(CONFIG) != before


@pytest.mark.parametrize("name", sweeps_settings.MIXED)
def test_what_would_mix_compiled_code_is_refused(usual, name, monkeypatch, store):
    fetch(CONFIG)
    monkeypatch.setattr(numba_config, sweeps_settings.attribute(name), 2)
    other = CONFIG.with_seeds(1, 1)
    with pytest.raises(ValueError, match=f"{name} = 2: must be unset"):
        run_all([CONFIG, other])
    assert sweeps_store.load(store, other) is None
    fetch(CONFIG)  # what is stored needs no compiler


PRINT = """
import json
from flatminima.sweeps import settings
print(json.dumps([settings.settings(), settings.numba_setting("NUMBA_OPT")]))
"""


def in_a_process(folder, program=PRINT, **variables):
    """What a process that starts with some variables, in a folder, finds."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    child = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=clean | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(child.stdout)


def test_variables_and_the_file_of_numba_count_alike(usual, tmp_path):
    variables = {"NUMBA_DISABLE_JIT": "1", "OPENBLAS_CORETYPE": "Haswell"}
    assert in_a_process(tmp_path, **variables)[0] == variables
    (tmp_path / ".numba_config.yaml").write_text("disable_jit: 1\n")
    assert in_a_process(tmp_path)[0] == {"NUMBA_DISABLE_JIT": "1"}


TORCH = """
import hashlib, json
from flatminima.runs import loop
from flatminima.runs.nets.config import NetConfig
from flatminima.sweeps import store
config = NetConfig(data="clusters", n=40, width=8, batch=10, num_steps=20,
    num_checkpoints=2, lr=0.05, activation="softplus", sharpness=False)
run = loop.run(config)
digest = hashlib.sha256(b"".join(a.tobytes() for a in run.arrays.values()))
print(json.dumps([digest.hexdigest(), store.key(config)]))
"""


def test_instructions_of_torch_change_no_bits_under_one_key(usual, tmp_path):
    one = in_a_process(tmp_path, TORCH)
    other = in_a_process(tmp_path, TORCH, ATEN_CPU_CAPABILITY="default")
    assert one[1] != other[1] or one[0] == other[0]
    assert in_a_process(tmp_path, TORCH) == one


def test_a_worker_with_other_settings_is_refused(usual, monkeypatch, store):
    """As one of a cluster whose nodes are set up apart."""
    from flatminima.sweeps import sweep

    compute = sweep.compute_part

    def elsewhere(*arguments) -> Part:
        part = compute(*arguments)
        return Part(
            part.run,
            part.identity | {"settings": {"OPENBLAS_CORETYPE": "Prescott"}},
            part.provenance,
        )

    monkeypatch.setattr(sweep, "compute_part", elsewhere)
    message = r"settings {'OPENBLAS_CORETYPE': 'Prescott'}, here {}"
    with pytest.raises(EngineMismatch, match=message):
        fetch(CONFIG)
