"""The settings of the page `play`, as they lie in its scripts."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path("book", "_static", "play")

NETWORKS = {"no-bias": "no_bias", "bias": "bias", "sim-ln": "sim_ln"}
"""The engine's name of every network of the page."""


def presets(root: Path) -> list[dict[str, Any]]:
    """The settings that the page offers by a button, the first as it opens.

    Args:
        root: of the checkout.

    Raises:
        ValueError: The script holds none.
    """
    path = root / FOLDER / "presets.js"
    found = re.search(r"/\* begin \*/(.*)/\* end \*/", path.read_text("utf8"), re.S)
    if found is None:
        raise ValueError(f"{path}: no settings between the marks")
    read: list[dict[str, Any]] = json.loads(found[1])
    return read


def fields(shared: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """A run of the page in the words of the engine's configs.

    Args:
        shared: d, n, seed and steps.
        run: net, rule, eta, rho, decay, scale, c and width.

    Returns:
        Field by name. What the rule or the network does not use is left out.

    >>> run = {"net": "no-bias", "rule": "SGD", "eta": 0.01, "rho": 0.05}
    >>> run |= {"decay": 0.05, "scale": 1, "c": 1, "width": 8}
    >>> found = fields({"d": 5, "n": 10, "seed": 1, "steps": 100}, run)
    >>> found["lr"], "rho" in found, "bias_input" in found
    (0.01, False, False)
    """
    found = {
        "architecture": NETWORKS[run["net"]],
        "d": shared["d"],
        "n": shared["n"],
        "num_steps": shared["steps"],
        "data_seed": shared["seed"],
        "init_seed": shared["seed"],
        "width": run["width"],
        "lr": run["eta"],
        "init_scale": run["scale"],
    }
    if "SAM" in run["rule"]:
        found["rho"] = run["rho"]
    if "wd" in run["rule"]:
        found["weight_decay"] = run["decay"]
    if "frozen" in run["rule"]:
        found["ascent"] = "frozen"
    if run["net"] != "no-bias":
        found["bias_input"] = float(run["c"])
    return found
