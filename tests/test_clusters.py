"""The recipes for clusters ask for what their arguments say.

No SLURM and no Kubernetes run here: what would be sent to them is checked. That
clusters/local.py serves a sweep is tested in tests/faults.
"""

import importlib.util
import signal
import sys

import pytest
import yaml

from tests.faults.cells import PATIENCE, ROOT, program

RECIPES = sorted((ROOT / "clusters").glob("*.py"))


def printed(capsys, monkeypatch, name, *arguments) -> str:
    """What a recipe prints."""
    path = ROOT / "clusters" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(f"recipe_{name}", path)
    recipe = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(recipe)
    monkeypatch.setattr(sys, "argv", [str(path), *arguments])
    recipe.main()
    return capsys.readouterr().out


def test_a_job_of_slurm(capsys, monkeypatch):
    size = ["--cores", "4", "--memory", "8GB", "--walltime", "00:30:00"]
    where = ["--queue", "short", "--account", "theory"]
    script = printed(capsys, monkeypatch, "slurm", *size, *where, "--dry-run")
    lines = script.strip().splitlines()
    assert lines[0].startswith("#!")
    assert {line for line in lines if line.startswith("#SBATCH")} == {
        "#SBATCH -J flatminima",
        "#SBATCH -p short",
        "#SBATCH -A theory",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=4",
        "#SBATCH --mem=8G",
        "#SBATCH -t 00:30:00",
    }
    assert lines[-1].startswith(f"{sys.executable} -m distributed.cli.dask_worker tcp:")
    # a process for each core, one thread each
    assert "--nthreads 1 " in lines[-1]
    assert "--nworkers 4 " in lines[-1]


def test_the_manifest_for_kubernetes(capsys, monkeypatch):
    size = ["--workers", "3", "--memory", "4Gi"]
    image = ["--image", "me/flatminima:1"]
    text = printed(capsys, monkeypatch, "kubernetes", *size, *image, "--dry-run")
    manifest = yaml.safe_load(text)
    assert manifest["apiVersion"] == "kubernetes.dask.org/v1"
    assert manifest["kind"] == "DaskCluster"
    assert manifest["metadata"] == {"name": "flatminima"}
    spec = manifest["spec"]
    assert spec["worker"]["replicas"] == 3
    (worker,) = spec["worker"]["spec"]["containers"]
    (scheduler,) = spec["scheduler"]["spec"]["containers"]
    for container in (worker, scheduler):
        assert container["image"] == "me/flatminima:1"
        assert container["resources"]["limits"] == {"cpu": "1", "memory": "4Gi"}
    assert worker["args"][:4] == ["dask", "worker", "--nthreads", "1"]
    assert scheduler["args"][:2] == ["dask", "scheduler"]


WORDS = [
    *[
        ("slurm", [option, value])
        for option in ("--jobs", "--cores")
        for value in ("0", "-3", "1.5")
    ],
    *[("kubernetes", ["--image", "i", "--workers", value]) for value in ("0", "two")],
    *[("local", ["--workers", value]) for value in ("0", "-1")],
]


@pytest.mark.parametrize(("name", "words"), WORDS)
def test_sizes_that_are_none_are_refused(name, words, capsys, monkeypatch):
    dry = [] if name == "local" else ["--dry-run"]
    with pytest.raises(SystemExit):
        printed(capsys, monkeypatch, name, *words, *dry)
    said = capsys.readouterr().err
    assert words[-2] in said and words[-1] in said
    assert "must be an integer of at least 1" in said


def test_an_image_is_needed(capsys, monkeypatch):
    with pytest.raises(SystemExit):
        printed(capsys, monkeypatch, "kubernetes", "--dry-run")
    assert "--image" in capsys.readouterr().err


def test_the_local_cluster_stays_until_ctrl_c():
    command = [ROOT / "clusters" / "local.py", "--workers", 1, "--port", 0]
    with program(*command) as process:
        line = process.stdout.readline()
        assert line.startswith("export FLATMINIMA_SCHEDULER=tcp://127.0.0.1:")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, problems = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "Stopped.\n")
    assert "Traceback" not in problems


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_each_is_in_the_readme(path):
    assert f"clusters/{path.name}" in (ROOT / "README.md").read_text("utf8")
