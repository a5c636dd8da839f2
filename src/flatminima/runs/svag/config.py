"""What a run towards the SDE of SGD is: one frozen, validated record."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flatminima.runs.nets.config import NetConfig, Positive


class SvagConfig(BaseModel):
    """SGD with decay, or its stochastic variance amplified form, on a torch network.

    An update is w <- w - (lr / l) (g + weight_decay w) with

        g = (1 + s) / 2 g_1 + (1 - s) / 2 g_2,   s = sqrt(2 l - 1),

    where g_1 and g_2 are gradients of two independent batches (Li, Malladi & Arora
    2021, eq. 5). The mean of g is the gradient and its covariance is l times that of
    one batch, so l updates move the weights as one update of SGD does, in mean and
    covariance; as l grows they follow the SDE of SGD. l = 1 is SGD itself.

    Batches are drawn with replacement, all independent, as the SDE has it; so they are
    not those of a run of `NetConfig` alone. Batch norm normalises by the batch in
    training, and when something is measured by the whole training set.

    Attributes:
        net: network, data, lr, decay, batch, seeds and checkpoints; `num_steps`
            and `measure_at` count the updates of this run, which are l times those of
            SGD for the same time.
        amplification: the number l, at least 1.
        trained: "all" parameters, or the weights of "hidden" layers alone: then
            the last layer, all biases and the parameters of normalisations stay at
            their start. With a normalisation after every hidden layer the loss does not
            depend on the scale of what is trained.
        drop_at: update from which on the learning rate is multiplied by `drop`;
            0 for never.
        drop: the factor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    engine: ClassVar[str] = "flatminima.runs.svag.train"
    """The module that runs it; see `runs.kind.Engine`."""

    source: ClassVar[str] = "flatminima.sources.small_lr"
    """The module that compares it with the source's own runs."""

    net: NetConfig
    amplification: Annotated[int, Field(ge=1, le=10**6, strict=True)] = 1
    trained: Literal["all", "hidden"] = "all"
    drop_at: Annotated[int, Field(ge=0, strict=True)] = 0
    drop: Positive = 1.0

    @model_validator(mode="after")
    def _possible(self) -> Self:
        net = self.net
        unused = {
            "optimiser": "sgd",
            "momentum": 0.0,
            "rho": 0.0,
            "dropout": 0.0,
            "target_loss": 0.0,
            "predictors": False,
        }
        for name, only in unused.items():
            if (value := getattr(net, name)) != only:
                raise ValueError(
                    f"net.{name} = {value!r}: must be {only!r}, since this kind of run "
                    "is plain SGD for a fixed number of updates"
                )
        if net.batch == "full" and self.amplification > 1:
            raise ValueError(
                f"amplification = {self.amplification}: must be 1 for net.batch = "
                "'full', which has no noise"
            )
        if self.trained == "hidden" and net.depth < 2:
            raise ValueError(
                f"trained = 'hidden' with net.depth = {net.depth}: must have "
                "net.depth >= 2"
            )
        if self.drop_at >= net.num_steps:
            raise ValueError(
                f"drop_at = {self.drop_at}: must be below net.num_steps = "
                f"{net.num_steps}"
            )
        if (self.drop_at == 0) != (self.drop == 1):
            raise ValueError(
                f"drop = {self.drop} with drop_at = {self.drop_at}: must be 1 exactly "
                "where drop_at is 0"
            )
        return self

    @property
    def num_steps(self) -> int:
        """Updates."""
        return self.net.num_steps

    @property
    def rule(self) -> str:
        """Name of the training rule."""
        if self.amplification == 1:
            return self.net.rule
        return f"{self.net.rule}, SVAG l = {self.amplification}"

    @property
    def columns(self) -> dict[str, Any]:
        """The fields that a table shows: those of the network and its own."""
        return {**self.net.columns, **self.model_dump(exclude={"net"})}

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        net = self.net.with_seeds(data_seed, init_seed)
        return type(self)(**(self.model_dump() | {"net": net}))
