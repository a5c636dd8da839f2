"""Which tests concern a file of the engine, those that likely fail first."""

import os
import re
import resource
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path

ELSEWHERE = ("book", "browser", "chapters", "faults", "mutants", "results")
"""Tests of more than the engine, or of its text: any edit ages committed runs."""

WHOLE = (
    "test_identity",
    "test_layers",
    "test_wheel",
    "test_kernel_race",
)
"""The same, by the beginnings of their names."""

MOST = 300
"""Seconds of a processor that the tests of a mutant get: more, and it runs for ever."""

COMPILED = ("flatminima.kernels", "flatminima.models", "flatminima.sharpness")
"""Rooms whose functions some tests also run as plain Python, uncompiled."""


def module(file: str) -> str:
    """The name under which a file is imported."""
    parts = Path(file).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(text: str, name: str) -> bool:
    """Whether a source imports a module, or something of it."""
    package, _, last = name.rpartition(".")
    whole = re.escape(name)
    return bool(
        re.search(rf"^\s*(from|import) {whole}\b", text, re.MULTILINE)
        or re.search(rf"^\s*from {re.escape(package)} import .*\b{last}\b", text, re.M)
    )


def tests_of(root: Path, file: str, folders: Iterable[str]) -> list[str]:
    """Files of tests, in the order in which they run.

    First the file that has the name of the module, then those that import it, then the
    others of its room.

    Args:
        root: of the checkout.
        file: of the engine, relative to it.
        folders: of the tests of its room, relative to it.
    """
    name, stem = module(file), Path(file).stem
    tests = sorted(root.glob("tests/**/test_*.py"))
    ranked = []
    for path in tests:
        where = path.relative_to(root)
        if where.parts[1] in ELSEWHERE or path.name.startswith(WHOLE):
            continue
        own = any(where.is_relative_to(folder) for folder in folders)
        first = own and path.stem == f"test_{stem}"
        names_it = imports(path.read_text(), name)
        if own or names_it:
            rank = 0 if first else 1 if names_it and own else 2 if names_it else 3
            ranked.append((rank, where.as_posix()))
    return [where for _, where in sorted(ranked)]


def run(
    root: Path, python: str, tests: Iterable[str], *, compiled: bool, most: int = MOST
) -> tuple[str, str]:
    """Run tests until one fails.

    Args:
        root: of the checkout that they run in.
        python: of an environment that has what they need.
        tests: their files.
        compiled: or else those that are marked so, as plain Python.
        most: seconds of a processor after which they are stopped.

    Returns:
        "survived", "killed" or "timeout", and the test that failed.
    """
    more = [] if compiled else ["-m", "uncompiled"]
    process = subprocess.Popen(
        [python, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *more, *tests],
        cwd=root,
        env=os.environ
        | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}", "OMP_NUM_THREADS": "1"}
        | {"PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "400"}
        | ({} if compiled else {"NUMBA_DISABLE_JIT": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (most, most)),
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode == -signal.SIGKILL:
        return "timeout", ""
    if process.returncode in (0, 5):  # 5: of none of these tests
        return "survived", ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", output, re.MULTILINE)
    return "killed", failed[1] if failed else "at import"


def killed(
    root: Path, python: str, file: str, folders: Iterable[str]
) -> tuple[str, str]:
    """Run the tests of a file, the quick way first where it has one."""
    tests = tests_of(root, file, folders)
    if module(file).startswith(COMPILED):
        marked = [t for t in tests if "mark.uncompiled" in (root / t).read_text()]
        if marked:
            result = run(root, python, marked, compiled=False)
            if result[0] != "survived":
                return result
    return run(root, python, tests, compiled=True)
