"""The repository's own files, checked without the services that read them.

Conda, Binder, Colab and GitHub Actions do not run here. What they would trip over
is checked against the files that do: pyproject.toml, the Makefile, the chapters.
Each check returns its problems, so that spoiled input shows that it can fail.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from flatminima.plots.style import ARCHITECTURES
from flatminima_book.check import check_sources
from flatminima_book.notebooks import load_chapters
from flatminima_book.project import load, toc_names
from tests.conftest import LONGEST_FIRST, SLOW
from tests.floors import floor_problems, floors

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCUMENTS = ["README.md", "CONTRIBUTING.md"]
MIB = 2**20
# A version or a full commit. A branch moves.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@(v\d+(\.\d+)*|[0-9a-f]{40})")
# What publishing may do beyond reading, and only the job that publishes.
PAGES = {"pages": "write", "id-token": "write"}
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|Users|work|root|mnt)/[\w.]")


def read(name: str) -> str:
    return (ROOT / name).read_text("utf8")


def pyproject() -> dict:
    return tomllib.loads(read("pyproject.toml"))


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    paths = [ROOT / name for name in names.split("\0") if name]
    return [path for path in paths if path.is_file()]


def is_tracked(path: Path) -> bool:
    return path in tracked()


# --- dependencies -------------------------------------------------------------


def pin_problems(project: dict, lock: str) -> list[str]:
    """Direct dependencies without a pin, and pins outside what is allowed."""
    pins: dict[str, list[str]] = {}
    problems = []
    for line in lock.splitlines():
        pin = Requirement(line)
        versions = [s.version for s in pin.specifier if s.operator == "=="]
        if len(versions) != 1 or "*" in versions[0] or "+" in versions[0]:
            problems.append(f"{line}: not one version that every machine can get")
        else:
            pins.setdefault(canonicalize_name(pin.name), []).append(versions[0])
    direct = [*project["dependencies"]]
    for extra in project.get("optional-dependencies", {}).values():
        direct += extra
    for text in direct:
        wanted = Requirement(text)
        if wanted.name == project.get("name"):
            continue  # one of its own extras
        found = pins.get(canonicalize_name(wanted.name), [])
        if not found:
            problems.append(f"{text}: no pin")
        problems += [
            f"{text}: pinned to {version}"
            for version in found
            if not wanted.specifier.contains(version, prereleases=True)
        ]
    return problems


def test_every_direct_dependency_is_pinned_within_its_range():
    assert pin_problems(pyproject()["project"], read("requirements.lock")) == []


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("other==1.0", "Torch>=2,<3: no pin"),
        ("torch==3.1", "Torch>=2,<3: pinned to 3.1"),
        ("torch==2.1\ntorch==3.1 ; python_version > '3.12'", "pinned to 3.1"),
        ("torch>=2.1", "not one version"),
        ("torch==2.1+cpu", "not one version"),
    ],
)
def test_a_bad_pin_is_found(lock, problem):
    found = pin_problems({"dependencies": ["Torch>=2,<3"]}, lock)
    assert problem in "; ".join(found)
    assert pin_problems({"dependencies": ["Torch>=2,<3"]}, "torch==2.1") == []


def test_every_direct_dependency_has_a_lowest_version():
    found = floors(pyproject()["project"])
    assert [name for name, floor in found.items() if not floor] == []


@pytest.mark.parametrize(
    ("declared", "version", "problem"),
    [
        ("Types-X", "1.0", "types-x: no lowest version is declared"),
        ("Types-X<3", "1.0", "types-x: no lowest version is declared"),
        ("torch>=2.4", None, "torch: not installed"),
        # 2.4 was withdrawn, or never released
        ("torch>=2.4", "2.4.1", "torch: declared is 2.4, the lowest is 2.4.1"),
        ("torch<3,>=2.4", "2.5+cpu", "torch: declared is 2.4, the lowest is 2.5+cpu"),
    ],
)
def test_a_floor_that_is_not_true_is_found(declared, version, problem):
    project = {"name": "book", "optional-dependencies": {"dev": [declared]}}
    project["dependencies"] = ["book[dev]"]
    name = problem.partition(":")[0]
    versions = {name: version} if version else {}
    assert floor_problems(project, versions) == [problem]
    project["optional-dependencies"]["dev"] = [f"{name}>=2.4"]
    assert floor_problems(project, {name: "2.4.0+cpu"}) == []


def python_problems(project: dict, lock: str, job: dict) -> list[str]:
    """Pythons that are promised and not tried, or not pinned.

    Later ones may be tried too, if they may fail.
    """
    prefix = "Programming Language :: Python :: 3."
    classified = [
        classifier.rpartition(" ")[2]
        for classifier in project["classifiers"]
        if classifier.startswith(prefix)
    ]
    allowed = SpecifierSet(project["requires-python"])
    minors = [f"3.{minor}" for minor in range(30) if f"3.{minor}" in allowed]
    problems = []
    if classified != minors[: len(classified)]:
        problems.append(f"{project['requires-python']}, classified {classified}")
    matrix = job["strategy"]["matrix"]["python"]
    later = matrix[len(classified) :]
    if matrix != minors[: len(matrix)] or len(matrix) < len(classified):
        problems.append(f"tried are {matrix}, classified {classified}")
    forgiven = re.findall(r"'([\d.]+)'", job.get("continue-on-error", ""))
    if forgiven != later:
        problems.append(f"may fail: {forgiven}, not promised: {later}")
    for version in matrix:
        missing = set(floors(project))
        for pin in map(Requirement, lock.splitlines()):
            there = {"python_version": version, "python_full_version": f"{version}.0"}
            if pin.marker is None or pin.marker.evaluate(there):
                missing.discard(canonicalize_name(pin.name))
        problems += [f"python {version}: no pin of {name}" for name in sorted(missing)]
    return problems


def test_every_python_that_is_promised_is_pinned_and_tried():
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    lock = read("requirements.lock")
    assert python_problems(pyproject()["project"], lock, jobs["pythons"]) == []


@pytest.mark.parametrize(
    ("change", "lock", "matrix", "problem"),
    [
        ({"requires-python": ">=3.10"}, "a==1", ["3.11", "3.12"], "classified"),
        ({}, "a==1", ["3.11"], "tried are ['3.11']"),
        ({}, "a==1", [3.11, 3.12], "tried are [3.11, 3.12]"),
        ({}, "a==1", ["3.11", "3.12", "3.13"], "may fail: [], not promised: ['3.13']"),
        (
            {},
            "a==1 ; python_full_version < '3.12'",
            ["3.11", "3.12"],
            "python 3.12: no pin of a",
        ),
    ],
)
def test_a_promise_that_is_not_kept_is_found(change, lock, matrix, problem):
    names = ["3", "3.11", "3.12"]
    project = {
        "requires-python": ">=3.11",
        "dependencies": ["a>=1"],
        "classifiers": [f"Programming Language :: Python :: {n}" for n in names],
    }
    job = {"strategy": {"matrix": {"python": names[1:]}}}
    assert python_problems(project, "a==1", job) == []
    job = {"strategy": {"matrix": {"python": matrix}}}
    assert problem in "; ".join(python_problems(project | change, lock, job))


def environment_problems(environment: dict, project: dict) -> list[str]:
    """What conda or Binder would install, other than this package under its pins."""
    allowed = {"name", "channels", "dependencies"}
    problems = [f"unknown key {key}" for key in sorted(set(environment) - allowed)]
    if environment.get("name") != project["name"]:
        problems.append(f"named {environment.get('name')}")
    conda = [d for d in environment["dependencies"] if isinstance(d, str)]
    pip = [d for d in environment["dependencies"] if isinstance(d, dict)]
    python = [d.partition("=")[2] for d in conda if d.startswith("python=")]
    for version in python or ["missing"]:
        if version == "missing":
            problems.append("no version of python")
        elif not SpecifierSet(project["requires-python"]).contains(version):
            problems.append(f"python {version}, not {project['requires-python']}")
    problems += [
        f"{name}: belongs in pyproject.toml"
        for name in conda
        if name != "pip" and not name.startswith("python=")
    ]
    if "pip" not in conda or len(pip) != 1 or set(pip[0]) != {"pip"}:
        return [*problems, "needs pip and one list for it"]
    options = dict(line.split(maxsplit=1) for line in pip[0]["pip"])
    if set(options) != {"--extra-index-url", "-c", "-e"}:
        return [*problems, f"pip gets {sorted(options)}"]
    local = re.fullmatch(r"\.\[([\w,]+)\]", options["-e"])
    extras = local[1].split(",") if local else []
    known = project["optional-dependencies"]
    if "book" not in extras or not set(extras) <= set(known):
        problems.append(f"installs {options['-e']}; extras are {sorted(known)}")
    if options["-c"] != "requirements.lock":
        problems.append(f"pins of {options['-c']}")
    return problems


def test_environment_is_the_package_and_nothing_else():
    environment = yaml.safe_load(read("environment.yml"))
    assert environment_problems(environment, pyproject()["project"]) == []
    assert is_tracked(ROOT / "requirements.lock")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("python=3.11", "python=3.10", "python 3.10"),
        ("python=3.11", "pip", "no version of python"),
        ("  - pip\n", "  - pip\n  - numpy\n", "numpy: belongs in pyproject.toml"),
        (".[book]", ".[docs]", "installs .[docs]"),
        ("-e .[book]", "-e ../other[book]", "installs ../other"),
        ("requirements.lock\n", "requirements.txt\n", "pins of requirements.txt"),
        ("name: flatminima", "name: other", "named other"),
    ],
)
def test_a_bad_environment_is_found(old, new, problem):
    # Without comments: they may hold what is replaced.
    text = re.sub(r"^#.*\n", "", read("environment.yml"), flags=re.MULTILINE)
    assert old in text
    spoiled = yaml.safe_load(text.replace(old, new, 1))
    found = environment_problems(spoiled, pyproject()["project"])
    assert problem in "; ".join(found)


def test_the_index_of_cpu_wheels_is_the_same_everywhere():
    places = ["Makefile", "README.md", "environment.yml", ".github/workflows/ci.yml"]
    index = re.compile(r"https://download\S*?/whl/\w+")
    found = {name: index.findall(read(name)) for name in places}
    assert all(found.values()), found
    assert len({url for urls in found.values() for url in urls}) == 1


def test_licences_are_in_the_package():
    assert pyproject()["project"]["license"] == "MIT AND CC-BY-4.0"
    declared = pyproject()["project"]["license-files"]
    assert sorted(declared) == sorted(p.name for p in ROOT.glob("LICENSE*"))
    assert read("LICENSE").startswith("MIT License")
    assert "creativecommons.org/licenses/by/4.0/legalcode" in read("LICENSE-TEXT")


# --- commands -----------------------------------------------------------------


def make_targets() -> set[str]:
    rules = re.findall(r"^([a-z][\w-]*)\s*:(?!=)", read("Makefile"), re.MULTILINE)
    return set(rules)


def make_calls(text: str) -> list[str]:
    """Targets of the make commands in a shell text."""
    return re.findall(r"(?:^|[`;&|]|\bstep)\s*make ([a-z][\w-]*)", text, re.MULTILINE)


def code_of(markdown: str) -> str:
    """Fenced blocks and code spans, a line each."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    plain = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", plain)])


@pytest.mark.parametrize("name", [*DOCUMENTS, ".ci/run"])
def test_make_commands_exist(name):
    text = read(name)
    calls = make_calls(code_of(text) if name.endswith(".md") else text)
    assert len(calls) >= 3
    assert set(calls) <= make_targets()


def test_the_readme_has_every_command_that_a_reader_needs():
    commands = {"book", "test", "check", "serve", "chapter", "bench", "clean"}
    assert commands <= set(make_calls(code_of(read("README.md"))))


def test_targets_and_calls_are_told_apart():
    assert {"book", "test", "help"} <= make_targets()
    assert not {"BIN", "PRESS", "PYTHON"} & make_targets()
    text = "make book X=1\nstep make test\na && make check; make serve"
    assert make_calls(text) == ["book", "test", "check", "serve"]
    assert make_calls("we make pages") == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_that_a_document_names_exist(name):
    text = read(name)
    links = re.findall(r"\]\(([^)#\s]+)\)", text)
    local = [link for link in links if "://" not in link]
    # Code spans that look like a path of the checkout; _build is made later.
    top = "book|params|src|tests|benchmarks|mutants|docs|\\.ci|\\.github"
    local += re.findall(rf"`((?:{top})/[\w./-]*)`", text)
    assert local
    missing = [path for path in local if not (ROOT / path).exists()]
    assert missing == []


def test_the_readme_opens_with_one_small_figure_that_has_a_text():
    ((text, path),) = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", read("README.md"))
    assert len(text.split()) >= 10
    assert (ROOT / path).stat().st_size < 200 * 1024


def test_hooks_are_local_and_are_the_checks_of_the_makefile():
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = repos[0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    entries = [hook["entry"].replace(".venv/bin", "$(BIN)") for hook in hooks]
    recipes = [line.strip() for line in read("Makefile").splitlines()]
    assert entries[-1] == "$(BIN)/python -m flatminima_book check"
    assert len(entries) == 4
    assert set(entries[:-1]) <= set(recipes)


# --- workflows ----------------------------------------------------------------


def workflow_problems(text: str) -> list[str]:
    """What GitHub would refuse, and what would give a workflow too much."""
    flow = yaml.safe_load(text)
    flow["on"] = flow.pop(True, None)  # YAML 1.1 reads the key `on` as true
    problems = []
    if not flow["on"] or "pull_request_target" in flow["on"]:
        problems.append(f"runs on {flow['on']}")
    if flow.get("permissions") != {"contents": "read"}:
        problems.append(f"permissions are {flow.get('permissions')}")
    if "concurrency" not in flow:
        problems.append("no concurrency")
    if "secrets" in text:
        problems.append("uses secrets")
    for name, job in flow["jobs"].items():
        wider = job.get("permissions", {})
        if wider and (name, wider) != ("deploy", PAGES):
            problems.append(f"job {name} may {wider}")
        needs = job.get("needs", [])
        needs = [needs] if isinstance(needs, str) else needs
        problems += [f"no job {n}" for n in needs if n not in flow["jobs"]]
        if "uses" in job:
            if not (ROOT / job["uses"]).is_file():
                problems.append(f"no workflow {job['uses']}")
            continue
        if not {"runs-on", "timeout-minutes", "steps"} <= set(job):
            problems.append(f"job {name} has only {sorted(job)}")
        for step in job.get("steps", []):
            if ("uses" in step) == ("run" in step):
                problems.append(f"job {name}: {step} is no step")
            if "uses" in step and not PINNED.fullmatch(step["uses"]):
                problems.append(f"{step['uses']} is not pinned")
            command = step.get("run", "")
            if "${{" in command:
                problems.append(f"{command}: expression in a command")
            lost = set(make_calls(command)) - make_targets()
            problems += [f"no make target {target}" for target in sorted(lost)]
    return problems


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_is_sound(path):
    assert workflow_problems(path.read_text("utf8")) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("ci", "  pull_request:", "  pull_request_target:", "runs on"),
        ("ci", "contents: read", "contents: write", "permissions are"),
        ("ci", "actions/checkout@v6", "actions/checkout@main", "is not pinned"),
        ("ci", "actions/checkout@v6", "actions/checkout", "is not pinned"),
        ("ci", "make check", "make checks", "no make target checks"),
        ("ci", "make check", "echo ${{ github.head_ref }}", "expression in a command"),
        ("ci", "timeout-minutes: 30", "name: tests", "job tests has only"),
        ("publish", "needs: ci", "needs: book", "no job book"),
        ("publish", "workflows/ci.yml", "workflows/cd.yml", "no workflow"),
        ("publish", "pages: write", "contents: write", "job deploy may"),
        ("publish", "concurrency:", "env:", "no concurrency"),
    ],
)
def test_a_bad_workflow_is_found(name, old, new, problem):
    text = re.sub(r"^#.*\n", "", read(f".github/workflows/{name}.yml"))
    assert old in text
    assert problem in "; ".join(workflow_problems(text.replace(old, new)))


def test_workflows_test_build_and_check_and_only_then_publish():
    flows = {path.stem: yaml.safe_load(path.read_text("utf8")) for path in WORKFLOWS}
    assert set(flows) == {"ci", "publish"}
    jobs = flows["ci"]["jobs"].values()
    commands = [step.get("run", "") for job in jobs for step in job["steps"]]
    assert {"make test", "make book", "make check"} <= set(commands)
    assert set(flows["ci"][True]) >= {"push", "pull_request"}
    assert flows["publish"][True]["push"] == {"branches": ["main"]}
    deploy = flows["publish"]["jobs"]["deploy"]
    assert "ci.yml" in flows["publish"]["jobs"][deploy["needs"]]["uses"]


NIGHTLY = {
    "lowest": ["make lowest"],
    "pythons": ["make install", "make book SCALE=smoke", "make fast"],
}


def nightly_problems(flow: dict) -> list[str]:
    """What is not tried every night, or is tried on every push though it takes long."""
    problems = [] if flow[True].get("schedule") else ["nothing runs at night"]
    for name, commands in NIGHTLY.items():
        job = flow["jobs"].get(name, {})
        if job.get("if") != "github.event_name == 'schedule'":
            problems.append(f"job {name} runs if {job.get('if')}")
        runs = [step["run"] for step in job.get("steps", []) if "run" in step]
        if runs != commands:
            problems.append(f"job {name} runs {runs}")
        for step in job.get("steps", []):
            if "/setup-python@" in step.get("uses", ""):
                version = step["with"]["python-version"]
                wanted = "${{ matrix.python }}" if "strategy" in job else "3.11"
                if version != wanted:
                    problems.append(f"job {name} has python {version}")
    return problems


def test_bounds_are_tried_at_night():
    assert nightly_problems(yaml.safe_load(read(".github/workflows/ci.yml"))) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  schedule:", "  workflow_dispatch:", "nothing runs at night"),
        (
            "  lowest:\n    if: github.event_name == 'schedule'\n",
            "  lowest:\n",
            "runs if None",
        ),
        ("run: make lowest", "run: make fast", "job lowest runs ['make fast']"),
        ("${{ matrix.python }}", "3.11", "job pythons has python 3.11"),
        ('"3.11"\n', '"3.12"\n', "job lowest has python 3.12"),
        ("  lowest:", "  highest:", "job lowest runs []"),
    ],
)
def test_a_night_that_tries_less_is_found(old, new, problem):
    text = read(".github/workflows/ci.yml")
    assert old in text
    found = nightly_problems(yaml.safe_load(text.replace(old, new)))
    assert problem in "; ".join(found)


def cache_problems(text: str) -> list[str]:
    """How the workflow could serve stale runs, or never compute any again."""
    flow = yaml.safe_load(text)
    problems = [] if flow[True].get("schedule") else ["no build from nothing"]
    steps = flow["jobs"]["book"]["steps"]
    runs = [step.get("run") for step in steps]
    places = [k for k, s in enumerate(steps) if "/cache@" in s.get("uses", "")]
    if len(places) != 1 or places[0] > runs.index("make book"):
        return [*problems, "finished runs are not kept before the build"]
    (place,) = places
    step = steps[place]
    if step["with"]["path"] != "_build/store" or "restore-keys" in step["with"]:
        problems.append(f"keeps {step['with']}")
    hashed = re.search(r"hashFiles\(([^)]*)\)", step["with"]["key"])
    names = re.findall("'([^']+)'", hashed[1]) if hashed else []
    if set(names) != {"src/flatminima/**", "requirements.lock"}:
        problems.append(f"keyed by {names}")
    problems += [f"no file {name}" for name in names if not list(ROOT.glob(name))]
    if step.get("if") != "github.event_name != 'schedule'":
        problems.append("the build from nothing finds runs")
    return problems


def test_the_store_is_kept_by_engine_and_lock_but_at_night():
    assert cache_problems(read(".github/workflows/ci.yml")) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  schedule:", "  workflow_dispatch:", "no build from nothing"),
        ("'src/flatminima/**'", "'src/flatminima/*.py'", "keyed by"),
        (", 'requirements.lock'", "", "keyed by"),
        ("path: _build/store", "path: _build", "keeps"),
        ("!= 'schedule'", "!= 'push'", "finds runs"),
        ("actions/cache@v5", "actions/other@v5", "not kept before"),
        (
            "          key: store",
            "          restore-keys: s\n          key: s",
            "keeps",
        ),
    ],
)
def test_a_cache_that_is_not_sound_is_found(old, new, problem):
    text = read(".github/workflows/ci.yml")
    assert old in text
    assert problem in "; ".join(cache_problems(text.replace(old, new)))


# --- the book -----------------------------------------------------------------


def test_sources_pass_the_press():
    """Pairs, links, claims and parameter files of the real book."""
    assert check_sources(load(ROOT)) == []


def test_every_chapter_has_parameters_that_run_in_seconds():
    for chapter in load_chapters(load(ROOT)):
        assert (ROOT / f"params/{chapter.name}/smoke.yml").is_file(), chapter.name


UNFINISHED = re.compile(r"\breplace th(is|ese)\b", re.IGNORECASE)


def test_no_chapter_is_still_a_skeleton():
    homes = ("book/", "params/", "src/flatminima/studies/", "tests/studies/")
    skeleton = (ROOT / "src/flatminima_book/skeleton").glob("*.txt")
    marked = [p.name for p in skeleton if UNFINISHED.search(p.read_text("utf8"))]
    assert {"chapter.md.txt", "claims.yml.txt", "runs.py.txt"} <= set(marked)
    unfinished = [
        name
        for path in tracked()
        if (name := path.relative_to(ROOT).as_posix()).startswith(homes)
        and path.suffix in {".md", ".yml", ".py"}
        and UNFINISHED.search(path.read_text("utf8"))
    ]
    assert unfinished == []


def test_launch_buttons_lead_to_notebooks_in_the_repository():
    config = yaml.safe_load(read("_config.yml"))
    repository = config["repository"]
    assert repository["url"] == pyproject()["project"]["urls"]["Source"]
    assert repository["branch"] == "main"
    assert {"binderhub_url", "colab_url"} <= set(config["launch_buttons"])
    # A button leads to <path_to_book>/<page>.ipynb, and pages are book/<name>.
    base = ROOT / repository["path_to_book"]
    chapters = {chapter.name for chapter in load_chapters(load(ROOT))}
    pages = [name for name in toc_names(load(ROOT)) if name in chapters]
    assert pages
    lost = [n for n in pages if not is_tracked(base / "book" / f"{n}.ipynb")]
    assert lost == []


def test_set_up_cells_install_this_package_from_this_repository():
    extras = pyproject()["project"]["optional-dependencies"]
    url = pyproject()["project"]["urls"]["Source"]
    cells = set()
    for chapter in load_chapters(load(ROOT)):
        for cell in json.loads(chapter.paired.read_text("utf8"))["cells"]:
            if "setup" in cell["metadata"].get("tags", []):
                cells.add("".join(cell["source"]))
    (cell,) = cells  # the same in every chapter
    ((name, extra),) = re.findall(r'"(\w+)\[(\w+)\] @', cell)
    assert name == pyproject()["project"]["name"]
    assert extra in extras
    assert f'"git+{url}"' in cell


def output_problems(notebook: dict) -> list[str]:
    """Traces of a run in a notebook that should have none."""
    traces = sorted({"papermill", "widgets"} & set(notebook["metadata"]))
    problems = [f"metadata {key}" for key in traces]
    for number, cell in enumerate(notebook["cells"], 1):
        if cell.get("outputs") or cell.get("execution_count"):
            problems.append(f"cell {number} has outputs")
        if {"execution", "papermill"} & set(cell["metadata"]):
            problems.append(f"cell {number} has times")
    return problems


def test_notebooks_are_committed_without_outputs():
    notebooks = [path for path in tracked() if path.suffix == ".ipynb"]
    assert notebooks
    for path in notebooks:
        assert output_problems(json.loads(path.read_text("utf8"))) == [], path.name


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ({"outputs": [1], "metadata": {}}, "cell 1 has outputs"),
        ({"execution_count": 3, "metadata": {}}, "cell 1 has outputs"),
        ({"metadata": {"papermill": {}}}, "cell 1 has times"),
    ],
)
def test_an_output_is_found(cell, problem):
    assert output_problems({"metadata": {}, "cells": [cell]}) == [problem]


# --- tests ---------------------------------------------------------------------


def test_the_files_that_tests_sort_and_mark_are_there():
    assert LONGEST_FIRST and SLOW
    missing = [n for n in [*LONGEST_FIRST, *SLOW] if not (ROOT / "tests" / n).exists()]
    assert missing == []


def test_tests_have_one_thread_though_a_plugin_has_imported_numpy():
    """What one thread computes, more may compute with other bits."""
    ask = (
        "import numpy, threadpoolctl, tests\n"
        "print({p['num_threads'] for p in threadpoolctl.threadpool_info()})"
    )
    plain = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", ask]
    assert subprocess.check_output(command, cwd=ROOT, env=plain, text=True) == "{1}\n"


# --- citation and files -------------------------------------------------------


def test_citation():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "license"} <= set(citation)
    project = pyproject()["project"]
    assert [a["name"] for a in citation["authors"]] == [
        a["name"] for a in project["authors"]
    ]
    assert citation["version"] == project["version"]
    assert citation["repository-code"] == project["urls"]["Source"]
    assert " AND ".join(citation["license"]) == project["license"]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)
    identifiers = [i["value"] for r in citation["references"] for i in r["identifiers"]]
    assert "arXiv:2307.11007" in identifiers


NETWORK = re.compile(r"\b\d-MLP-[A-Za-z-]*[A-Za-z]")


def test_every_architecture_has_one_name():
    labels = {name for name, _ in ARCHITECTURES.values()}
    found: dict[str, str] = {}
    for path in tracked():
        if path.suffix in {".py", ".md", ".yml", ".json", ".ipynb"}:
            names = NETWORK.findall(path.read_text("utf8"))
            found |= dict.fromkeys(names, path.relative_to(ROOT).as_posix())
    assert {"2-MLP-Bias", "2-MLP-Softplus"} <= set(found)
    assert {name: path for name, path in found.items() if name not in labels} == {}


def test_no_tracked_file_is_large():
    large = [path for path in tracked() if path.stat().st_size >= MIB]
    # hundreds of committed runs, and images that every chapter on them needs
    large_by_right = {ROOT / "results", ROOT / "src/flatminima/data/images"}
    assert [path.name for path in large if path.parent not in large_by_right] == []
    assert [path.name for path in large if path.stat().st_size >= 7 * MIB] == []


def test_no_file_names_a_path_of_one_machine():
    found = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content and MACHINE_PATH.search(content.decode("utf8")):
            found.append(path.relative_to(ROOT).as_posix())
    assert found == []


def test_machine_paths_are_told_from_addresses():
    for folder in ("home", "Users", "root"):  # not spelt out: this file is read too
        assert MACHINE_PATH.search(f'open("/{folder}/me/data.csv")')
        for start in ("https://a.org", "src", "a/b"):
            assert not MACHINE_PATH.search(f"{start}/{folder}/me")
