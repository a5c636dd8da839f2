"""Chapters one after the other in one kernel, which imports the engine once.

papermill starts a kernel for every chapter. This one takes the same notebooks with
the same injected cell, and is made fresh between two chapters, so that each sees an
empty namespace and shows what it would show alone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from flatminima_book.execute import KERNEL_ARGUMENTS, Failure, environment, one_line

SECONDS_PER_CELL = 120

# A change of the filters makes Python forget which warnings it has shown.
FRESH = """
import warnings
import matplotlib
from matplotlib import pyplot
from matplotlib_inline.backend_inline import set_matplotlib_formats

pyplot.close("all")
matplotlib.rcdefaults()
set_matplotlib_formats("png")
with warnings.catch_warnings():
    pass
get_ipython().reset()
"""


@dataclass(frozen=True)
class Executed:
    """A notebook with its outputs, and what went wrong."""

    notebook: Any
    failure: Failure | None


Run = Callable[[Path, Mapping[str, Any]], Executed]


@contextmanager
def one_kernel(root: Path, build: Path, **variables: str) -> Iterator[Run]:
    """Start a kernel; it ends with the body.

    Args:
        root: Its working folder.
        build: Folder for IPython's profile.
        variables: Of its environment, besides those of a build.

    Yields:
        A function that runs a paired notebook under some parameters.
    """
    client = NotebookClient(
        new_notebook(), timeout=SECONDS_PER_CELL, extra_arguments=KERNEL_ARGUMENTS
    )

    def execute(notebook: Any) -> Failure | None:
        client.nb = notebook
        client.reset_execution_trackers()
        for index, cell in enumerate(notebook.cells):
            try:
                client.execute_cell(cell, index)
            except CellExecutionError as error:
                return Failure(index, error.ename, one_line(error.evalue))
        return None

    def run(paired: Path, parameters: Mapping[str, Any]) -> Executed:
        assert execute(new_notebook(cells=[new_code_cell(FRESH)])) is None
        notebook = parameterize_notebook(load_notebook_node(str(paired)), parameters)
        return Executed(notebook, execute(notebook))

    with client.setup_kernel(cwd=str(root), env=environment(build) | variables):
        yield run
