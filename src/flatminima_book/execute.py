"""Execution: one chapter in one child process, by papermill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from flatminima_book.budget import NOTHING, SPENT, Spent, read_runs, spent_file

SECONDS_TO_START = 600  # of a kernel: a loaded machine takes minutes
SECONDS_TO_STOP = 1.5
SECONDS_BETWEEN_LOOKS = 0.5

KERNEL_ARGUMENTS = [
    "--IPKernelApp.log_level=40",
    "--HistoryManager.hist_file=:memory:",
]
FOREIGN = (
    *("PYTHONSTARTUP", "PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONDEVMODE"),
    *("PYTHONIOENCODING", "PYTHONVERBOSE", "PYTHONINSPECT"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONTRACEMALLOC", "JUPYTER_PATH"),
)
"""Variables of the caller's that would run code of their own, drop the engine's
checks, or print into pages."""

NOISE = ("NUMBA_DUMP_", "NUMBA_DEBUG_", "NUMBA_TRACE")
"""How variables begin that make numba print into whatever runs, pages included."""

STEADY = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


NO_COMPILER = "NUMBA_DISABLE_JIT"
KERNEL = "python3"
"""The kernel that chapters name; a build has its own of that name."""

PROGRESS = "FLATMINIMA_PROGRESS"
VERDICTS = "FLATMINIMA_VERDICTS"


@dataclass(frozen=True)
class Failure:
    """Why a chapter stopped: which cell (None: no cell), and the error."""

    cell: int | None
    error: str
    message: str

    def line(self, chapter: str) -> str:
        """The one line that a build prints."""
        where = f"chapter {chapter}" + (f", cell {self.cell}" if self.cell else "")
        return f"{where}: {self.error}: {self.message}"


@dataclass(frozen=True)
class Outcome:
    """One execution: how long it took, its end (UTC), what went wrong, its cost."""

    chapter: str
    seconds: float
    failure: Failure | None
    finished: str = ""
    spent: Spent = NOTHING


def environment(build: Path) -> dict[str, str]:
    """Environment of children: the caller's, with what affects output fixed.

    Folders of the build take the place of the user's own settings: of IPython, of
    matplotlib and of Jupyter, whose kernels come first on its path.

    Args:
        build: Where these folders are, and the verdicts of chapters that have run.

    Returns:
        Variables for ``subprocess``.
    """
    own = {
        "IPYTHONDIR": str(build / "ipython"),
        "JUPYTER_PATH": str(build / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(build / "jupyter" / "runtime"),
        "MATPLOTLIBRC": str(build / "matplotlib" / "matplotlibrc"),
        VERDICTS: str(build / "verdicts"),
    }
    if not _can_keep_fonts():
        own["MPLCONFIGDIR"] = str(build / "matplotlib")
    kept = {
        name: text
        for name, text in os.environ.items()
        if name not in FOREIGN and not name.startswith(NOISE)
    }
    return {**kept, **STEADY, **own}


def _can_keep_fonts() -> bool:
    """Whether matplotlib has a folder for its list of fonts; else it says so in pages.

    The list takes seconds to make, so a build leaves it where it is, if it can.
    """
    chosen = os.environ.get("MPLCONFIGDIR")
    folder = Path(chosen) if chosen else Path.home() / ".config" / "matplotlib"
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK)


def write_settings(build: Path) -> None:
    """Write what `environment` points at: the kernel, and no plotting settings.

    A kernel of the same name in a folder of the user's may belong to another
    environment; this one is the interpreter that runs the press.
    """
    kernel = {
        "argv": [
            *(sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher"),
            *("-f", "{connection_file}"),
        ],
        "display_name": "Python 3",
        "language": "python",
    }
    files = {
        f"jupyter/kernels/{KERNEL}/kernel.json": json.dumps(kernel, indent=1) + "\n",
        "matplotlib/matplotlibrc": "",
    }
    for name, text in files.items():
        path = build / name
        if path.is_file() and path.read_text("utf8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{uuid4().hex}")
        draft.write_text(text, "utf8")
        draft.replace(path)  # whole, for other chapters that start now


def setting_problems() -> list[str]:
    """What in the caller's environment no chapter can be executed with."""
    problems = []
    if os.environ.get(NO_COMPILER, "0") not in ("", "0"):
        problems.append(
            f"{NO_COMPILER} = {os.environ[NO_COMPILER]}: must be unset for chapters, "
            "which would take a hundred times as long and end in other bits"
        )
    if sys.flags.optimize > 1:
        problems.append(
            f"PYTHONOPTIMIZE = {sys.flags.optimize}: must be at most 1, for pages are "
            "made of docstrings, too"
        )
    return problems


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    root: Path,
    build: Path,
    timeout: int | None,
) -> Outcome:
    """Execute a paired notebook; the parameters must have been checked.

    Args:
        notebook: The notebook without outputs.
        output: Where the executed one goes.
        parameters: What to inject.
        root: Working folder of the kernel.
        build: Folder for logs and profiles.
        timeout: Seconds that one cell may take; None: any number.

    Returns:
        The outcome; a failing chapter does not raise.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    write_settings(build)
    # A name of its own: a killed build's child may still be writing.
    draft = output.with_name(f"{output.stem}.{os.getpid()}.draft.ipynb")
    report = draft.with_suffix(".report.json")
    progress, runs = progress_file(output), spent_file(output)
    for stale in (draft, report, progress, runs):
        stale.unlink(missing_ok=True)
    job = {
        "notebook": str(notebook),
        "output": str(draft),
        "parameters": dict(parameters),
        "root": str(root),
        "timeout": timeout,
        "report": str(report),
        "parent": os.getpid(),
    }
    begun = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-m", "flatminima_book.execute"],
        input=json.dumps(job),
        encoding="utf-8",
        errors="replace",
        cwd=root,
        env={**environment(build), PROGRESS: str(progress), SPENT: str(runs)},
        capture_output=True,
        check=False,
        start_new_session=True,  # Ctrl-C reaches the build alone, see stop_children
    )
    seconds = time.monotonic() - begun
    spent = NOTHING
    if report.is_file():
        found = json.loads(report.read_text("utf8"))
        failure = Failure(**found["failure"]) if found["failure"] else None
        if failure is None:
            spent = Spent(found["kernel"], read_runs(runs))
    else:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        failure = Failure(None, f"exit status {child.returncode}", last)
    # One that was stopped is no result: the last whole notebook stays.
    if failure is None or (failure.cell and failure.error != "KeyboardInterrupt"):
        draft.replace(output)
    for rest in (draft, report, progress, runs):
        rest.unlink(missing_ok=True)
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return Outcome(output.stem, seconds, failure, now.removesuffix("+00:00"), spent)


def progress_file(output: Path) -> Path:
    """Where the engine notes how far the execution of a notebook is."""
    return output.with_suffix(".progress")


def stop_children() -> None:
    """End all executions of this process within two seconds.

    Kernels are interrupted first, so that a sweep keeps what it has.
    """
    family = psutil.Process().children(recursive=True)
    for process in family:
        if _is_kernel(process):
            _signal([process], signal.SIGINT)
    try:
        psutil.wait_procs(family, timeout=SECONDS_TO_STOP)
    finally:  # an impatient second Ctrl-C leaves nothing behind either
        started = psutil.Process().children(recursive=True)
        _signal([*family, *started], signal.SIGKILL)


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _signal(processes: Sequence[psutil.Process], number: int) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:  # gone already
            continue


def end_with(parent: int) -> None:
    """End this process, and the kernel that it started, when its parent dies."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        _signal(psutil.Process().children(recursive=True), signal.SIGKILL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_job(job: Mapping[str, Any]) -> Failure | None:
    """Run papermill in this process.

    Args:
        job: As written by :func:`execute`.

    Returns:
        None when every cell ran.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    try:
        papermill.execute_notebook(
            job["notebook"],
            job["output"],
            parameters=job["parameters"],
            cwd=job["root"],
            progress_bar=False,
            start_timeout=SECONDS_TO_START,
            execution_timeout=job["timeout"],
            extra_arguments=KERNEL_ARGUMENTS,
        )
    except PapermillExecutionError as error:
        return Failure(error.exec_count, error.ename, one_line(error.evalue))
    except Exception as error:  # a dead kernel, a timeout: reported
        return Failure(None, type(error).__name__, one_line(str(error)))
    return None


def one_line(text: str, limit: int = 300) -> str:
    """A message of several lines as one, cut after `limit` characters."""
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def main() -> None:
    """Child process: reads a job from standard input, writes its report."""
    job = json.load(sys.stdin)
    end_with(job["parent"])
    failure = run_job(job)
    # of this process and of its children that have ended, the kernel among them
    kernel = sum(os.times()[:4])
    report = {"failure": asdict(failure) if failure else None, "kernel": kernel}
    Path(job["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main()
