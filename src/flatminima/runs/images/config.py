"""What a training run on images is: one frozen, validated record."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.models.nets import report
from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]

SETS: dict[str, tuple[int, int, int, int]] = {
    "fashion_mnist_subset": (1, 28, 2000, 2000),
    "fashion_mnist": (1, 28, 60_000, 10_000),
    "cifar10": (3, 32, 50_000, 10_000),
}
"""Channels, size, training and test images at most. CIFAR-10 may be here in part."""

NAMES = {
    "sgd": "SGD",
    "phb": "PHB",
    "adam": "Adam",
    "adagrad": "Adagrad",
    "adabound": "AdaBound",
    "adashift": "AdaShift",
}
"""Of the optimisers."""


class ImageConfig(BaseModel):
    """One training run. Equal configs give equal bits on one machine.

    Values out of range raise `pydantic.ValidationError` (a ValueError) that names the
    argument, the value and what is allowed.

    Attributes:
        data: a name of `SETS`.
        n: number of training images, drawn in balance over classes.
        test_n: number of test images, the first of the test set.
        size: height and width, to which images are averaged over areas.
        net: a name of `models.nets.report.STAGES`.
        width: channels of the first stage.
        norm: "batch" or "none".
        optimiser: a name of `NAMES`; "phb" is SGD with momentum .8. All have the
            defaults of torch or pytorch-optimizer, but for the learning rate.
        lr: learning rate.
        rho: radius of SAM's normalised ascent step; 0 for none.
        batch: number of examples of a step. The examples are an endless sequence of
            fresh permutations of the training set, cut into batches.
        num_epochs: passes over the training set at most.
        target_loss: at most this cross entropy over the training set, in evaluation
            mode, looked at every quarter of an epoch.
        to_the_end: whether to go on after the target, and measure again every 50th
            epoch; else training stops there.
        sharpness_n: training images over which sharpness is measured, the first of
            those that are drawn.
        probes: an image, see `sharpness.sequence`; 0 for the exact diagonal.
        precision: "float32", or "tf32" in which GPUs multiply faster and coarser.
        device: "cpu" or "cuda"; their bits differ.
        data_seed: draws the training images.
        init_seed: draws the weights, the order of the images and the probes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.images.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.minimum_sharpness"
    """The module that compares it with the source's own runs."""

    data: Literal["fashion_mnist_subset", "fashion_mnist", "cifar10"] = (
        "fashion_mnist_subset"
    )
    n: Count = 2000
    test_n: Count = 2000
    size: Annotated[int, Field(ge=4, le=32, strict=True)] = 14
    net: Literal["simple", "middle", "complex"] = "simple"
    width: Annotated[int, Field(ge=1, le=256, strict=True)] = 8
    norm: Literal["batch", "none"] = "batch"
    optimiser: Literal["sgd", "phb", "adam", "adagrad", "adabound", "adashift"] = "sgd"
    lr: Positive = 0.1
    rho: NonNegative = 0.0
    batch: Annotated[int, Field(ge=2, strict=True)] = 128
    num_epochs: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 200
    target_loss: Positive = 0.01
    to_the_end: bool = False
    sharpness_n: Count = 1000
    probes: Annotated[int, Field(ge=0, le=100, strict=True)] = 2
    precision: Literal["float32", "tf32"] = "float32"
    device: Literal["cpu", "cuda"] = "cpu"
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        _, size, most, most_test = SETS[self.data]
        for name, bound in (("n", most), ("test_n", most_test), ("size", size)):
            if getattr(self, name) > bound:
                raise ValueError(
                    f"{name} = {getattr(self, name)}: must be at most {bound} for "
                    f"data = {self.data!r}"
                )
        for name in ("batch", "sharpness_n"):
            if getattr(self, name) > self.n:
                raise ValueError(
                    f"{name} = {getattr(self, name)}: must be at most n = {self.n}"
                )
        if self.device == "cpu":
            refuse_unused(self, "precision", "device = 'cpu' has no other")
        report.check(self.constants, self.shape)
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image as the network takes it."""
        return (SETS[self.data][0], self.size, self.size)

    @property
    def constants(self) -> report.Constants:
        """What the architecture takes of the config."""
        return report.Constants(self.net, self.width, self.norm)

    @property
    def num_steps(self) -> int:
        """Updates at most: the last is the first that ends `num_epochs`."""
        return -(-self.num_epochs * self.n // self.batch)

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows, and `test_points`, how many are held out."""
        return self.model_dump() | {"test_points": self.test_n}

    @property
    def rule(self) -> str:
        """Name of the training rule, such as "SGD" or "SAM + Adam"."""
        return ("SAM + " if self.rho > 0 else "") + NAMES[self.optimiser]

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
