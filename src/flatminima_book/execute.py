"""Execution: one chapter in one child process, by papermill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

KERNEL_ARGUMENTS = [
    "--IPKernelApp.log_level=40",
    "--HistoryManager.hist_file=:memory:",
]
STEADY = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TQDM_DISABLE": "1",
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


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
    """One execution: how long it took, its end (UTC), and what went wrong."""

    chapter: str
    seconds: float
    failure: Failure | None
    finished: str = ""


def environment(build: Path) -> dict[str, str]:
    """Environment of children: the caller's, with what affects output fixed.

    Args:
        build: Folder for IPython's profile, so that the user's is not read.

    Returns:
        Variables for ``subprocess``.
    """
    return {**os.environ, **STEADY, "IPYTHONDIR": str(build / "ipython")}


def execute(
    notebook: Path,
    output: Path,
    parameters: Mapping[str, Any],
    *,
    root: Path,
    build: Path,
    timeout: int,
) -> Outcome:
    """Execute a paired notebook; the parameters must have been checked.

    Args:
        notebook: The notebook without outputs.
        output: Where the executed one goes.
        parameters: What to inject.
        root: Working folder of the kernel.
        build: Folder for logs and profiles.
        timeout: Seconds that one cell may take.

    Returns:
        The outcome; a failing chapter does not raise.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    report = output.with_suffix(".report.json")
    report.unlink(missing_ok=True)
    job = {
        "notebook": str(notebook),
        "output": str(output),
        "parameters": dict(parameters),
        "root": str(root),
        "timeout": timeout,
        "report": str(report),
    }
    begun = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-m", "flatminima_book.execute"],
        input=json.dumps(job),
        text=True,
        cwd=root,
        env=environment(build),
        capture_output=True,
        check=False,
    )
    seconds = time.monotonic() - begun
    if report.is_file():
        found = json.loads(report.read_text("utf8"))
        failure = Failure(**found) if found else None
    else:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        failure = Failure(None, f"exit status {child.returncode}", last)
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return Outcome(notebook.stem, seconds, failure, now.removesuffix("+00:00"))


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
    failure = run_job(job)
    Path(job["report"]).write_text(json.dumps(vars(failure) if failure else None))


if __name__ == "__main__":
    main()
