"""What a training run of a torch network is: one frozen, validated record."""

import importlib
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.kind import refuse_unused

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, strict=True)]
Seed = Annotated[int, Field(ge=0, strict=True)]


class NetConfig(BaseModel):
    """One training run. Equal configs give equal bits on one machine.

    Values out of range raise `pydantic.ValidationError` (a ValueError) that names the
    argument, the value and what is allowed. So does a value that the run takes no
    notice of, unless it is the default.

    Attributes:
        data: a module of `flatminima.data`: "digits", images of ten classes, or
            "clusters", four classes in 20 dimensions.
        n: number of training points.
        label_shuffle: share of the training labels that are redrawn at random.
        net: a module of `flatminima.models.nets`.
        depth: layers of weights.
        width: units or channels of every hidden layer.
        activation: "relu", "tanh", "softplus" or "gelu".
        norm: "none", "batch" or, for "cnn", "group".
        skip: whether hidden layers from the second on are added to their input.
        dropout: rate after every activation.
        init_scale: factor on all initial weights.
        loss: "cross_entropy", or "squared", the squared distance to the one-hot label,
            summed over outputs; both are means over examples, without a factor 1/2.
        optimiser: "sgd", or "adam" with torch's betas and eps.
        lr: learning rate.
        momentum: of "sgd", as in torch: v <- momentum v + g, w <- w - lr v.
        batch: number of examples of a step, or "full". The examples are an endless
            sequence of fresh permutations of the training set, cut into batches.
        weight_decay: added to the gradient as weight_decay * w, also for "adam".
        rho: radius of SAM's normalised ascent step; 0 for none.
        num_steps: parameter updates at most.
        target_loss: every quarter of an epoch the loss over the
            training set is taken in evaluation mode; at most this, training stops. 0
            for none.
        num_checkpoints: times at which everything is measured: step 0, then evenly in
            the logarithm of the step, the last step included, and where the run stops.
        measure_at: further steps at which to measure, those up to num_steps.
        sharpness: whether trace and lambda_max are measured too, at checkpoints.
        predictors: whether the last row has the measures of
            `flatminima.runs.nets.predictors`.
        dtype: precision of training; all measures are taken in float64.
        data_seed: draws the training set, the test set and the redrawn labels.
        init_seed: draws the weights, the order of the examples and the dropout.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.nets.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.talk"
    """The module that compares it with the source's own runs."""

    data: Literal["digits", "clusters"] = "digits"
    n: Count = 1000
    label_shuffle: Annotated[float, Field(ge=0, le=1)] = 0.0
    net: Literal["mlp", "cnn"] = "mlp"
    depth: Annotated[int, Field(ge=1, le=100, strict=True)] = 3
    width: Count = 64
    activation: Literal["relu", "tanh", "softplus", "gelu"] = "relu"
    norm: Literal["none", "batch", "group"] = "none"
    skip: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    init_scale: Positive = 1.0
    loss: Literal["cross_entropy", "squared"] = "cross_entropy"
    optimiser: Literal["sgd", "adam"] = "sgd"
    lr: Positive = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch: Literal["full"] | Count = 32
    weight_decay: NonNegative = 0.0
    rho: NonNegative = 0.0
    num_steps: Count = 10_000
    target_loss: NonNegative = 0.0
    num_checkpoints: Annotated[int, Field(ge=2, le=1000, strict=True)] = 14
    measure_at: tuple[Count, ...] = ()
    sharpness: bool = False
    predictors: bool = False
    dtype: Literal["float32", "float64"] = "float64"
    data_seed: Seed = 0
    init_seed: Seed = 0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        most = self.data_module.MOST
        if self.n > most:
            raise ValueError(
                f"n = {self.n}: must be at most {most} for data = {self.data!r}"
            )
        if isinstance(self.batch, int) and self.batch >= self.n:
            raise ValueError(
                f"batch = {self.batch}: must be below n = {self.n} "
                '("full" is all examples)'
            )
        if self.label_shuffle > 0 and round(self.label_shuffle * self.n) == 0:
            raise ValueError(
                f"label_shuffle = {self.label_shuffle}: redraws none of n = {self.n} "
                "labels; must be 0 or redraw at least one"
            )
        if self.lr * self.weight_decay >= 1:
            product = self.lr * self.weight_decay
            raise ValueError(f"lr * weight_decay = {product}: must be below 1")
        if self.optimiser == "adam":
            refuse_unused(self, "momentum", "optimiser = 'adam' has its own")
        if self.depth == 1:
            for name in ("width", "activation", "norm", "dropout"):
                refuse_unused(self, name, "depth = 1 leaves no hidden layer")
        for name in ("depth", "width", "activation", "norm", "skip", "dropout"):
            if name not in self.net_module.Constants._fields:
                refuse_unused(self, name, f"net = {self.net!r} lacks it")
        self.net_module.check(self.constants, self.data_module.SHAPE)
        return self

    @property
    def data_module(self) -> ModuleType:
        """The module of the data set."""
        return importlib.import_module(f"flatminima.data.{self.data}")

    @property
    def net_module(self) -> ModuleType:
        """The module of the architecture."""
        return importlib.import_module(f"flatminima.models.nets.{self.net}")

    @property
    def constants(self) -> Any:
        """What the architecture takes of the config."""
        constants = self.net_module.Constants
        return constants(**{name: getattr(self, name) for name in constants._fields})

    @property
    def batch_size(self) -> int:
        """Examples in a step."""
        return self.n if self.batch == "full" else self.batch

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows, and `test_points`, how many are held out."""
        points = self.data_module.num_test_points(self.n)
        return self.model_dump(exclude={"measure_at"}) | {"test_points": points}

    @property
    def rule(self) -> str:
        """Name of the training rule, such as "SGD + wd, batch 32" or "Adam + SAM"."""
        name = {"sgd": "GD" if self.batch == "full" else "SGD", "adam": "Adam"}
        parts = [name[self.optimiser]]
        parts += ["momentum"] if self.momentum > 0 else []
        parts += ["SAM"] if self.rho > 0 else []
        parts += ["wd"] if self.weight_decay > 0 else []
        batch = "" if self.batch == "full" else f", batch {self.batch}"
        return " + ".join(parts) + batch

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))
