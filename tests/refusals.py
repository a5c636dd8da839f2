"""Values that chapters must refuse, each tried on each parameter.

Run as a program it tries all of them in one fresh process, as a notebook would: the
parameters cell, then what papermill injects, then the check. What it prints:

    python -m tests.refusals               # as JSON, for the test
    python -m tests.refusals --kernels 20  # some of them, each in a kernel of its own

The second goes through papermill and says how many seconds after the start of its
kernel each was refused. This module imports nothing of the engine.
"""

import argparse
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
ENGINE = {"flatminima", "numba", "torch", "numpy", "scipy", "pandas", "matplotlib"}
LIGHT = {"flatminima", "flatminima.checkout"}  # asks which engine this is
NAN, INFINITE, HUGE = math.nan, math.inf, 10**30

NUMBERS: list[Any] = [
    *(0, -1, -0.5, "many", "", "nan", True, False, None, HUGE, -HUGE, 1e300, 10**400),
    *(NAN, INFINITE, -INFINITE, [], [3], {}, {"a": 1}, "1e400", [[2, 4]]),
]
WHOLE = [*NUMBERS, 2.5, 30.0, "30.0", "1e1", 5e-324]
WORDS = ["", "no", 0, -1, 1.5, True, None, HUGE, NAN, [], ["dask"], {}, "Dask"]
LISTS: list[Any] = [
    *(None, 3, 0, -1, 2.5, "many", "", "[1]", True, HUGE, NAN, {}, [[]], [None]),
    *([True], ["many"], [-1], [HUGE], [NAN], [INFINITE], [[3]], [{}], [[[3]]]),
    [3] * 1000,
]
PAIRS: list[Any] = [
    *LISTS,
    *([], [2, 4], [[2]], [[2, 4, 8]], [[-1, 4]], [[2, 0]], [[2, HUGE]], [[HUGE, 2]]),
    *([[2, True]], [[2, 4.0]], [["many", 4]], [[[2, 4]]], [[2, 5]], [[1, 2]]),
]
BAD = {
    "int": WHOLE,
    "float": NUMBERS,
    "str": WORDS,
    "list[int]": [*LISTS, [], [2.5], [30.0], [0], [0, 0], [1, 1]],
    "list[float]": [*LISTS, [], [-0.5], [0, 0], [0]],
    "list[list[int]]": PAIRS,
}
FINE: dict[tuple[str, str], list[Any]] = {
    ("sample-complexity", "more_ds"): [[]],
    ("noise-and-finetuning", "share"): [0],
    ("pac-bayes", "flip"): [0],
    ("pac-bayes", "posterior_steps"): [0],
    ("stability", "hidden"): [[1, 1]],
}
"""What is on the lists above and yet allowed."""
FINE_EVERYWHERE: dict[str, list[Any]] = {"first_seed": [0], "ways_seed": [0]}
"""The same, of parameters that have one meaning in all chapters."""

CROSSED: list[tuple[str, dict[str, Any], str]] = [
    *[
        (name, {"d": 6, "n": 65}, "n")
        for name in (
            *("scenario-1", "scenario-2", "scenario-3", "intro", "flat-vs-right"),
            *("errata", "flattest-flows", "hinge", "robust", "xor"),
        )
    ],
    ("beyond-xor", {"d": 6, "n": 70}, "n"),
    ("beyond-xor", {"n": 95}, "n"),
    ("beyond-xor", {"n": 10}, "n"),
    ("scenario-1", {"lr": 20, "weight_decay": 0.05}, "weight_decay"),
    ("scenario-3", {"lr": 1, "weight_decay": 1}, "weight_decay"),
    ("scenario-1", {"radius_epochs": 1}, "radius_epochs"),
    ("scenario-1", {"radii": [0.1, 0.1]}, "radii"),
    ("flattest-flows", {"other_seeds": 11}, "other_seeds"),
    ("flattest-flows", {"seeds": 1}, "other_seeds"),
    ("flattest-flows", {"smoothing": 0.1}, "wider"),
    ("flattest", {"bias_sizes": [[2, 5]]}, "bias_sizes"),
    ("flattest", {"bias_sizes": [[6, 25]]}, "bias_sizes"),
    ("flattest", {"larger": [[3, 8]]}, "larger"),
    ("flattest", {"searched": [[3, 9]]}, "searched"),
    ("flattest", {"face_n": [4, 16]}, "face_n"),
    ("flattest", {"face_n": [6, 4]}, "face_n"),
    ("flattest", {"many": 16}, "many"),
    ("flattest", {"face_d": 3, "face_n": [5, 7], "many": 8}, "many"),
    ("hinge", {"epochs": 7}, "epochs"),
    ("hinge", {"lengths": 12, "epochs": 2000}, "epochs"),
    ("hinge", {"smallest_eps": 6.0}, "smallest_eps"),
    ("hinge", {"largest_eps": 1.0e-6}, "largest_eps"),
    ("hinge", {"certified_d": 3}, "certified_n"),
    ("limits", {"levels": [0, 0.001]}, "levels"),
    ("limits", {"levels": [0.1, 0.1]}, "levels"),
    ("limits", {"levels": [0, 0.6]}, "levels"),
    ("limits", {"n": 1}, "n"),
    ("limits", {"sizes": [100, 100]}, "sizes"),
    ("limits", {"d": 6, "n": 60}, "sizes"),
    ("limits", {"d": 6, "n": 65, "sizes": [20]}, "n"),
    ("hinge", {"small_c": 1.0}, "small_c"),
    ("robust", {"factors": [1]}, "factors"),
    ("robust", {"lengths": [0.5, 1.0]}, "lengths"),
    ("robust", {"lengths": [0.5, 0.5]}, "lengths"),
    ("sample-complexity", {"ds": [6, 6]}, "ds"),
    ("sample-complexity", {"ds": [6]}, "ds"),
    ("sample-complexity", {"ds": [4, 8]}, "ds"),
    ("sample-complexity", {"search_ds": [7]}, "search_ds"),
    ("sample-complexity", {"ds": [8, 11]}, "search_ds"),
    ("sample-complexity", {"more_ds": [6]}, "more_ds"),
    ("sample-complexity", {"more_ds": [32, 32]}, "more_ds"),
    ("sample-complexity", {"kernel_ratios": [0.3, 1.3]}, "kernel_ratios"),
    ("sample-complexity", {"ratios": [1.5, 7.0]}, "ratios"),
    ("sample-complexity", {"kick": 2}, "kick"),
    ("scale", {"place": "slurm"}, "place"),
    ("scale", {"loss": 1}, "loss"),
    ("speed", {"units": 100}, "active"),
    ("speed", {"active": [501]}, "active"),
    ("xor", {"cube_d": 15}, "cube_d"),
]
"""What is allowed alone and not together, and who is named."""


class Trial(NamedTuple):
    """Parameters that a chapter must refuse, and the name that it must give."""

    chapter: str
    given: dict[str, Any]
    name: str


class Cells(NamedTuple):
    """The code of a chapter's notebook up to `chapter.start()`."""

    setup: str
    parameters: str
    types: dict[str, str]


def chapters() -> dict[str, Cells]:
    """All chapters of the book, without the press."""
    found = {}
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf8"))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        namespace: dict[str, Any] = {}
        exec(code[1], namespace)
        types = {
            name: str(kind).removeprefix("<class '").removesuffix("'>")
            for name, kind in namespace["__annotations__"].items()
        }
        found[path.stem] = Cells(code[0], code[1], types)
    return found


def trials() -> Iterator[Trial]:
    """Every bad value for every parameter of every chapter, then those together."""
    for chapter, cells in chapters().items():
        for name, kind in cells.types.items():
            for value in BAD[kind]:
                fine = FINE_EVERYWHERE.get(name, FINE.get((chapter, name), []))
                if value not in fine or value is False:
                    yield Trial(chapter, {name: value}, name)
    for chapter, given, name in CROSSED:
        yield Trial(chapter, given, name)


def injected(given: dict[str, Any]) -> str:
    """The cell that papermill would write."""
    lines = [f"{name} = {written(value)}" for name, value in given.items()]
    return "\n".join(["# Parameters", *lines, ""])


def written(value: Any) -> str:
    """A value as Python, numbers that are not finite as papermill writes them."""
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    finite = not isinstance(value, float) or math.isfinite(value)
    return repr(value) if finite else f"float('{value}')"


def engine_modules() -> list[str]:
    """Modules of the engine, and heavy libraries, that this process has imported."""
    return sorted(
        m for m in sys.modules if m.partition(".")[0] in ENGINE and m not in LIGHT
    )


def try_all() -> dict[str, Any]:
    """Try all, and say what was not refused as it has to be."""
    from flatminima_book.chapter import check

    known, wrong, count = chapters(), [], 0
    begun = time.perf_counter()
    for trial in trials():
        count += 1
        cells = [known[trial.chapter].parameters, injected(trial.given)]
        namespace: dict[str, Any] = {}
        for cell in cells:
            exec(cell, namespace)
        try:
            check([known[trial.chapter].setup, *cells, "chapter.start()"], namespace)
            wrong.append([trial.chapter, repr(trial.given)[:80], "was not refused"])
        except ValueError as error:
            lines = str(error).splitlines()
            named = lines[0].startswith(f"{trial.name} = ") and len(lines) == 1
            if not (named and ": allowed is " in lines[0]):
                wrong.append([trial.chapter, repr(trial.given)[:80], str(error)])
    seconds = time.perf_counter() - begun
    return {
        "trials": count,
        "parameters": sum(len(cells.types) for cells in known.values()),
        "chapters": len(known),
        "seconds": round(seconds, 2),
        "engine": engine_modules(),
        "wrong": wrong,
    }


def drawn(count: int, seed: int = 0) -> list[Trial]:
    """Some of the trials, the same for the same seed, that JSON can carry."""
    possible = [t for t in trials() if "inf" not in repr(t.given).lower()]
    return random.Random(seed).sample(possible, count)


def in_kernels(count: int) -> None:
    """Try some through papermill, each in a kernel of its own, and time them."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    from flatminima_book.execute import KERNEL_ARGUMENTS

    slowest = 0.0
    for trial in drawn(count):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.ipynb"
            paired = ROOT / f"book/{trial.chapter}.ipynb"
            try:
                papermill.execute_notebook(
                    paired,
                    out,
                    trial.given,
                    cwd=ROOT,
                    progress_bar=False,
                    extra_arguments=KERNEL_ARGUMENTS,
                )
                said = "was not refused"
            except PapermillExecutionError as error:
                said = f"{error.ename}: {error.evalue}"
            cells = json.loads(out.read_text("utf8"))["cells"]
        ran = [c["metadata"]["papermill"] for c in cells if c["cell_type"] == "code"]
        spent = [p["duration"] for p in ran if p.get("duration") is not None]
        slowest = max(slowest, sum(spent))
        print(f"{sum(spent):6.2f} s  {trial.chapter}: {said[:100]}", flush=True)
    print(f"{count} refused; the slowest {slowest:.2f} s after its kernel started")


def main() -> None:
    """Try the table, or some of it in kernels."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", type=int, help="try so many through papermill")
    options = parser.parse_args()
    if options.kernels:
        in_kernels(options.kernels)
    else:
        print(json.dumps(try_all()))


if __name__ == "__main__":
    main()
