"""What a config stands for: images as tensors, and networks with given weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flatminima.data.images.image_set import CLASSES
from flatminima.data.images.load import images
from flatminima.data.streams import generator
from flatminima.models.nets import image_nets
from flatminima.models.nets.parts import initialise
from flatminima.runs.images.config import ImageConfig


@dataclass(frozen=True)
class Problem:
    """Training and test images, standardised, in float32.

    Attributes:
        x: training images, channels last in memory.
        y: their classes, after `relabelled`.
        test_x, test_y: the same of those held out.
    """

    x: Float[Tensor, "n c h w"]
    y: Int[Tensor, " n"]
    test_x: Float[Tensor, "m c h w"]
    test_y: Int[Tensor, " m"]


def data(config: ImageConfig) -> Problem:
    """The images of a config. Shared between callers: do not change the tensors.

    Raises:
        DataFault: if the data set is not here, or damaged.
        ValueError: if it has fewer images than the config asks for.
    """
    return _data(
        config.data,
        config.n,
        config.test_n,
        config.size,
        config.label_noise,
        config.data_seed,
    )


@lru_cache(maxsize=4)
def _data(
    name: str, n: int, test_n: int, size: int, label_noise: float, seed: int
) -> Problem:
    whole = images(name)
    for field, asked, there in (
        ("n", n, len(whole.train_x)),
        ("test_n", test_n, len(whole.test_x)),
    ):
        if asked > there:
            raise ValueError(
                f"{field} = {asked}: must be at most {there}, as many as there are in "
                f"the {name} that was found"
            )
    chosen = balanced(whole.train_y, n, seed)
    x = resized(whole.train_x[chosen], size)
    test_x = resized(whole.test_x[:test_n], size)
    axes = (0, 2, 3)
    mean, std = x.mean(dim=axes, keepdim=True), x.std(dim=axes, keepdim=True)

    def tensors(pixels: Tensor, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        normal = ((pixels - mean) / std).float()
        return normal.contiguous(memory_format=torch.channels_last), torch.tensor(
            labels
        )

    train = tensors(x, relabelled(whole.train_y[chosen], label_noise, seed))
    return Problem(*train, *tensors(test_x, whole.test_y[:test_n]))


def balanced(y: Int[np.ndarray, " m"], n: int, seed: int) -> Int[np.ndarray, " n"]:
    """n of the images at random, as many of each class up to one, while they last.

    Args:
        y: classes of all.
        n: how many, at most m.
        seed: draws which.
    """
    rng = generator(seed, "images")
    order, turns = rng.permutation(len(y)), rng.permutation(CLASSES)
    # the first image of every class, then the second, and so on
    rank = np.empty(len(y), dtype=int)
    for label in range(CLASSES):
        of_class = y[order] == label
        rank[of_class] = np.arange(of_class.sum())
    return order[np.lexsort((turns[y[order]], rank))][:n]


def relabelled(
    y: Int[np.ndarray, " n"], share: float, seed: int
) -> Int[np.ndarray, " n"]:
    """Some of the labels replaced by another class, each of the others as likely.

    Args:
        y: classes.
        share: of the labels, rounded to whole ones.
        seed: draws which, and what they become.
    """
    rng = generator(seed, "labels")
    which = rng.permutation(len(y))[: round(share * len(y))]
    noisy = y.copy()
    noisy[which] = (y[which] + rng.integers(1, CLASSES, size=len(which))) % CLASSES
    return noisy


def resized(pixels: np.ndarray, size: int) -> Float[Tensor, "n c size size"]:
    """Bytes as numbers from 0 to 1, averaged over areas to another size."""
    parts = [
        nn.functional.interpolate(
            torch.from_numpy(part.copy()).double() / 255, size=(size, size), mode="area"
        )
        for part in np.array_split(pixels, -(-len(pixels) // 5000))
    ]
    return torch.cat(parts)


def bare(config: ImageConfig) -> nn.Sequential:
    """The network of a config, its weights not drawn."""
    return image_nets.build(config.constants, config.shape, CLASSES)


def initial_arrays(config: ImageConfig) -> dict[str, np.ndarray]:
    """Weights and buffers at the start, by their names in the module."""
    module = bare(config)
    initialise(module, "relu", generator(config.init_seed, "init"))
    return {name: t.detach().numpy().copy() for name, t in module.state_dict().items()}


def network(config: ImageConfig, arrays: Mapping[str, np.ndarray]) -> nn.Sequential:
    """The network of a run, such as a trained one, in evaluation mode and float32.

    Args:
        config: the run.
        arrays: of its state or of its `Run`, weights and buffers by name; the rest is
            left aside.
    """
    module = bare(config)
    own = {name: torch.tensor(arrays[name]) for name in module.state_dict()}
    module.load_state_dict(own)
    return module.eval()
