"""Measurements made by hand, in round numbers."""

import json
from pathlib import Path
from typing import Any

from flatminima.studies.scale.costs import Costs, engine, read


def measurements(**about: Any) -> dict[str, Any]:
    """What a file of measurements holds; keywords replace parts of its provenance."""

    def cell(factor: str, seconds: float, batch: str = "one", **fields: int) -> dict:
        size = {"num_steps": 1000, "width": 500, "d": 30} | fields
        return {"factor": factor, "batch": batch, **size, "seconds": seconds}

    def place(place: str, workers: int, between: float, cpu: float) -> dict:
        return {
            "place": place,
            "workers": workers,
            "cells": 30,
            "alone": 0.010,
            "between": between,
            "overhead": between - 0.010 / workers,
            "client_cpu": cpu,
            "client_wait": 0.001,
        }

    def sweep(kind: str, place: str, workers: int, seconds: float, cells=4) -> dict:
        return {
            "kind": kind,
            "place": place,
            "workers": workers,
            "cells": cells,
            "num_steps": 1000,
            "num_checkpoints": 2,
            "seconds": seconds,
        }

    times = {
        "training": {"threads": (4.0, 2.0), "processes": (4.0, 2.5), "dask": (5, 2.5)},
        "measuring": {"threads": (4.0, 4.0), "processes": (4.0, 2.0), "dask": (5, 4)},
    }
    return {
        "provenance": {
            "seconds": 60.0,
            "threads": 1,
            "date": "2026-02-03T04:05:06+00:00",
            "device": {"kind": "cpu", "name": "Abacus 3"},
            "cores": 2,
            "load": [[0.5, 0.5, 0.5], [1.5, 1.0, 0.5]],
            "repeats": 3,
            "libraries": {"numpy": "2.0"},
            "engine": engine(),
        }
        | about,
        "cells": [
            *(cell("num_steps", 0.5 + k * 2e-5, num_steps=k) for k in (10_000, 1000)),
            *(cell("num_steps", k * 1e-3, "full", num_steps=k) for k in (10, 100)),
            *(cell("width", 0.1 + k * 1e-3, width=k) for k in (64, 128, 256)),
            *(cell("d", 0.1 + k * 1e-2, d=k) for k in (10, 30)),
        ],
        "spread": [
            {"rule": "SGD", "seconds": 1.0},
            {"rule": "1-SAM", "seconds": 2.0},
            {"rule": "1-SAM", "seconds": 3.0},
        ],
        "start_up": [{"place": "threads", "workers": 1, "seconds": 0.1}],
        "client": {"seconds": 0.003, "without_sync": 0.001},
        "memory": {"kept": 1.0, "returned": 3.0},
        "overhead": [
            place("threads", 1, 0.014, 0.012),
            place("processes", 1, 0.016, 0.003),
            place("dask", 1, 0.018, 0.004),
            place("dask", 2, 0.027, 0.005),
        ],
        "sweeps": [
            sweep(kind, where, workers, seconds)
            for kind, places in times.items()
            for where, both in places.items()
            for workers, seconds in enumerate(both, 1)
        ]
        + [sweep("growing", "threads", w, k / w, k) for w in (1, 2) for k in (2, 4)],
    }


def costs(folder: Path, **about: Any) -> Costs:
    """The same, through a file."""
    file = folder / "scale.json"
    file.write_text(json.dumps(measurements(**about)))
    return read(file)
