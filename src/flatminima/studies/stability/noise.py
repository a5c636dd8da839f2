"""SGD at a minimum that every example shares: thresholds predicted and measured.

The linear models have the loss (1/2) (x_i.theta - y_i)^2 with labels that a theta fits,
so that SGD is the linear process of `theory.stability` at every distance. The networks
are those of `models`, at a minimum where they fit their data; near it they are linear.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.stability.models import Instances
from flatminima.studies.stability.perceptrons import Shape, gradient, jacobian
from flatminima.studies.stability.perceptrons import predictions as predicted
from flatminima.theory.stability import mean_square, paths
from flatminima.theory.stability.mean_square import Minimum
from flatminima.theory.stability.paths import Process

NEAR = 1e-5
"""Root of the loss to which a network's displacements are brought back."""

GD = "2 / lambda_max"
"""Name of gradient descent's threshold in tables."""

LEAVING = {"steps": 600, "number_of_paths": 100}
"""Length and number of the paths of `escapes` in the chapter."""

FAR = 100.0
"""Times its first value: a loss at which a path counts as repelled."""


def inputs(seed: int) -> tuple[Float[np.ndarray, "n D"], int]:
    """Inputs of a random linear model, and a batch size for it.

    The number of examples is 12 to 24 and that of weights 6 to 30. Inputs are normal,
    and their variances fall as a random power of their number, at most the second. The
    batch has one example in every other model, else up to half of them.

    Args:
        seed: of all of it.
    """
    generator = np.random.default_rng([seed, 2])
    n, d = generator.integers(12, 25), generator.integers(6, 31)
    scales = np.arange(1, d + 1) ** -generator.uniform(0, 1)
    x = generator.standard_normal((n, d)) * scales
    batch = 1 if seed % 2 else int(generator.integers(2, n // 2 + 1))
    return x, batch


def of_linear(x: Float[np.ndarray, "n D"]) -> Minimum:
    """The minimum of a linear model with (1/2) (x_i.theta - y_i)^2."""
    return mean_square.from_factors(x[:, None, :])


def of_network(networks: Instances, number: int) -> Minimum:
    """The minimum of one network with (f - y)^2 that fits its data.

    Args:
        networks: from `models.networks`.
        number: which of them.
    """

    theta, x = networks.minima[number].numpy(), networks.x[number].numpy()
    slopes = jacobian(_shape(networks), theta, x)
    return mean_square.from_factors(np.sqrt(2) * slopes[:, None, :])


def process(networks: Instances, number: int, batch: int) -> Process:
    """SGD on one network, in displacements from its minimum.

    Args:
        networks: from `models.networks`.
        number: which of them.
        batch: examples a step.
    """
    shape, (x, y, centre) = (
        _shape(networks),
        (a[number].numpy() for a in (networks.x, networks.y, networks.minima)),
    )
    n = len(x)

    def data(count: int) -> tuple[np.ndarray, np.ndarray]:
        return np.broadcast_to(x, (count, *x.shape)), np.broadcast_to(y, (count, n))

    def step(z: np.ndarray, lr: float, generator: np.random.Generator) -> np.ndarray:
        weights = n / batch * paths.batches(generator, len(z), n, batch)
        return z - lr * gradient(shape, centre + z, *data(len(z)), weights)[0]

    def size(z: np.ndarray) -> np.ndarray:
        inputs, targets = data(len(z))
        error = predicted(shape, centre + z, inputs) - targets
        return (error**2).mean(axis=1)

    return Process(len(centre), step, size, NEAR)


def _shape(networks: Instances) -> Shape:
    if networks.shape is None:
        raise ValueError(f"networks = {networks.name!r}: must be networks")
    return networks.shape


def predictions(minimum: Minimum, batch: int) -> dict[str, float]:
    """The thresholds on the learning rate that theory gives at a minimum."""
    return {
        "n": minimum.n,
        "batch": batch,
        GD: 2 / minimum.lambda_max,
        "exact": mean_square.threshold(minimum, batch),
        "sufficient": mean_square.sufficient_threshold(minimum, batch),
    }


def linear_thresholds(
    seeds: Sequence[int], *, number_of_paths: int, steps: int
) -> pd.DataFrame:
    """Predicted and measured thresholds of SGD on random linear models.

    Args:
        seeds: a model each.
        number_of_paths, steps: of the measurement, as in `paths.measured_threshold`.

    Returns:
        A row a model: the columns of `predictions`, `measured` and the `ratio` of
        measured to exact.
    """
    rows = []
    for seed in seeds:
        x, batch = inputs(seed)
        found = paths.measured_threshold(
            paths.linear(x, batch), paths=number_of_paths, steps=steps, seed=seed
        )
        row = {"seed": seed} | predictions(of_linear(x), batch) | {"measured": found}
        rows.append(row)
    table = pd.DataFrame(rows)
    return table.assign(ratio=table["measured"] / table["exact"])


def network_thresholds(
    networks: Instances,
    seeds: Sequence[int],
    *,
    batches: Sequence[int],
    number_of_paths: int,
    steps: int,
) -> pd.DataFrame:
    """Predicted and measured thresholds of SGD at the minima of networks.

    Args:
        networks: from `models.networks`.
        seeds: of the first networks; one or more.
        batches: examples a step, each tried on each network.
        number_of_paths, steps: as for `linear_thresholds`.

    Returns:
        As `linear_thresholds`, a row a network and batch.
    """
    rows = []
    for number, seed in enumerate(seeds):
        minimum = of_network(networks, number)
        for batch in batches:
            found = paths.measured_threshold(
                process(networks, number, batch),
                paths=number_of_paths,
                steps=steps,
                seed=seed,
                first=1 / minimum.lambda_max,
            )
            predicted = predictions(minimum, batch)
            rows.append({"seed": seed} | predicted | {"measured": found})
    table = pd.DataFrame(rows)
    return table.assign(ratio=table["measured"] / table["exact"])


def exact_threshold(x: Float[np.ndarray, "n D"], batch: int) -> float:
    """`mean_square.threshold` of a linear model."""
    return mean_square.threshold(of_linear(x), batch)


def marks(x: Float[np.ndarray, "n D"], batch: int) -> dict[str, float]:
    """The other thresholds of a linear model over the exact one, by name."""
    found = predictions(of_linear(x), batch)
    exact = found["exact"]
    return {
        "Wu et al.": found["sufficient"] / exact,
        "GD": found[GD] / exact,
    }


def wu_share(networks: Instances, number: int, batch: int) -> float:
    """The threshold of Wu et al. over the exact one, at a network's minimum."""
    found = predictions(of_network(networks, number), batch)
    return found["sufficient"] / found["exact"]


def gd_over_sgd(seeds: Sequence[int]) -> pd.Series:
    """Log of the threshold of gradient descent over that of single examples.

    Args:
        seeds: a linear model each.
    """
    found = [predictions(of_linear(inputs(seed)[0]), 1) for seed in seeds]
    return pd.Series([np.log(p[GD] / p["exact"]) for p in found])


def growth_curves(
    x: Float[np.ndarray, "n D"],
    batch: int,
    relative: Sequence[float],
    *,
    number_of_paths: int,
    steps: int,
    seed: int,
) -> pd.DataFrame:
    """Growth of the second moment and of a typical path over learning rates.

    Args:
        x, batch: of the linear model.
        relative: learning rates over the exact threshold.
        number_of_paths, steps, seed: of the measurements.

    Returns:
        A row a learning rate: `relative`, and the logarithm of the growth of the loss a
        step, `exact`, `measured` by weighted paths, and `typical` of a path.
    """
    minimum = of_linear(x)
    limit = mean_square.threshold(minimum, batch)
    ways = {"paths": number_of_paths, "steps": steps, "seed": seed}
    rows = []
    for share in relative:
        lr, sgd = share * limit, paths.linear(x, batch)
        row = {
            "relative": share,
            "exact": np.log(mean_square.growth(minimum, lr, batch)),
            "measured": paths.second_moment(sgd, lr, **ways),
            "typical": paths.lyapunov(sgd, lr, **ways),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def expected_loss(
    x: Float[np.ndarray, "n D"], lr: float, batch: int, steps: int
) -> Float[np.ndarray, " steps+1"]:
    """E L(theta_t), exactly, from a start whose displacement is standard normal.

    Args:
        x, batch: of the linear model.
        lr: learning rate.
        steps: how many.
    """
    minimum = of_linear(x)
    moments = mean_square.operator(minimum, lr, batch)
    packed = mean_square.pack(np.eye(len(minimum.eigenvalues)))
    weights = mean_square.pack(np.diag(minimum.eigenvalues)) / 2
    found = [weights @ packed]
    for _ in range(steps):
        packed = moments @ packed
        found.append(weights @ packed)
    return np.array(found)


def free_paths(
    x: Float[np.ndarray, "n D"],
    lr: float,
    batch: int,
    steps: int,
    number_of_paths: int,
    seed: int,
) -> Float[np.ndarray, "steps+1 paths"]:
    """Losses of unweighted paths from starts whose displacement is standard normal.

    Args:
        x, lr, batch, steps: as for `expected_loss`.
        number_of_paths, seed: how many, and of their draws.
    """
    generator, sgd = np.random.default_rng([seed, 3]), paths.linear(x, batch)
    z = generator.standard_normal((number_of_paths, x.shape[1]))
    found = [sgd.size(z)]
    for _ in range(steps):
        z = sgd.step(z, lr, generator)
        found.append(sgd.size(z))
    return np.array(found)


def shrinking_share(
    seeds: Sequence[int], above: float, *, steps: int, number_of_paths: int
) -> pd.DataFrame:
    """How many paths lose loss where the expected loss grows.

    Args:
        seeds: a linear model each, with batches of one example.
        above: learning rate over the exact threshold, above 1.
        steps, number_of_paths: of the paths.

    Returns:
        A row a model: `shrinking`, the share of paths whose loss is lower at the end
        than at the start; `typical_decay`, minus the mean growth of its logarithm a
        step; `expected_growth`, that of the expected loss in the last step; and
        `log_mean_over_expected`, the logarithm of the mean over the paths at the end
        over its expectation.
    """
    rows = []
    for seed in seeds:
        x = inputs(seed)[0]
        lr = above * mean_square.threshold(of_linear(x), 1)
        losses = free_paths(x, lr, 1, steps, number_of_paths, seed)
        expected = expected_loss(x, lr, 1, steps)
        start, end = losses[0], np.maximum(losses[-1], np.finfo(float).tiny)
        row = {
            "data_seed": seed,
            "shrinking": float((end < start).mean()),
            "typical_decay": float(np.log(start / end).mean() / steps),
            "expected_growth": float(np.log(expected[-1] / expected[-2])),
            "log_mean_over_expected": float(np.log(end.mean() / expected[-1])),
        }
        rows.append(row)
    return pd.DataFrame(rows)


def escapes(
    networks: Instances,
    number: int,
    batch: int,
    relative: Sequence[float],
    *,
    steps: int,
    number_of_paths: int,
    seed: int,
) -> pd.DataFrame:
    """The share of SGD's paths that leave the minimum of a network, over lr.

    A path leaves if its loss is ever `FAR` times that of its start, which is at
    `NEAR`**2. All paths of all learning rates run at once.

    Args:
        networks, number, batch: as for `process`.
        relative: learning rates over the exact threshold.
        steps, number_of_paths, seed: of the paths.

    Returns:
        A row a learning rate: `relative` and `escaped`, a share of the paths.
    """
    sgd, generator = process(networks, number, batch), np.random.default_rng(seed)
    limit = mean_square.threshold(of_network(networks, number), batch)
    rates = limit * np.repeat(relative, number_of_paths)[:, None]
    z = generator.standard_normal((len(rates), sgd.dim))
    z *= NEAR / np.linalg.norm(z, axis=1, keepdims=True)
    z *= (NEAR / np.sqrt(sgd.size(z)))[:, None]
    gone = np.zeros(len(z), dtype=bool)
    for _ in range(steps):
        move = sgd.step(z, 1.0, generator) - z
        z = z + rates * move
        gone |= ~(sgd.size(z) <= FAR * NEAR**2)
        z[gone] = 0.0
    share = gone.reshape(len(relative), number_of_paths).mean(axis=1)
    return pd.DataFrame({"relative": list(relative), "escaped": share})
