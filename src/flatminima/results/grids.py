"""Grids too dear for one sitting: what is missing, what it costs, and some of it.

A study that has one keeps it in its `runs.py`: `planned()` returns the configs in the
order in which they are wanted, seed by seed. It may take `scale`, a name of that
module's `SCALES`; without, the grid has the scale "medium" alone.
"""

import importlib
import json
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from flatminima.checks import at_least
from flatminima.data.images.load import images
from flatminima.paths import store_folder
from flatminima.results import devices
from flatminima.results.collecting import collect
from flatminima.results.edits import is_present
from flatminima.results.pieces import Kind, Step, kind, pieces, steps
from flatminima.results.reading import load
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.train import lacking
from flatminima.runs.kind import engine_of
from flatminima.sources.scales import check_scale
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all

SHARE_OF_TIMING = 0.3
"""Of a budget, after which no further kind is timed."""


def planned(chapter: str, scale: str = "medium") -> list[ImageConfig]:
    """The runs that a chapter wants, in their order.

    Args:
        chapter: its name, such as "m-sharpness".
        scale: a name of its study's `SCALES`.

    Raises:
        ValueError: if the chapter has no such study, its study no grid, or the grid no
            such scale.
    """
    name = f"flatminima.studies.{chapter.replace('-', '_')}.runs"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not name.startswith(str(error.name)):
            raise
        raise ValueError(
            f"chapter = {chapter!r}: there is no {name}; allowed is a chapter whose "
            "study plans a grid of runs"
        ) from error
    plan = getattr(module, "planned", None)
    if plan is None:
        raise ValueError(
            f"chapter = {chapter!r}: {name} has no planned(); allowed is a chapter "
            "whose study plans a grid of runs"
        )
    takes_scale = "scale" in signature(plan).parameters
    known = sorted(getattr(module, "SCALES", {})) if takes_scale else ["medium"]
    check_scale(scale, known)
    return list(plan(scale=scale) if takes_scale else plan())


def placed(
    configs: Iterable[ImageConfig], device: str, seeds: int | None = None
) -> list[ImageConfig]:
    """The same runs on a device, those of the first few seeds only.

    Args:
        configs: in their order, which is kept.
        device: "cpu" or "cuda"; a CPU has one precision.
        seeds: how many of the seeds of data to keep; by default all.
    """
    configs = list(configs)
    first = list(dict.fromkeys(config.data_seed for config in configs))[:seeds]
    change: dict[str, Any] = {"device": device}
    if device == "cpu":
        change["precision"] = "float32"
    return [
        type(config)(**(config.model_dump() | change)) if _of_images(config) else config
        for config in configs
        if config.data_seed in first
    ]


def _of_images(config: Any) -> bool:
    """Whether a run asks for data sets that may be lacking, and for a device."""
    return isinstance(config, ImageConfig)


def possible(
    configs: Iterable[ImageConfig],
) -> tuple[list[ImageConfig], list[str]]:
    """Those that can be computed here, and why the others cannot."""
    configs = list(configs)
    asked = ("data", "device", "n", "test_n")

    def facts(config: Any) -> tuple[Any, ...]:
        return tuple(getattr(config, name) for name in asked if _of_images(config))

    kinds = {facts(config): config for config in reversed(configs)}
    reasons = {
        key: (lacking(config) or too_few(config)) if key else ""
        for key, config in kinds.items()
    }
    here = [config for config in configs if not reasons[facts(config)]]
    return here, sorted(set(filter(None, reasons.values())))


def too_few(config: ImageConfig) -> str:
    """Why a data set, which may be here in part, does not do; empty if it does."""
    whole = images(config.data)
    there = {"n": len(whole.train_x), "test_n": len(whole.test_x)}
    for name, most in there.items():
        if getattr(config, name) > most:
            return (
                f"{name} = {getattr(config, name)}: the {config.data} that was found "
                f"has {most}"
            )
    return ""


@dataclass(frozen=True)
class Progress:
    """How far some runs are.

    Attributes:
        done: those that are finished here, and the seconds that they took.
        missing: those that are not.
    """

    done: dict[ImageConfig, float]
    missing: tuple[ImageConfig, ...]

    def __str__(self) -> str:
        whole = len(self.done) + len(self.missing)
        lines = [f"{len(self.done)} of {whole} runs are finished here"]
        places: defaultdict[str, list[str]] = defaultdict(list)
        for config in self.missing:
            net = getattr(config, "net", None) or getattr(config, "architecture", "")
            places[f"{config.data}, {net}"].append(config.rule)
        for place, rules in places.items():
            names = ", ".join(dict.fromkeys(rules))
            lines.append(f"  {len(rules)} missing: {place} ({names})")
        return "\n".join(lines)

    def forecast(self, each: Mapping[Kind, Step]) -> str:
        """What those that are missing will take, in words.

        A setting of which other seeds are finished takes their mean. Of the others all
        epochs are counted, at the seconds of a step: at most so much, since most runs
        stop at their target.

        Args:
            each: from `steps`.
        """
        known: defaultdict[ImageConfig, list[float]] = defaultdict(list)
        for config, seconds in self.done.items():
            known[config.with_seeds(0, 0)].append(seconds)
        told, most = 0.0, 0.0
        for config in self.missing:
            if times := known.get(config.with_seeds(0, 0)):
                told += sum(times) / len(times)
            else:
                most += estimate(config, each)
        return (
            f"{len(self.missing)} runs are missing. One process takes {told:.0f} s for "
            f"those of which other seeds are finished, and at most {most:.0f} s for "
            f"the others, measures left out: {(told + most) / 3600:.2f} h in all"
        )


def estimate(config: Any, each: Mapping[Kind, Step]) -> float:
    """What all steps of a run take, by those of images that were timed.

    The engine of another kind has an estimate of its own.
    """
    if _of_images(config):
        return each[kind(config)].seconds * config.num_steps
    return float(engine_of(config).seconds(config))


def progress(configs: Iterable[ImageConfig]) -> Progress:
    """What of some runs is in the store, and what it cost."""
    folder, missing, done = store_folder(), [], {}
    for config in configs:
        record = store.load_record(folder, config)
        if record is None:
            missing.append(config)
        else:
            done[config] = float(record["provenance"]["seconds"])
    return Progress(done, tuple(missing))


def uncommitted(
    configs: Iterable[ImageConfig], path: Path
) -> tuple[list[ImageConfig], int]:
    """Those that a file of results does not hold, and how many it does.

    A run that is not of an older engine counts on whatever device it was made.

    Args:
        configs: the runs.
        path: the file; it need not exist.
    """
    configs = list(configs)
    kinds = {type(config).engine: type(config) for config in configs}
    own = [row for row in load(path).rows if row["module"] in kinds]
    rows = [row for row in own if is_present(row)]
    held = {_anywhere(kinds[row["module"]](**row["config"])) for row in rows}
    rest = [config for config in configs if _anywhere(config) not in held]
    return rest, len(configs) - len(rest)


def _anywhere(config: ImageConfig) -> ImageConfig:
    return placed([config], "cpu")[0]


def advance(
    configs: Sequence[ImageConfig], seconds: float, workers: int | None = None
) -> Progress:
    """Do as many of some runs, in their order, as fit into a time.

    What was begun is kept, and the next call goes on with it.

    Args:
        configs: which runs.
        seconds: after which to stop.
        workers: processes, by default one a core.

    Returns:
        How far they are then.
    """
    try:
        with stopped_after(seconds):
            run_all(configs, workers, processes=True)
    except KeyboardInterrupt:
        if time.monotonic() < _stop_at:
            raise
    return progress(configs)


_stop_at = float("inf")


@contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """As if Ctrl-C were pressed after some seconds, which a sweep takes well."""
    global _stop_at
    _stop_at = time.monotonic() + seconds
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def merge(path: Path, new: Path) -> int:
    """Put the lines of one file of results into another, in place of those it has.

    Args:
        path: is replaced; it need not exist.
        new: whose runs count where both have them.

    Returns:
        How many lines there are then.
    """
    lines = {}
    for file in (path, new):
        if file.is_file():
            for line in file.read_text().splitlines():
                row = json.loads(line)
                lines[row["module"], json.dumps(row["config"], sort_keys=True)] = line
    devices.keep(devices.read(new).values(), path)
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text("".join(f"{line}\n" for line in lines.values()))
    draft.replace(path)
    return len(lines)


def commit(configs: Sequence[ImageConfig], path: Path) -> int:
    """Write finished runs to a file of results, and leave its other lines.

    Args:
        configs: those that are in the store.
        path: of the file.

    Returns:
        How many lines it has then.
    """
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / "new.jsonl"
        collect(configs, new)
        return merge(path, new)


def go_on(
    chapter: str,
    path: Path,
    *,
    scale: str = "medium",
    budget: float = 600.0,
    device: str = "cpu",
    workers: int | None = None,
    seeds: int | None = None,
) -> list[str]:
    """Print what of a chapter's grid is missing, do some of it, and commit that.

    Args:
        chapter: its name.
        path: the file of results to add to.
        scale: see `planned`.
        budget: seconds in all. What the steps are timed for counts.
        device: "cpu" or "cuda".
        workers: processes, by default one a core.
        seeds: how many of the planned ones, by default all.

    Returns:
        What kept it from doing anything; empty if nothing did.

    Raises:
        ValueError: if the budget is not above 0 and finite, or workers or seeds are
            less than 1.
    """
    if not 0 < budget < np.inf:
        raise ValueError(f"budget = {budget}: must be above 0 and finite, in seconds")
    for name, value in (("workers", workers), ("seeds", seeds)):
        if value is not None:
            at_least(name, value, 1)
    begun = time.monotonic()
    whole = placed(planned(chapter, scale), device, seeds)
    rest, held = uncommitted(whole, path)
    print(f"{held} of {len(whole)} runs are committed: {path}")
    cells, reasons = possible(rest)
    if rest and not cells:
        return reasons
    for reason in reasons:
        print(f"left out: {reason}")
    now = progress(cells)
    print(now)
    if now.missing:
        timed = [config for config in now.missing if _of_images(config)]
        each = steps(timed, budget * SHARE_OF_TIMING)
        if timed:
            print(pieces(timed, each).to_string(index=False))
        print(now.forecast(each))
        left = max(1.0, budget - (time.monotonic() - begun))
        now = advance(cells, left, workers)
        print(f"{len(now.done)} of {len(cells)} runs are finished here now")
    if now.done:
        print(f"committed {commit(list(now.done), path)} runs: {path}")
    return []
