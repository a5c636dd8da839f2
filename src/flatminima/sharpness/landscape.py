"""A model's training loss as a function of one flat vector of parameters.

Every measure of the sharpness of a torch model takes a `Landscape`: the model, its
data and its loss, at one point. All in float64, whatever training used.
"""

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

Criterion = Callable[[Tensor, Tensor], Tensor]
"""From outputs (n, k) and targets (n, ...) to the losses of the examples (n,)."""


def cross_entropy(f: Float[Tensor, "n k"], y: Tensor) -> Float[Tensor, " n"]:
    """-log softmax(f)_y, for classes y."""
    return torch.nn.functional.cross_entropy(f, y, reduction="none")


def squared(f: Float[Tensor, "n k"], y: Tensor) -> Float[Tensor, " n"]:
    """|f - y|^2, summed over outputs, without a factor 1/2; y has n k entries."""
    return ((f - y.reshape(f.shape)) ** 2).sum(dim=1)


def logistic(f: Float[Tensor, "n 1"], y: Tensor) -> Float[Tensor, " n"]:
    """log(1 + exp(-y f)), for labels y of -1 or 1."""
    return torch.nn.functional.softplus(-y * f[:, 0])


CRITERIA: dict[str, Criterion] = {
    "cross_entropy": cross_entropy,
    "squared": squared,
    "logistic": logistic,
}
"""Losses of an example, by name."""


@dataclass(frozen=True)
class Landscape:
    """L(theta) = (1/n) sum_i l(f(theta, x_i), y_i), and a point of it.

    Attributes:
        network: from (theta, inputs) to outputs, shape (n, k).
        criterion: from outputs and targets to the losses of the examples.
        x: inputs, one an entry of the first axis.
        y: targets.
        theta: the point, shape (D,).
        shapes: name and shape of every parameter, in the order in which theta
            holds them.
    """

    network: Callable[[Tensor, Tensor], Tensor]
    criterion: Criterion
    x: Tensor
    y: Tensor
    theta: Float[Tensor, " D"]
    shapes: tuple[tuple[str, torch.Size], ...]

    @property
    def n(self) -> int:
        """Number of examples."""
        return len(self.x)

    @property
    def size(self) -> int:
        """Number of parameters, D."""
        return self.theta.numel()

    def outputs(self, theta: Tensor | None = None) -> Float[Tensor, "n k"]:
        """f(theta, x_i); at the landscape's own point by default."""
        return self.network(self.theta if theta is None else theta, self.x)

    def losses(self, theta: Tensor | None = None) -> Float[Tensor, " n"]:
        """Loss of every example."""
        return self.criterion(self.outputs(theta), self.y)

    def loss(self, theta: Tensor | None = None) -> Float[Tensor, ""]:
        """L(theta)."""
        return self.losses(theta).mean()

    def gradient(self, theta: Tensor | None = None) -> Float[Tensor, " D"]:
        """grad L(theta)."""
        return torch.func.grad(self.loss)(self.theta if theta is None else theta)

    def at(self, theta: Float[Tensor, " D"]) -> "Landscape":
        """The same landscape at another point."""
        return replace(self, theta=theta.detach().to(self.theta))

    def subset(self, examples: Tensor | list[int] | slice) -> "Landscape":
        """The landscape of some of the examples, at the same point."""
        return replace(self, x=self.x[examples], y=self.y[examples])

    def split(self, theta: Float[Tensor, " D"]) -> dict[str, Tensor]:
        """The parameters by name, as views of a flat vector."""
        parts = theta.split([shape.numel() for _, shape in self.shapes])
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self.shapes, parts, strict=True)
        }


def landscape(
    module: torch.nn.Module,
    x: Tensor,
    y: Tensor,
    loss: str | Criterion,
    *,
    frozen: Collection[str] = (),
) -> Landscape:
    """The landscape of a torch module over a data set, at the module's parameters.

    The module is copied, to float64 and in evaluation mode: batch norm uses its
    running statistics, and dropout is off. Buffers are constants. Parameters that
    need no gradient, and those in `frozen`, are constants too.

    Args:
        module: from inputs to outputs of shape (n, k) or (n,).
        x: inputs, one an entry of the first axis.
        y: targets: classes or shares of them for cross entropy, -1 or 1 for the
            logistic loss, as many numbers as there are outputs for the squared one.
        loss: a name of `CRITERIA`, or a function from outputs (n, k) and targets
            to the losses of the examples, shape (n,). Outputs of shape (n,) reach it
            as (n, 1).
        frozen: names of parameters, as in `module.named_parameters()`, that are
            held fixed.

    Raises:
        ValueError: if the loss has no such name or gives not one number an example, a
            frozen parameter does not exist, nothing is left to vary, outputs or
            targets are of another kind, or x and y differ in length or are empty.
    """
    if isinstance(loss, str) and loss not in CRITERIA:
        raise ValueError(f"loss = {loss!r}: must be one of {sorted(CRITERIA)}")
    if isinstance(frozen, str):
        raise ValueError(f"frozen = {frozen!r}: must be a list of names")
    for name, tensor in {"x": x, "y": y}.items():
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name}: must be a tensor, not {type(tensor).__name__}")
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"x, y: must have as many entries, and at least one, not {len(x)}, {len(y)}"
        )
    module = copy.deepcopy(module).double().eval()
    named = dict(module.named_parameters())
    if unknown := sorted(set(frozen) - set(named)):
        raise ValueError(f"frozen = {unknown}: must be among {sorted(named)}")
    varied = {
        name: parameter.detach()
        for name, parameter in named.items()
        if parameter.requires_grad and name not in frozen
    }
    if not varied:
        raise ValueError("module: has no parameter that is not frozen")
    constants = {
        name: tensor.detach()
        for name, tensor in [*named.items(), *module.named_buffers()]
        if name not in varied
    }
    shapes = tuple((name, parameter.shape) for name, parameter in varied.items())
    sizes = [shape.numel() for _, shape in shapes]

    def network(theta: Tensor, inputs: Tensor) -> Tensor:
        parts = {
            name: part.view(shape)
            for (name, shape), part in zip(shapes, theta.split(sizes), strict=True)
        }
        f = torch.func.functional_call(module, parts | constants, (inputs,))
        if not isinstance(f, Tensor):
            kind = type(f).__name__
            raise ValueError(f"module: must give a tensor of outputs, not {kind}")
        return f if f.dim() > 1 else f[:, None]

    criterion = CRITERIA[loss] if isinstance(loss, str) else loss
    x = x.double() if x.is_floating_point() else x
    y = y.double() if y.is_floating_point() else y
    theta = torch.cat([parameter.reshape(-1) for parameter in varied.values()])
    found = Landscape(network, criterion, x, y, theta, shapes)
    _check(found, loss)
    return found


def _check(at: Landscape, loss: str | Criterion) -> None:
    """Refuse outputs, targets and losses that are not what every measure reads."""
    some = at.subset(slice(0, 2))
    with torch.no_grad():
        f = some.network(some.theta, some.x)
        if f.dim() != 2 or len(f) != some.n:
            raise ValueError(
                "module: must give outputs of shape (n, k) or (n,), not "
                f"{tuple(f.shape)} for {some.n} inputs"
            )
        if isinstance(loss, str):
            _TARGETS[loss](at.y, at.n, f.shape[1])
        losses = some.criterion(f, some.y)
    if losses.shape != (some.n,):
        raise ValueError(
            "loss: must give one number an example, shape (n,), not "
            f"{tuple(losses.shape)} for outputs of shape {tuple(f.shape)} and targets "
            f"of shape {tuple(some.y.shape)}; of torch's losses take reduction='none'"
        )


def _classes(y: Tensor, n: int, k: int) -> None:
    if y.is_floating_point():
        if y.shape != (n, k):
            raise ValueError(
                f"y: must be classes, whole numbers of shape ({n},), or shares of "
                f"shape ({n}, {k}), not floats of shape {tuple(y.shape)}"
            )
    elif y.shape != (n,) or y.min() < 0 or y.max() >= k:
        raise ValueError(
            f"y: must be {n} classes from 0 to {k - 1}, not {int(y.min())} to "
            f"{int(y.max())} of shape {tuple(y.shape)}"
        )


def _numbers(y: Tensor, n: int, k: int) -> None:
    if y.numel() != n * k:
        raise ValueError(f"y: must have {n} x {k} numbers, not {y.numel()}")


def _signs(y: Tensor, n: int, k: int) -> None:
    if k != 1:
        raise ValueError(f"module: has {k} outputs, and the logistic loss needs 1")
    if y.shape != (n,) or not bool((y.abs() == 1).all()):
        raise ValueError(
            f"y: must be {n} labels, each -1 or 1, of shape ({n},), not "
            f"{y.unique().tolist()[:3]} of shape {tuple(y.shape)}"
        )


_TARGETS = {"cross_entropy": _classes, "squared": _numbers, "logistic": _signs}


def surface(loss: Callable[[Tensor], Tensor], theta: Float[Tensor, " D"]) -> Landscape:
    """The landscape of a plain function of theta, as of one example without inputs.

    Its one output is the loss itself, so its Gauss-Newton matrix is 0.

    Args:
        loss: from theta to a scalar.
        theta: the point, shape (D,).
    """

    def network(at: Tensor, inputs: Tensor) -> Tensor:
        return loss(at).reshape(1, 1).expand(len(inputs), 1)

    def criterion(f: Tensor, y: Tensor) -> Tensor:
        return f[:, 0]

    nothing = torch.zeros(1, 0, dtype=torch.float64)
    theta = theta.detach().double()
    shapes = (("theta", theta.shape),)
    return Landscape(network, criterion, nothing, torch.zeros(1), theta, shapes)
