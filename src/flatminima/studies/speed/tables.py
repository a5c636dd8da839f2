"""What a training step costs, as `benchmarks/` has measured it, beside its limits.

`benchmarks/results/speed.json` holds a race of batch-one kernels,
`architectures.json` the step of every architecture. Times differ from machine to
machine, so pages show these files instead of measuring on every build.

A step of P multiplications with additions that moves B bytes takes at least
max(P / peak, B / bandwidth) seconds: this is the roofline. Both are counted on paper,
peak and bandwidth are measured.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flatminima.checks import at_least
from flatminima.identity import source_digest
from flatminima.plots.style import ARCHITECTURES as NAMES
from flatminima.results.edits import is_same
from flatminima.results.kept import kept
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.train import modules
from flatminima.sources.wen_li_ma import PAPER_SERIAL_STEPS

RESULTS = kept("benchmarks/results")
RACE = RESULTS / "speed.json"
ARCHITECTURES = RESULTS / "architectures.json"

SIZE = Config(architecture="bias")
"""The race is run at the source's size, which is the default of `Config`."""

CASE = ["architecture", "dtype", "when"]
ENGINE, ACTIVE, GRAM = "four steps a pass", "active units", "Gram form"


@dataclass(frozen=True)
class Measured:
    """A file of measurements, all on one core of one machine.

    Attributes:
        machine: model of the processor.
        date: when, ISO 8601; "" in older files.
        engine: digest of the engine that was measured; "" in older files.
        peak: 1e9 multiplications with additions a second, by dtype.
        bandwidth: 1e9 bytes a second, by dtype and level of the memory.
        level_kib: size of the array that each bandwidth is of.
        rows: one row a timed case: architecture, dtype, when, step, microseconds,
            products and bytes of a step, and more.
        ideas: of each candidate of the race, a sentence.
    """

    machine: str
    date: str
    engine: str
    peak: dict[str, float]
    bandwidth: dict[str, dict[str, float]]
    level_kib: dict[str, int]
    rows: pd.DataFrame
    ideas: dict[str, str]

    @property
    def origin(self) -> str:
        """Machine, date and engine in one line, with a word if the engine is older."""
        line = f"measured on one core of {self.machine}"
        if not self.date:
            return line
        line += f", {self.date[:10]}, engine {self.engine[:8]}"
        now = engine(self.rows["architecture"].unique())
        same = is_same(self.engine, now)
        return line if same else f"{line} (older engine)"


def engine(architectures: Iterable[str]) -> str:
    """Digest of the engine that would be measured now."""
    configs = [Config.model_validate({"architecture": a}) for a in architectures]
    return source_digest(*sorted({m for config in configs for m in modules(config)}))


def read(file: Path) -> Measured:
    """Read measurements.

    Raises:
        FileNotFoundError: if there are none, with what makes them.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"no measurements at {file}: `make speed`, in a checkout of the "
            "repository, makes them"
        )
    found: dict[str, Any] = json.loads(file.read_text("utf8"))
    return Measured(
        machine=found["machine"],
        date=found.get("date", ""),
        engine=found.get("engine", ""),
        peak=found["peak_1e9_products_a_second"],
        bandwidth=found["gigabytes_a_second"],
        level_kib=found["level_kib"],
        rows=pd.DataFrame(found["rows"]),
        ideas=found.get("candidates", {}),
    )


def limits(measured: Measured) -> pd.DataFrame:
    """Peak and bandwidths, one row a dtype."""
    rows = {
        dtype: {"1e9 products/s": peak}
        | {
            f"{level}, GB/s": speed
            for level, speed in measured.bandwidth[dtype].items()
        }
        for dtype, peak in measured.peak.items()
    }
    return pd.DataFrame(rows).T.rename_axis("dtype")


def level_of(measured: Measured, size: float) -> str:
    """The level of the memory in which an array of `size` bytes stays."""
    for level, kib in measured.level_kib.items():
        if size <= kib * 1024:
            return level
    return level


def roofline(measured: Measured) -> pd.DataFrame:
    """Every case beside its limit.

    Returns:
        The rows, and: name (of the architecture), intensity (products a byte), speed
        (1e9 products a second), level (where the weights stay), ceiling (1e9 products a
        second), least (microseconds at the ceiling), times (microseconds over least)
        and bound ("arithmetic" or the level).
    """
    rows = measured.rows.copy()
    rows["name"] = [NAMES[key][0] for key in rows["architecture"]]
    weights = (SIZE.d + 2) * SIZE.width
    if "weights" not in rows:
        rows["weights"] = weights
    itemsize = rows["dtype"].map(lambda name: np.dtype(name).itemsize)
    rows["level"] = [level_of(measured, s) for s in rows["weights"] * itemsize]
    bandwidth = np.array(
        [
            measured.bandwidth[dtype][level]
            for dtype, level in zip(rows["dtype"], rows["level"], strict=True)
        ]
    )
    peak = rows["dtype"].map(measured.peak)
    rows["intensity"] = rows["products"] / rows["bytes"]
    rows["speed"] = rows["products"] / rows["microseconds"] / 1e3
    rows["ceiling"] = np.minimum(peak, bandwidth * rows["intensity"])
    rows["least"] = rows["products"] / rows["ceiling"] / 1e3
    rows["times"] = rows["microseconds"] / rows["least"]
    rows["bound"] = rows["level"].where(rows["ceiling"] < peak, "arithmetic")
    return rows


def winners(race: Measured) -> pd.DataFrame:
    """The fastest candidate of every case, and by how much."""
    table = race.rows.pivot_table(
        index=CASE, columns="candidate", values="microseconds"
    )
    ordered = np.sort(table.to_numpy(), axis=1)
    ranks = table.columns.to_numpy()[np.argsort(table.to_numpy(), axis=1)]
    return pd.DataFrame(
        {
            "fastest": ranks[:, 0],
            "microseconds": ordered[:, 0],
            "next": ranks[:, 1],
            "times as long": ordered[:, 1] / ordered[:, 0],
        },
        index=table.index,
    )


def ideas(race: Measured) -> str:
    """The candidates of the race, as a list in Markdown."""
    lines = [
        f"- **{name}**: {idea.removeprefix(f'{name}: ')}"
        for name, idea in race.ideas.items()
    ]
    return "\n".join(lines)


def who_won(race: Measured) -> str:
    """The outcome of the race, in sentences."""
    table = winners(race)
    lines = []
    for name, rows in table.groupby("fastest", sort=False):
        low, high = rows["times as long"].min(), rows["times as long"].max()
        lines.append(
            f"**{name}** is fastest in {len(rows)} of {len(table)} cases; the next "
            f"candidate takes {low:.2f} to {high:.2f} times as long."
        )
    return " ".join(lines)


def distance(race: Measured) -> pd.DataFrame:
    """Medians over all cases of a dtype: how far each candidate is from its limit."""
    rows = roofline(race)
    table = rows.groupby(["dtype", "candidate"], sort=False)[
        ["microseconds", "least", "times", "intensity"]
    ].median()
    return table.rename(
        columns={"least": "least on paper", "times": "times the least"}
    ).sort_values(["dtype", "microseconds"])


def paper_against_race(race: Measured) -> str:
    """Whether the candidate with the least time on paper is the fastest, in words."""
    columns = ["microseconds", "least", "times"]
    median = roofline(race).groupby("candidate")[columns].median()
    paper = median.sort_values("least").iloc[0]
    fastest = median.sort_values("microseconds").iloc[0]
    line = (
        f"On paper **{paper.name}** needs the least time, a median of "
        f"{paper['least']:.2f} µs; it takes {paper['times']:.1f} times as long."
    )
    if paper.name == fastest.name:
        return f"{line} It is also the fastest in the race."
    return (
        f"{line} The fastest in the race, **{fastest.name}**, needs "
        f"{fastest['least']:.2f} µs on paper, and takes {fastest['times']:.1f} times "
        "that."
    )


def gram_limit(inputs: float, units: float, active: float) -> float:
    """Examples up to which the Gram form moves fewer numbers than `active units`.

    Of the weights every row is read and the active ones are read and written, units
    inputs + 2 active inputs numbers. Of the pre-activations of n examples one
    column is read and the active rows are read and written, units + 2 active n. The
    second is less if n < inputs + units (inputs - 1) / (2 active).

    Args:
        inputs: inputs of the first layer, the bias included.
        units: hidden units.
        active: units that are active on an example.

    Raises:
        ValueError: unless inputs >= 1 and units >= active > 0.
    """
    at_least("inputs", inputs, 1)
    if not 0 < active <= units:
        raise ValueError(f"active = {active}: allowed are 0 < active <= {units}")
    return inputs + units * (inputs - 1) / (2 * active)


def gram_table(race: Measured) -> pd.DataFrame:
    """What the count of numbers says of the Gram form, beside the race.

    Returns:
        One row for each architecture and time: active units, the number of examples
        below which the Gram form moves less, which moves less at the race's size,
        and how many times as long the Gram form took, by dtype.
    """
    table = race.rows.pivot_table(
        index=["architecture", "when"],
        columns=["dtype", "candidate"],
        values="microseconds",
    )
    active = race.rows.groupby(["architecture", "when"])["active_mean"].first()
    found = pd.DataFrame({"active units": active})
    has_bias = active.index.get_level_values("architecture") != "no_bias"
    found["moves less below n ="] = [
        gram_limit(SIZE.d + int(bias), SIZE.width, mean)
        for bias, mean in zip(has_bias, active, strict=True)
    ]
    less = found["moves less below n ="] > SIZE.n
    found[f"moves less at n = {SIZE.n}"] = np.where(less, GRAM, ACTIVE)
    for dtype in table.columns.unique("dtype"):
        found[f"{GRAM} / {ACTIVE}, {dtype}"] = table[dtype, GRAM] / table[dtype, ACTIVE]
    return found


def gram_outcome(race: Measured) -> str:
    """Whether the count of numbers foretold the race, in sentences."""
    table = gram_table(race)
    ratios = table.filter(like=" / ").to_numpy()
    foretold = (table[f"moves less at n = {SIZE.n}"] == GRAM).to_numpy()[:, None]
    agree = int((foretold == (ratios < 1)).sum())
    fastest = int((winners(race)["fastest"] == GRAM).sum())
    return (
        f"The count is right in {agree} of {ratios.size} cases. The Gram form is "
        f"faster than {ACTIVE} in {int((ratios < 1).sum())} of them, and the fastest "
        f"of all candidates in {fastest}."
    )


def architecture_table(costs: Measured) -> pd.DataFrame:
    """A step of every architecture beside PyTorch's and its limit.

    Returns:
        Microseconds; the peer's and their ratio; the least time on paper, the
        time over it and what binds; and minutes for the source's own curve.
    """
    rows = roofline(costs)
    steps = rows["architecture"].map(PAPER_SERIAL_STEPS)
    rows["peer / ours"] = rows["peer"] / rows["microseconds"]
    rows["minutes for the curve"] = rows["microseconds"] * steps / 6e7
    names = {
        "microseconds": "µs",
        "peer": "PyTorch, µs",
        "peer / ours": "peer / ours",
        "active": "active units",
        "least": "least, µs",
        "times": "times the least",
        "bound": "bound by",
        "minutes for the curve": "minutes for the curve",
    }
    return rows.set_index(["name", "dtype", "when"])[list(names)].rename(columns=names)
