"""The map: its places, which of them are run, the methods, and how these are chosen.

A place is an architecture, a width, a data set, with label noise or without. A place
and a flat-finder are a cell. The draw of the places, their order, and all candidates of
a method were committed before any place was run.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flatminima.results.reading import Committed, committed
from flatminima.results.rows import kept_history
from flatminima.runs.cells.config import TWO_LAYER, Architecture, Arm, CellConfig
from flatminima.studies.open_1_map import spheres
from flatminima.sweeps.sweep import run_all

CHAPTER = "open-1-map"

ARCHITECTURES: tuple[Architecture, ...] = (
    "no_bias",
    "bias",
    "sim_ln",
    "sim_bn",
    "deep",
    "softplus",
)
WIDTHS = (50, 100, 500, 2000)
SIZES = {
    "xor": (60, 20),
    "parity": (100, 10),
    "ball": (100, 10),
    "sparse": (40, 20),
    "low_rank": (60, 25),
    "single_index": (60, 10),
    "multi_index": (100, 10),
}
"""Examples and inputs of every data set."""

DEAR: dict[Architecture, tuple[int, ...]] = {"deep": (500, 2000), "sim_bn": (500, 2000)}
"""Widths whose full batches take no compiled loop; their places come last."""

DRAW = 14
"""Seed of the order of the places."""

DRAWN = 28
"""Places of the whole scale: the first of the order."""

SAM, NOISE, DECAY, SMALL, PLAIN = (
    *("1-SAM", "label-noise SGD", "GD + wd", "SGD, small start", "SGD"),
)
FLAT = (SAM, NOISE)
CHOSEN = (SAM, NOISE, DECAY, SMALL)
"""Methods with candidates. Plain SGD has the kick of 1-SAM, which differs in nothing
but the ascent."""

METHODS = (*CHOSEN, PLAIN)

UPDATES = 40_000
"""Of a method that takes one example a step."""

FULL_SHARE = 0.1
"""Updates of a full batch, as a share of these."""

TUNING_SEEDS = range(2)
RACING_SEEDS = range(100, 110)

STEPS_AHEAD = 6
"""Places whose candidates are tried before those tried so far are raced."""


@dataclass(frozen=True)
class Place:
    """A place of the map."""

    architecture: Architecture
    width: int
    data: str
    noisy: bool


def places() -> list[Place]:
    """All places in their order, which is a seeded design.

    Of every 14 places in turn each data set, with noise and without, is one. The first
    28 have every architecture four to six times and every data set with two of them;
    the widths of an architecture come equally often in all 14 of its places. Those of
    `DEAR` come after all others.
    """
    rng = np.random.default_rng(DRAW)
    pairs = [(data, noisy) for data in SIZES for noisy in (False, True)]
    columns = [pairs[k] for k in rng.permutation(len(pairs))]
    names = [ARCHITECTURES[k] for k in rng.permutation(len(ARCHITECTURES))]
    first = {
        name: rng.permutation(
            np.resize(np.arange(len(WIDTHS) - len(DEAR.get(name, ()))), len(columns))
        )
        for name in names
    }
    found = []
    for shift in range(len(WIDTHS)):
        for offset in (0, 1, 3, 2, 4, 5):
            for j, (data, noisy) in enumerate(columns):
                name = names[(j + offset) % len(names)]
                width = WIDTHS[(first[name][j] + shift) % len(WIDTHS)]
                found.append(Place(name, width, data, noisy))
    return sorted(
        found, key=lambda place: place.width in DEAR.get(place.architecture, ())
    )


def drawn() -> list[Place]:
    """The places of the whole scale."""
    return places()[:DRAWN]


def candidates(method: str, updates: int = UPDATES) -> list[Arm]:
    """The four settings of which a method takes the best at every place.

    Args:
        method: one of `CHOSEN`.
        updates: of a method that takes one example a step.

    Raises:
        ValueError: if there is no such method.
    """
    given: dict[str, Any] = {"num_steps": updates}
    grids: dict[str, tuple[str, list[tuple[float, float]]]] = {
        SAM: ("rise", [(0.1, 0.5), (0.1, 2.0), (0.5, 0.5), (0.5, 2.0)]),
        NOISE: ("step_noise", [(0.1, 0.2), (0.1, 0.7), (0.5, 0.2), (0.5, 0.7)]),
        DECAY: ("shrink", [(0.5, 3.0), (1.5, 1.0), (1.5, 3.0), (1.5, 10.0)]),
        SMALL: ("start", [(0.1, 0.3), (0.1, 0.05), (0.5, 0.3), (0.5, 0.05)]),
    }
    if method not in grids:
        raise ValueError(f"method = {method!r}: must be one of {', '.join(CHOSEN)}")
    if method == DECAY:
        given = {"num_steps": full_steps(updates), "batch": "full"}
    field, pairs = grids[method]
    # few updates, as of a test, cannot shrink the weights by more than their number
    most = given["num_steps"] / 2 if method == DECAY else math.inf
    settings: list[dict[str, Any]] = [
        {"kick": kick, field: min(value, most)} for kick, value in pairs
    ]
    return [Arm(name=method, **setting, **given) for setting in settings]


def full_steps(updates: int) -> int:
    """Updates of a full batch where others take so many with one example."""
    return max(1, round(FULL_SHARE * updates))


def cell(place: Place, arms: Iterable[Arm], seed: int) -> CellConfig:
    """The config of a place with some methods."""
    n, d = SIZES[place.data]
    return CellConfig(
        architecture=place.architecture,
        width=place.width,
        data=place.data,
        noisy=place.noisy,
        n=n,
        d=d,
        arms=tuple(arms),
        data_seed=seed,
        init_seed=seed,
    )


def trial(place: Place, seed: int) -> CellConfig:
    """All candidates of all methods at a place, named by their numbers."""
    arms = [
        Arm(**(arm.model_dump() | {"name": f"{method}, {number}"}))
        for method in CHOSEN
        for number, arm in enumerate(candidates(method))
    ]
    return cell(place, arms, seed)


Choice = Mapping[str, int]
"""Number of the chosen candidate of every method."""

USUAL: Choice = dict.fromkeys(CHOSEN, 2)
"""Where nothing was tried."""


def choose(scores: Sequence[Sequence[float]]) -> dict[str, int]:
    """The candidate of every method with the best mean score; the first of equals.

    Args:
        scores: a row a seed, a column an arm of `trial`.
    """
    mean = np.mean(np.asarray(scores, dtype=float), axis=0)
    each = mean.reshape(len(CHOSEN), -1)
    return {name: int(np.argmax(row)) for name, row in zip(CHOSEN, each, strict=True)}


def choices(own: Committed) -> dict[Place, dict[str, int]]:
    """What was chosen at every place whose candidates were tried on all seeds.

    Args:
        own: the committed runs.
    """
    histories = own.histories
    found = {}
    for place in places():
        tried = [trial(place, seed) for seed in TUNING_SEEDS]
        if all(config in histories for config in tried):
            found[place] = choose([histories[config]["score"] for config in tried])
    return found


def race(place: Place, choice: Choice, seed: int, updates: int = UPDATES) -> CellConfig:
    """The five methods at a place, each with its chosen setting.

    Args:
        place: where.
        choice: from `choices`.
        seed: of data and start.
        updates: as in `candidates`.
    """
    arms = [candidates(method, updates)[choice[method]] for method in CHOSEN]
    sam = arms[CHOSEN.index(SAM)]
    arms.append(Arm(name=PLAIN, kick=sam.kick, num_steps=sam.num_steps))
    return cell(place, arms, seed)


Histories = dict[CellConfig, dict[str, list[Any]]]
"""By config, the columns of a history, with an entry an arm."""


def live_places(scale: str) -> list[Place]:
    """The places that a build races: all that were drawn, or the first that are cheap.

    Args:
        scale: "whole", "slice" or "least".
    """
    if scale == "whole":
        return drawn()
    cheap = [
        place
        for place in drawn()
        if place.architecture in TWO_LAYER and place.width <= CHEAP_WIDTH
    ]
    return cheap[: {"slice": 3, "least": 1}[scale]]


CHEAP_WIDTH = 100


def live(
    scale: str,
    seeds: int,
    first_seed: int,
    own: Committed,
    *,
    updates: int = UPDATES,
    sphere_steps: int = spheres.STEPS,
) -> Histories:
    """The runs of this build.

    Args:
        scale: as in `live_places`.
        seeds: how many.
        first_seed: the first.
        own: the committed runs, whose choices are taken; of a place without, `USUAL`.
        updates: as in `candidates`.
        sphere_steps: of gradient descent on the sphere.
    """
    chosen = choices(own)
    configs = [
        config
        for seed in range(first_seed, first_seed + seeds)
        for config in (
            *spheres.cells(spheres.live_sizes(scale), seed, sphere_steps),
            *(
                race(place, chosen.get(place, USUAL), seed, updates)
                for place in live_places(scale)
            ),
        )
    ]
    runs = run_all(configs)
    return {
        config: kept_history(run.history)
        for config, run in zip(configs, runs, strict=True)
    }


def evidence(own: Committed, made: Histories, scale: str) -> Histories:
    """The runs that decide: of this build if it has all, else the committed ones.

    Args:
        own: the committed runs. Of these the races decide, as `raced` has them.
        made: from `live`.
        scale: as `live` had it.
    """
    if scale == "whole" or not own.rows:
        return made
    solved = {
        config: history
        for config, history in own.histories.items()
        if isinstance(config, CellConfig) and config.data == spheres.SPHERE
    }
    return solved | raced(own)


def raced(own: Committed) -> Histories:
    """The committed races of the first places of the order, up to a gap.

    So which places decide follows from the order and from how long the machine ran,
    and from no result.

    Args:
        own: the committed runs.
    """
    histories, chosen = own.histories, choices(own)
    found: Histories = {}
    for place in places():
        if place not in chosen:
            break
        races = [race(place, chosen[place], seed) for seed in RACING_SEEDS]
        if not all(config in histories for config in races):
            break
        found |= {config: histories[config] for config in races}
    return found


def place_of(config: CellConfig) -> Place:
    """The place of a cell."""
    names = ("architecture", "width", "data", "noisy")
    return Place(*(getattr(config, name) for name in names))


def planned() -> list[CellConfig]:
    """All runs that are wanted next, in their order.

    First the sphere. Then the races of all places whose candidates were tried, and the
    candidates of the next few places. A further call goes on from there, beyond the
    places that were drawn.
    """
    chosen = choices(committed(CHAPTER))
    configs = [
        config
        for seed in RACING_SEEDS
        for config in spheres.cells(spheres.sizes(), seed)
    ]
    configs += [
        race(place, choice, seed)
        for place, choice in chosen.items()
        for seed in RACING_SEEDS
    ]
    untried = [place for place in places() if place not in chosen]
    configs += [
        trial(place, seed) for place in untried[:STEPS_AHEAD] for seed in TUNING_SEEDS
    ]
    return configs
