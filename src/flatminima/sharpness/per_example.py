"""Gradients of the outputs of every example, or only their norms by parameter.

Of a linear layer z = W a the gradient of an example is delta a^T, delta that of z. Its
squared norm is |delta|^2 |a|^2, so one backward pass to the z of all layers gives the
norms of all examples, and no gradient is formed (Goodfellow 2015, arXiv 1510.01799).
With T positions, such as tokens or pixels, it is sum_st <delta_s, delta_t> <a_s, a_t>.

The layers are found by watching the model's calls of `linear` and `conv2d` on
parameters. A parameter that is used in any other way, twice, or by a layer whose input
or output is changed in place, gets its gradients in full, one an example. So does one
of a layer whose row i is not of example i, as where it is applied to a constant.

An output must depend on its own example only, as in evaluation mode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from flatminima.sharpness.landscape import Landscape


def gradients(
    at: Landscape, cotangents: Float[Tensor, "n r k"]
) -> Float[Tensor, "n r D"]:
    """J_i^T u_ic, in full: memory of n r D.

    Args:
        at: model, data and point.
        cotangents: u_ic.

    Raises:
        ValueError: if an output depends on more than its own example.
    """
    check_apart(at)

    def one(x: Tensor, u: Tensor) -> Tensor:
        def output(theta: Tensor) -> Tensor:
            return at.network(theta, x[None])[0]

        pull = torch.func.vjp(output, at.theta)[1]
        return torch.func.vmap(lambda each: pull(each)[0])(u)

    return torch.func.vmap(one)(at.x, cotangents)


def squared_norms(
    at: Landscape, cotangents: Float[Tensor, "n r k"]
) -> dict[str, Float[Tensor, "n r"]]:
    """|J_i^T u_ic|^2 over the entries of every parameter, by its name.

    Args:
        at: model, data and point.
        cotangents: u_ic.

    Raises:
        ValueError: if an output depends on more than its own example.
    """
    check_apart(at)
    theta = at.theta.detach().requires_grad_()
    with _Watch(at, theta) as watch:
        f = at.outputs(theta)
    found: dict[str, Tensor] = {}
    uses = watch.simple() if f.requires_grad else {}
    if uses:
        uses, idle = _sorted(uses, f, cotangents)
        found = dict.fromkeys(idle, torch.zeros_like(cotangents[:, :, 0]))
    if uses:
        deltas = torch.autograd.grad(
            f,
            [use.output for use in uses.values()],
            cotangents.transpose(0, 1),
            is_grads_batched=True,
            materialize_grads=True,
        )
        for (name, use), delta in zip(uses.items(), deltas, strict=True):
            found[name] = use.norms(delta.detach()).T
    rest = [name for name, _ in at.shapes if name not in found]
    if rest:
        found |= _in_full(at, rest, cotangents)
    return {name: found[name] for name, _ in at.shapes}


def check_apart(at: Landscape) -> None:
    """Refuse a model whose outputs depend on more than their own example.

    One example is tried alone.
    """
    apart = "at: an output depends on other examples than its own"
    with torch.no_grad():
        together = at.outputs()[:1]
        try:
            alone = at.subset(slice(0, 1)).outputs()
        except ValueError as error:  # as batch norm without statistics of its own
            raise ValueError(f"{apart}: {error}") from error
    if not torch.allclose(together, alone, rtol=1e-6, atol=1e-9, equal_nan=True):
        raise ValueError(apart)


def _sorted(
    uses: "dict[str, _Use]", f: Float[Tensor, "n k"], cotangents: Tensor
) -> "tuple[dict[str, _Use], list[str]]":
    """Uses in layers whose rows are those of the examples, and what f does not use.

    Where row i of z belongs to example i alone, a factor on the cotangent of every
    example multiplies its row. A random mixture of the cotangents is tried, once as it
    is and once with powers of 2, which round nothing.
    """
    g = torch.Generator().manual_seed(0)
    n, r = cotangents.shape[:2]
    mixed = torch.einsum("nrk,r->nk", cotangents, torch.randn(r, generator=g).to(f))
    factors = torch.randint(0, 8, (n,), generator=g).to(f).exp2()
    outputs = [use.output for use in uses.values()]
    once, again = (
        torch.autograd.grad(f, outputs, each, retain_graph=True, allow_unused=True)
        for each in (mixed, factors[:, None] * mixed)
    )
    fits: dict[str, _Use] = {}
    idle: list[str] = []
    for (name, use), plain, scaled in zip(uses.items(), once, again, strict=True):
        if plain is None:
            idle.append(name)
            continue
        expected = plain.flatten(1) * factors[:, None]
        apart = (scaled.flatten(1) - expected).norm(dim=1)
        # where they are no numbers there is nothing to compare
        if not (apart > 1e-3 * expected.norm(dim=1)).any():
            fits[name] = use
    return fits, idle


def _in_full(
    at: Landscape, names: list[str], cotangents: Tensor
) -> dict[str, Float[Tensor, "n r"]]:
    """Squared norms from the gradients themselves, of some parameters."""
    parts = at.split(at.theta)
    varied = {name: parts[name] for name in names}

    def one(x: Tensor, u: Tensor) -> dict[str, Tensor]:
        def output(some: dict[str, Tensor]) -> Tensor:
            every = {**parts, **some}
            theta = torch.cat([every[name].reshape(-1) for name, _ in at.shapes])
            return at.network(theta, x[None])[0]

        pull = torch.func.vjp(output, varied)[1]
        pulled = torch.func.vmap(lambda each: pull(each)[0])(u)
        return {
            name: (g**2).reshape(len(u), -1).sum(dim=1) for name, g in pulled.items()
        }

    return torch.func.vmap(one)(at.x, cotangents)


@dataclass(frozen=True)
class _Use:
    """A parameter's one use, in an affine layer.

    Attributes:
        output: z, whose gradients are wanted.
        norms: from gradients (r, n, ...) of z to squared norms (r, n).
        read: the layer's input, and how often it had been changed in place.
    """

    output: Tensor
    norms: Callable[[Tensor], Tensor]
    read: tuple[Tensor, int]

    def unchanged(self) -> bool:
        """Whether the layer's input is still what the layer saw."""
        tensor, version = self.read
        return tensor._version == version


class _Watch(TorchFunctionMode):
    """Sees how a model uses its parameters, which are views of one vector.

    Attributes:
        uses: of every parameter, in the order of calls; None for a use that is not
            that of an affine layer.
    """

    def __init__(self, at: Landscape, theta: Tensor) -> None:
        super().__init__()
        self.n = at.n
        self.storage = theta.untyped_storage().data_ptr()
        self.places: list[tuple[str, torch.Size, int]] = []
        start = 0
        for name, shape in at.shapes:
            self.places.append((name, shape, start))
            start += shape.numel()
        self.uses: dict[str, list[_Use | None]] = {name: [] for name, _ in at.shapes}

    def __torch_function__(
        self,
        func: Callable,
        types: Any,
        args: tuple = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Call, and note which parameters were used how."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is functional.linear:
            return self._layer(_linear(*args, **kwargs), result)
        if func is functional.conv2d:
            return self._layer(_conv2d(*args, **kwargs), result)
        if func not in (Tensor.split, Tensor.view) and any(
            isinstance(leaf, Tensor) for leaf in tree_leaves(result)
        ):
            self._note_others(args, kwargs)
        return result

    def simple(self) -> dict[str, _Use]:
        """The parameters whose gradients are outer products of a layer's vectors."""
        return {
            name: uses[0]
            for name, uses in self.uses.items()
            if len(uses) == 1 and uses[0] is not None and uses[0].unchanged()
        }

    def _layer(self, layer: "_Layer", result: Tensor) -> Tensor:
        a = layer.input
        names = self._names(layer.weight), self._names(layer.bias)
        apart = a.dim() > 1 and len(a) == self.n and not self._names(a)
        weight, bias = self._exactly(layer.weight), self._exactly(layer.bias)
        read = a, a._version
        outer = _Use(result, layer.weight_norms, read)
        for name in names[0]:
            fits = apart and layer.known and name == weight
            self.uses[name].append(outer if fits else None)
        plain = _Use(result, layer.bias_norms, read)
        for name in names[1]:
            fits = apart and name == bias
            self.uses[name].append(plain if fits else None)
        for name in self._names(a):
            self.uses[name].append(None)
        return result.clone()  # what comes next may change it in place

    def _note_others(self, *arguments: Any) -> None:
        for leaf in tree_leaves(arguments):
            for name in self._names(leaf):
                self.uses[name].append(None)

    def _names(self, tensor: Any) -> list[str]:
        """Parameters of which a tensor is a view."""
        if not isinstance(tensor, Tensor) or not tensor.numel():
            return []
        if tensor.untyped_storage().data_ptr() != self.storage:
            return []
        first = tensor.storage_offset()
        sides = zip(tensor.shape, tensor.stride(), strict=True)
        last = first + sum((length - 1) * stride for length, stride in sides)
        return [
            name
            for name, shape, start in self.places
            if start <= last and first < start + shape.numel()
        ]

    def _exactly(self, tensor: Any) -> str | None:
        """The parameter that a tensor is, as it stands."""
        for name, shape, start in self.places:
            if (
                isinstance(tensor, Tensor)
                and tensor.shape == shape
                and tensor.storage_offset() == start
                and tensor.is_contiguous()
            ):
                return name
        return None


@dataclass(frozen=True)
class _Layer:
    """An affine layer's call.

    Attributes:
        input, weight, bias: its arguments.
        inputs: from its input to vectors (n, T, i), one a position.
        last: whether outputs are the last axis, or the second.
        known: whether the weight's gradient is the sum of outer products.
    """

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    inputs: Callable[[], Float[Tensor, "n T i"]]
    last: bool
    known: bool = True

    def positions(self, delta: Tensor) -> Float[Tensor, "r n T o"]:
        """Gradients of z, one vector a position."""
        if self.last:
            return delta.reshape(*delta.shape[:2], -1, delta.shape[-1])
        return delta.flatten(3).transpose(2, 3)

    def weight_norms(self, delta: Tensor) -> Float[Tensor, "r n"]:
        """Squared norms of the weight's gradients, from those of z."""
        return outer_norms(self.inputs(), self.positions(delta))

    def bias_norms(self, delta: Tensor) -> Float[Tensor, "r n"]:
        """Squared norms of the bias's gradients, from those of z."""
        return sum_norms(self.positions(delta))


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> _Layer:
    def inputs() -> Tensor:
        return input.detach().reshape(len(input), -1, input.shape[-1])

    return _Layer(input, weight, bias, inputs, last=True)


def _conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> _Layer:
    def inputs() -> Tensor:
        patches = functional.unfold(
            input.detach(), weight.shape[2:], dilation, padding, stride
        )
        return patches.transpose(1, 2)

    known = groups == 1 and not isinstance(padding, str)
    return _Layer(input, weight, bias, inputs, last=False, known=known)


def outer_norms(
    a: Float[Tensor, "n T i"], delta: Float[Tensor, "r n T o"]
) -> Float[Tensor, "r n"]:
    """|sum_t delta_t a_t^T|^2, by whichever is smaller: the sums or all products."""
    positions = a.shape[1]
    if positions == 1:
        return (delta**2).sum(dim=(2, 3)) * (a**2).sum(dim=(1, 2))
    if positions**2 <= a.shape[2] * delta.shape[3]:
        among = torch.einsum("nsi,nti->nst", a, a)
        return torch.einsum("rnso,rnto,nst->rn", delta, delta, among)
    sums = torch.einsum("rnto,nti->rnoi", delta, a)
    return (sums**2).sum(dim=(2, 3))


def sum_norms(delta: Float[Tensor, "r n T o"]) -> Float[Tensor, "r n"]:
    """|sum_t delta_t|^2."""
    return (delta.sum(dim=2) ** 2).sum(dim=2)
