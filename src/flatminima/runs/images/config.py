"""What a training run on images is: one frozen, validated record."""

import math
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.models.nets import image_nets
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

COUPLED = ("sgd", "phb", "adam", "adagrad")
"""Optimisers that take weight decay as a part of the gradient, as torch's do."""

PERTURBED = {"weights": "SAM", "random": "Random", "inputs": "Inputs"}
"""What rho moves, and what a rule is called for it."""


class ImageConfig(BaseModel):
    """One training run. Equal configs give equal bits on one machine.

    Values out of range raise `pydantic.ValidationError` (a ValueError) that names the
    argument, the value and what is allowed.

    Attributes:
        data: a name of `SETS`.
        n: number of training images, drawn in balance over classes.
        test_n: number of test images, the first of the test set.
        size: height and width, to which images are averaged over areas.
        net: a name of `models.nets.image_nets.NORMS`.
        width: channels of the first stage; tokens have 4 times as many.
        norm: one of those that the network can have.
        optimiser: a name of `NAMES`; "phb" is SGD with momentum .8. All have the
            defaults of torch or pytorch-optimizer, but for the learning rate.
        lr: learning rate, at the start.
        schedule: "constant", or "cosine": lr (1 + cos(pi t / T)) / 2 at step t of T.
        weight_decay: lambda; lambda w joins the gradient.
        rho: how far weights or images are moved before the gradient of an update is
            taken; 0 for nowhere.
        perturbed: what is moved. "weights", along the gradient: SAM. "random": the
            weights, in a fresh direction at every step, uniform on the sphere.
            "inputs": every image, along the gradient of its own loss, in standardised
            pixels: adversarial training.
        ascent_steps: in which SAM goes rho, each of the same length and along the
            gradient where the one before ended.
        second_order: whether SAM's update has the derivative of the ascent too.
        m: examples that share an ascent of SAM. 0 for those of the step; a divisor of
            `batch` for parts of it, each with an ascent of its own; n for the whole
            training set, whose ascent every step then takes.
        sam_from: epochs after which `rho` is used.
        sam_until: epochs after which it is used no more; None for never.
        label_noise: share of the training labels, at most .9, that are replaced by
            another class at random.
        batch: number of examples of a step. The examples are an endless sequence of
            fresh permutations of the training set, cut into batches.
        num_epochs: passes over the training set at most.
        target_loss: at most this cross entropy over the training set, in evaluation
            mode, looked at every quarter of an epoch.
        to_the_end: whether to go on after the target, and measure again every 50th
            epoch; else training stops there.
        rows_every: epochs between rows of losses and accuracies alone; 0 for none.
        measured: "report", "around" or "nothing"; see `measures.sharpness` and
            `around.columns`.
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
    net: Literal["simple", "middle", "complex", "resnet", "vit", "mixer"] = "simple"
    width: Annotated[int, Field(ge=1, le=256, strict=True)] = 8
    norm: Literal["batch", "group", "layer", "none"] = "batch"
    optimiser: Literal["sgd", "phb", "adam", "adagrad", "adabound", "adashift"] = "sgd"
    lr: Positive = 0.1
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: NonNegative = 0.0
    rho: NonNegative = 0.0
    perturbed: Literal["weights", "random", "inputs"] = "weights"
    ascent_steps: Annotated[int, Field(ge=1, le=20, strict=True)] = 1
    second_order: bool = False
    m: Annotated[int, Field(ge=0, strict=True)] = 0
    sam_from: NonNegative = 0.0
    sam_until: NonNegative | None = None
    label_noise: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    batch: Annotated[int, Field(ge=2, strict=True)] = 128
    num_epochs: Annotated[int, Field(ge=1, le=10_000, strict=True)] = 200
    target_loss: Positive = 0.01
    to_the_end: bool = False
    rows_every: Annotated[int, Field(ge=0, strict=True)] = 0
    measured: Literal["report", "around", "nothing"] = "report"
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
        if self.optimiser not in COUPLED:
            refuse_unused(self, "weight_decay", f"{self.optimiser} decouples it")
        if self.measured != "report":
            refuse_unused(self, "probes", f"measured = {self.measured!r} has none")
        elif not image_nets.foldable(self.constants):
            raise ValueError(
                f"measured = 'report' with net = {self.net!r}, norm = {self.norm!r}: "
                "must be 'around' or 'nothing'; the report's measures are those of "
                "networks of convolutions with batch norm or without any"
            )
        self._check_perturbation()
        image_nets.check(self.constants, self.shape)
        return self

    def _check_perturbation(self) -> None:
        """Refuse what goes with SAM alone, and parts that do not fit."""
        if self.rho == 0:
            for name in ("perturbed", "sam_from", "sam_until"):
                refuse_unused(self, name, "rho = 0 moves nothing")
        if self.rho == 0 or self.perturbed != "weights":
            for name in ("ascent_steps", "second_order", "m"):
                refuse_unused(self, name, "only SAM has it")
        if self.second_order and self.ascent_steps > 1:
            raise ValueError(
                f"second_order = True with ascent_steps = {self.ascent_steps}: must "
                "have ascent_steps = 1"
            )
        if self.m not in (0, self.n) and self.batch % self.m:
            raise ValueError(
                f"m = {self.m}: must be 0, a divisor of batch = {self.batch}, or n = "
                f"{self.n}"
            )
        if self.m == self.batch:
            raise ValueError(f"m = {self.m}: must be left out where it is the batch")
        if self.norm == "batch" and self.m == 1:
            raise ValueError("m = 1: must be at least 2 for norm = 'batch'")
        if self.sam_until is not None and self.sam_until <= self.sam_from:
            raise ValueError(
                f"sam_until = {self.sam_until}: must be above sam_from = "
                f"{self.sam_from}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of an image as the network takes it."""
        return (SETS[self.data][0], self.size, self.size)

    @property
    def constants(self) -> image_nets.Constants:
        """What the architecture takes of the config."""
        return image_nets.Constants(self.net, self.width, self.norm)

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
        moved = f"{PERTURBED[self.perturbed]} + " if self.rho > 0 else ""
        return moved + NAMES[self.optimiser]

    def perturbs(self, step: int) -> bool:
        """Whether `rho` is used in the update after so many."""
        done = step * self.batch / self.n
        until = float("inf") if self.sam_until is None else self.sam_until
        return self.rho > 0 and self.sam_from <= done < until

    def lr_at(self, step: int) -> float:
        """The learning rate of the update after so many."""
        if self.schedule == "constant":
            return self.lr
        return self.lr * (1 + math.cos(math.pi * step / self.num_steps)) / 2

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
