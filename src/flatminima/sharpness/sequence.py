"""Diagonal of the Gauss-Newton matrix of a sequence of layers, exactly or by probes.

G_pp = (1/n) sum_i sum_c (J_i^T s_ic)_p^2, s_ic the columns of S_i, S_i S_i^T the
Hessian of example i's cross entropy over its outputs. With signs r drawn at random,
E (J_i^T S_i r)_p^2 is the inner sum: one backward pass a probe, not one a class.

For linear maps, convolutions and batch norm in evaluation mode the gradient of an
example is a sum of products of what a layer reads and of the gradient of what it
writes, so plain products of matrices give all that is needed, on a GPU as well.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from flatminima.checks import at_least

LAYERS = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)

NUMBERS = 2**25
"""Entries of what is held at once, which bounds the examples of a pass."""


def diagonal(
    net: nn.Sequential,
    x: Float[Tensor, "n ..."],
    y: Int[Tensor, " n"],
    *,
    probes: int = 0,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The diagonal of the Gauss-Newton matrix of the mean cross entropy.

    Args:
        net: in evaluation mode; a flat sequence of linear maps, convolutions, batch
            norm and maps without parameters.
        x: inputs, of the precision and on the device of the network.
        y: classes. The matrix does not depend on them, only on how many there are.
        probes: an example; 0 for all columns, which is exact.
        seed: of the probes.

    Returns:
        By the name of every parameter, a tensor of its shape.

    Raises:
        ValueError: if a part with parameters is none of these, batch norm is not in
            evaluation mode, a convolution has groups or pads with other than zeros,
            x and y differ in length or are empty, or probes < 0.
    """
    at_least("probes", probes, 0)
    if len(x) != len(y) or not len(x):
        raise ValueError(
            f"x, y: must have as many entries, and at least one, not {len(x)}, {len(y)}"
        )
    for name, part in net.named_children():
        if not isinstance(part, LAYERS) and next(part.parameters(), None) is not None:
            raise ValueError(
                f"part {name}, {type(part).__name__}: has parameters, and must be one "
                f"of {', '.join(layer.__name__ for layer in LAYERS)}"
            )
        if isinstance(part, nn.BatchNorm2d) and part.training:
            raise ValueError(f"part {name}, BatchNorm2d: must be in evaluation mode")
        if isinstance(part, nn.Conv2d) and (
            part.groups != 1 or part.padding_mode != "zeros"
        ):
            raise ValueError(
                f"part {name}, Conv2d: must have groups = 1 and padding_mode = "
                f"'zeros', not {part.groups} and {part.padding_mode!r}"
            )
    total = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    rng = np.random.default_rng(seed)
    for part in x.split(_examples(net, x)):
        for name, squares in _squares(net, part, probes, rng):
            total[name] += squares
    return {name: value.detach() / len(y) for name, value in total.items()}


def _examples(net: nn.Sequential, x: Tensor) -> int:
    """Examples of a pass: gradients and patches of none take more than `NUMBERS`."""
    largest = max(p.numel() for p in net.parameters())
    for part in net.children():
        if isinstance(part, nn.Conv2d):
            largest = max(largest, part.weight[0].numel() * x.shape[2] * x.shape[3])
    return max(1, NUMBERS // largest)


def _squares(
    net: nn.Sequential, x: Tensor, probes: int, rng: np.random.Generator
) -> Iterator[tuple[str, Tensor]]:
    """Sums over examples and probes of squared gradients, by parameter."""
    read, written, a = [], [], x
    with torch.enable_grad():
        for part in net:
            if isinstance(part, LAYERS):
                read.append(a.detach())
                # a layer's own parameters need not be leaves of the graph
                a = part(a if a.requires_grad else a.detach().requires_grad_())
                written.append(a)
            else:  # what a layer wrote has to stay as it is
                a = part(a.clone() if getattr(part, "inplace", False) else a)
    layers = [pair for pair in net.named_children() if isinstance(pair[1], LAYERS)]
    columns = _columns(a.detach(), probes, rng)
    for column in columns:
        deltas = torch.autograd.grad(a, written, column, retain_graph=True)
        for (name, layer), inputs, delta in zip(layers, read, deltas, strict=True):
            for kind, squares in _of_layer(layer, inputs, delta):
                yield f"{name}.{kind}", squares


def _columns(
    f: Float[Tensor, "n k"], probes: int, rng: np.random.Generator
) -> list[Float[Tensor, "n k"]]:
    """S r for signs r, or the columns of S = diag(sqrt p) - p sqrt(p)^T."""
    n, k = f.shape
    p = f.softmax(dim=1)
    root = p.sqrt()
    if probes == 0:
        signs = torch.eye(k).to(f)[:, None].expand(k, n, k)
    else:
        # of the mean over probes, so that its squares add up
        chance = (rng.integers(0, 2, (probes, n, k)) * 2.0 - 1) / np.sqrt(probes)
        signs = torch.from_numpy(chance).to(f)
    return [root * r - p * (root * r).sum(dim=1, keepdim=True) for r in signs]


def _of_layer(
    layer: nn.Module, a: Tensor, delta: Tensor
) -> Iterator[tuple[str, Tensor]]:
    """Sums over examples of the squared gradients of a layer's parameters."""
    if isinstance(layer, nn.Linear):
        yield "weight", delta.square().T @ a.square()
        pooled = delta
    elif isinstance(layer, nn.Conv2d):
        assert not isinstance(layer.padding, str)
        patches = functional.unfold(
            a, layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )
        gradients = torch.bmm(delta.flatten(2), patches.transpose(1, 2))
        yield "weight", gradients.square().sum(dim=0).view(layer.weight.shape)
        pooled = delta.sum(dim=(2, 3))
    else:
        assert isinstance(layer, nn.BatchNorm2d)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        each = (1, -1, 1, 1)
        spread = (layer.running_var + layer.eps).sqrt().view(each)
        normal = (a - layer.running_mean.view(each)) / spread
        yield "weight", (delta * normal).sum(dim=(2, 3)).square().sum(dim=0)
        pooled = delta.sum(dim=(2, 3))
    if layer.bias is not None:
        yield "bias", pooled.square().sum(dim=0)
