"""Small random torch models of several kinds, and their dense matrices."""

from functools import partial

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from scipy import stats

from flatminima.sharpness.landscape import Landscape, landscape

ACTIVATIONS = {
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "gelu": torch.nn.GELU,
    "softplus": torch.nn.Softplus,
}
LOSSES = ("squared", "cross_entropy", "logistic")
thirty = settings(max_examples=30)


def quartic(f: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A loss that is not of the library's own, and convex in no region near y."""
    apart = f - y.reshape(f.shape)
    return (apart**4 / 4 - apart**2 / 2).sum(dim=1) + apart.prod(dim=1)


def data(loss, n: int, d: int, outputs: int, g: torch.Generator):
    """Inputs and random targets of the kind that the loss takes."""
    x = torch.randn(n, d, generator=g, dtype=torch.float64)
    if loss == "cross_entropy":
        return x, torch.randint(outputs, (n,), generator=g)
    if loss == "logistic":
        return x, torch.randint(2, (n,), generator=g) * 2.0 - 1
    return x, torch.randn(n, outputs, generator=g, dtype=torch.float64)


def fill(module: torch.nn.Module, g: torch.Generator) -> None:
    """Draw all parameters, and what batch norm has run over."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * 0.7)
        for name, buffer in module.named_buffers():
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=g))
            elif name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=g))


def mlp(
    seed: int,
    *,
    loss="squared",
    activation: str = "tanh",
    n: int = 5,
    d: int = 3,
    widths=(4,),
    outputs: int = 2,
    norm: bool = False,
    bias: bool = True,
) -> Landscape:
    """A fully connected network at random parameters."""
    g = torch.Generator().manual_seed(seed)
    outputs = 1 if loss == "logistic" else outputs
    layers, before = [], d
    for width in widths:
        layers += [torch.nn.Linear(before, width, bias=bias)]
        layers += [torch.nn.BatchNorm1d(width)] if norm else []
        layers += [ACTIVATIONS[activation]()]
        before = width
    module = torch.nn.Sequential(*layers, torch.nn.Linear(before, outputs, bias=bias))
    fill(module, g)
    return landscape(module, *data(loss, n, d, outputs, g), loss)


class Knotted(torch.nn.Module):
    """Uses parameters in every way that a plain layer does not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 2, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(2)
        self.grouped = torch.nn.Conv2d(2, 2, 2, groups=2)
        self.second = torch.nn.Conv2d(2, 3, 2, dilation=1, bias=False)
        self.tokens = torch.nn.Linear(4, 3)
        self.shared = torch.nn.Linear(3, 3)
        self.free = torch.nn.Parameter(torch.ones(3, 3))
        self.idle = torch.nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.nn.functional.relu_(self.norm(self.conv(x)))
        x = torch.tanh(self.second(torch.tanh(self.grouped(x))))
        x = self.tokens(x.flatten(2)).tanh().mean(dim=1)
        x = self.shared(torch.sin(self.shared(x)))
        return x @ self.free.T + torch.nn.functional.linear(x, self.free)


def knotted(seed: int, loss="cross_entropy", n: int = 4) -> Landscape:
    """A convolutional network at random parameters, over images of 8 x 8."""
    g = torch.Generator().manual_seed(seed)
    module = Knotted()
    fill(module, g)
    x, y = data(loss, n, 64, 3, g)
    return landscape(module, x.reshape(n, 1, 8, 8), y, loss)


@st.composite
def makers(draw, losses=(*LOSSES, quartic), activations=tuple(ACTIVATIONS)):
    """Functions that make any of these, of at most about 100 parameters.

    Torch draws parameters before they are filled, which a strategy must not see.
    """
    seed = draw(st.integers(0, 10**6))
    loss = draw(st.sampled_from(losses))
    if loss != "logistic" and draw(st.integers(0, 4)) == 4:
        return partial(knotted, seed, loss, n=draw(st.integers(1, 4)))
    return partial(
        mlp,
        seed,
        loss=loss,
        activation=draw(st.sampled_from(activations)),
        n=draw(st.integers(1, 7)),
        d=draw(st.integers(1, 4)),
        widths=draw(st.lists(st.integers(1, 4), max_size=2)),
        outputs=draw(st.integers(1, 3)),
        norm=draw(st.booleans()),
        bias=draw(st.booleans()),
    )


def dense_hessian(at: Landscape) -> np.ndarray:
    """All second derivatives of the loss, by torch.func."""
    return torch.func.hessian(at.loss)(at.theta).numpy()


def dense_gauss_newton(at: Landscape) -> np.ndarray:
    """(1/n) J^T H J, with every derivative by torch.func."""
    jacobian = torch.func.jacrev(at.outputs)(at.theta)
    total = torch.zeros(at.size, at.size, dtype=torch.float64)
    for i in range(at.n):

        def one(f, i=i):
            return at.criterion(f[None], at.y[i : i + 1])[0]

        inner = torch.func.hessian(one)(at.outputs()[i])
        total += jacobian[i].T @ inner @ jacobian[i]
    return (total / at.n).numpy()


def sums(at: Landscape, diagonal: np.ndarray) -> dict[str, float]:
    """Sums of a diagonal over every parameter."""
    parts = at.split(torch.as_tensor(diagonal))
    return {name: float(part.sum()) for name, part in parts.items()}


def within_binomial(hits: int, repeats: int, level: float = 0.95) -> bool:
    """Whether so many of the intervals of a level may well cover."""
    low, high = stats.binom.interval(0.999, repeats, level)
    return low <= hits <= high
