"""Data distributions.

Every draw comes from a generator that is seeded by the caller's seed and a
stream name, so two streams of one seed never share random numbers.
"""

from typing import Literal

from flatminima.data.ball import sample_ball
from flatminima.data.streams import NUM_TEST_POINTS, Dataset
from flatminima.data.xor import flip_labels, sample_xor, xor_test_set


def train_and_test(
    data: Literal["xor", "ball"], n: int, d: int, seed: int, label_noise: float = 0.0
) -> tuple[Dataset, Dataset]:
    """The training set and the held-out points of a distribution.

    Args:
        data: "xor" or "ball".
        n, d: number of training points and dimension.
        seed: seed of all draws.
        label_noise: share of the training labels that are flipped.

    Raises:
        ValueError: if there is no such data set.
    """
    if data == "ball":
        train = sample_ball(n, d, seed)
        return train, sample_ball(NUM_TEST_POINTS, d, seed, "test")
    train = sample_xor(n, d, seed)
    return flip_labels(train, label_noise, seed), xor_test_set(train, seed)
