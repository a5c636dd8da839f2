"""The experiment on label noise: its run against a loop in numpy."""

import numpy as np
import pytest

from flatminima.runs.descent.problem import problem
from flatminima.runs.descent.train import DRAWS, raw_bits
from flatminima.studies.label_noise import live, paths

LR = 0.03


@pytest.mark.parametrize("delta", [0.0, 0.7])
def test_numbers_are_those_of_a_plain_loop(delta):
    found = live.numbers(LR, delta)
    steps = round(live.TAU / LR**2)
    config = paths.config_at(paths.base(delta=delta, **live.SETTING), LR, steps)
    data = problem(config).data
    u, v = np.full((2, len(data.truth)), live.SETTING["alpha"])
    logs = {}
    for t, bits in enumerate(raw_bits(config, DRAWS, 0, steps, 1).ravel().tolist()):
        logs[t] = np.mean(np.log(np.abs(u * v)))
        row = ((bits >> 32) * len(data.y)) >> 32
        noise = -delta if bits & 1 else delta
        residual = (u**2 - v**2) @ data.x[row] - data.y[row] + noise
        step = 2 * LR * residual * data.x[row]
        u, v = u * (1 - step), v * (1 + step)
    burn = round(paths.BURN * steps)
    decay = logs[burn] - np.mean(np.log(np.abs(u * v)))
    constant = decay / (16 * LR**2 * (steps - burn))
    expected = {
        "steps": steps,
        "trace": 4 * (u @ u + v @ v),
        "error": np.linalg.norm(u**2 - v**2 - data.truth),
        "constant": constant,
    }
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_limiting_flow_falls_towards_the_least_trace():
    kept = live.data()
    assert kept["flow"]["at"][0] == 0
    traces = kept["flow"]["trace"]
    assert traces == sorted(traces, reverse=True)
    assert kept["least"] < traces[-1] < 1.1 * kept["least"]
    assert traces[0] > 4 * kept["least"]
