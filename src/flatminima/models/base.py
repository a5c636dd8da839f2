"""How a compiled kernel finds the head of an architecture.

Kernels call `head(model, z, v, u, g)`. Which function that is follows from the
type of `model` at compile time, so one kernel body is specialised, not copied,
for every architecture, and pays nothing for the choice at run time.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numba.extending import overload

FASTMATH = {"reassoc", "contract", "nsz"}
"""Sums may be reordered for vectorisation; NaN and inf keep their meaning."""

_heads: dict[type, Callable[..., Any]] = {}


def head(model, z, v, u, g):
    """Output of one example from its pre-activations, with both gradients.

    Args:
        model: NamedTuple of the architecture.
        z: pre-activations w.T x', shape (width,).
        v: second layer, shape (width,).
        u: filled with df/dv, shape (width,).
        g: filled with df/dz, shape (width,); zero at inactive units.

    Returns:
        f(x), in the dtype of v.
    """
    return _heads[type(model)](model, z, v, u, g)


def head_of(model_type: type) -> Callable[[Callable], Callable]:
    """Decorator: the function is the head of this architecture.

    The type is renamed after its module: numba tells NamedTuples apart by name and
    fields alone, and would take one `Model` for another.
    """
    model_type.__name__ = model_type.__module__.rpartition(".")[2]

    def register(function: Callable) -> Callable:
        _heads[model_type] = function
        return function

    return register


@overload(head, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise(model, z, v, u, g):
    return _heads[model.instance_class]


def two_layer_init(
    num_inputs: int, d: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """W1 and b1 from U(+-1/sqrt(d)), W2 from U(+-1/sqrt(width)).

    The sources leave the initialisation open; this is torch's default.

    Args:
        num_inputs: rows of the first layer, a bias row included.
        d, width: number of inputs and of hidden units.
        rng: source of the draws.

    Returns:
        (w, v) of shapes (num_inputs, width) and (width,).
    """
    w = rng.uniform(-(d**-0.5), d**-0.5, (num_inputs, width))
    return w, rng.uniform(-(width**-0.5), width**-0.5, width)


def load(architecture: str) -> ModuleType:
    """The module of an architecture, by its file name."""
    return importlib.import_module(f"flatminima.models.{architecture}")
