"""Notebooks one after the other in one kernel, which imports the engine once.

papermill starts a kernel for every notebook. This one takes the same notebooks with
the same injected cell, and is made fresh between two of them, so that each sees an
empty namespace and shows what it would show alone.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from flatminima_book.budget import Spent
from flatminima_book.execute import (
    KERNEL_ARGUMENTS,
    Failure,
    Outcome,
    environment,
    one_line,
)
from flatminima_book.shown import MIME

SECONDS_PER_CELL = 600  # a loaded machine takes minutes

# A change of the filters makes Python forget which warnings it has shown.
FRESH = """
import os
import warnings
import matplotlib
from matplotlib import pyplot
from matplotlib_inline.backend_inline import set_matplotlib_formats

os.chdir({root!r})
os.environ.update({variables!r})
pyplot.close("all")
matplotlib.rcdefaults()
set_matplotlib_formats("png")
get_ipython().display_formatter.formatters.pop({mime!r}, None)
with warnings.catch_warnings():
    pass
get_ipython().reset()
"""


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and what went wrong."""

    notebook: Any
    failure: Failure | None


Run = Callable[[Path, Mapping[str, Any], Path, Path], Executed]


@contextmanager
def one_kernel(build: Path, **variables: str) -> Iterator[Run]:
    """Start a kernel; it ends with the body.

    Args:
        build: Folder for IPython's profile.
        variables: Of its environment, besides those of a build.

    Yields:
        A function that runs a paired notebook: under some parameters, in a working
        folder, as in the build of a folder.
    """
    client = NotebookClient(
        new_notebook(),
        timeout=SECONDS_PER_CELL,
        startup_timeout=SECONDS_PER_CELL,
        extra_arguments=KERNEL_ARGUMENTS,
    )

    def execute(notebook: Any, history: bool = True) -> Failure | None:
        client.nb = notebook
        client.reset_execution_trackers()
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index, store_history=history)
            except CellExecutionError as error:
                count = cell.execution_count
                return Failure(count, error.ename, one_line(error.evalue))
        return None

    def run(
        paired: Path, parameters: Mapping[str, Any], root: Path, build: Path
    ) -> Executed:
        own = environment(build) | variables
        fresh = FRESH.format(root=str(root), variables=own, mime=MIME)
        assert execute(new_notebook(cells=[new_code_cell(fresh)]), False) is None
        notebook = load_notebook_node(str(paired))
        if parameters:  # papermill injects no empty cell either
            notebook = parameterize_notebook(notebook, parameters)
        return Executed(notebook, execute(notebook))

    with client.setup_kernel(env=environment(build) | variables):
        yield run


@contextmanager
def executor(folder: Path) -> Iterator[Callable[..., Outcome]]:
    """A stand-in for `flatminima_book.execute.execute` with one kernel for all.

    It may be called from any thread; notebooks run one after the other. The kernel
    starts with the first.

    Args:
        folder: Where the kernel keeps its profile.
    """
    runs: list[Run] = []

    def run(*arguments: Any) -> Executed:
        if not runs:
            runs.append(stack.enter_context(one_kernel(folder)))
        return runs[0](*arguments)

    def execute(
        notebook: Path,
        output: Path,
        parameters: Mapping[str, Any],
        *,
        root: Path,
        build: Path,
        timeout: int | None,
    ) -> Outcome:
        done = pool.submit(run, notebook, parameters, root, build).result()
        output.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(done.notebook, output)
        date = "2026-01-02 03:04:05"
        return Outcome(output.stem, 1.0, done.failure, date, Spent(kernel=1.0))

    # the kernel's client belongs to the thread that made it
    with ThreadPoolExecutor(1) as pool, ExitStack() as stack:
        try:
            yield execute
        finally:
            pool.submit(stack.close).result()
