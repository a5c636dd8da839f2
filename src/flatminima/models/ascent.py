"""What the second pass of SAM sees where the ascent step leads.

As with the losses, the type picks the formula when a kernel is compiled.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from numba.extending import overload

from flatminima.models.base import FASTMATH, head


class Usual(NamedTuple):
    """The network itself."""


class Frozen(NamedTuple):
    """The network with the activation pattern of before the ascent step.

    A unit is on where it was on, whatever its pre-activation has become. The network
    is then smooth along the ascent, so no unit can gain or lose by crossing a kink.
    """


_frozen_heads: dict[type, Callable[..., Any]] = {}


def frozen_head_of(model_type: type) -> Callable[[Callable], Callable]:
    """Decorator: the function is the frozen head of this architecture.

    It takes what `models.base.head` does, and before the pre-activations those that
    fix the pattern.
    """

    def register(function: Callable) -> Callable:
        _frozen_heads[model_type] = function
        return function

    return register


def ascended(ascent, model, z, z_up, v, u, g):
    """`models.base.head` at the end of the ascent step.

    Args:
        ascent: Usual() or Frozen().
        model: NamedTuple of the architecture.
        z: pre-activations before the step.
        z_up: pre-activations after it.
        v: second layer after it.
        u, g: filled with df/dv and df/dz.

    Returns:
        f(x) there.
    """
    return _seconds[type(ascent)](ascent, model, z, z_up, v, u, g)


def holds_pattern(ascent):
    """Whether `ascended` reads the pre-activations of before the step."""
    return isinstance(ascent, Frozen)


def frozen_head(model, z, z_up, v, u, g):
    """The frozen head of an architecture."""
    return _frozen_heads[type(model)](model, z, z_up, v, u, g)


def _usual(ascent, model, z, z_up, v, u, g):
    return head(model, z_up, v, u, g)


def _frozen(ascent, model, z, z_up, v, u, g):
    return frozen_head(model, z, z_up, v, u, g)


_seconds: dict[type, Callable[..., Any]] = {Usual: _usual, Frozen: _frozen}


@overload(ascended, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise(ascent, model, z, z_up, v, u, g):
    return _seconds[ascent.instance_class]


@overload(holds_pattern)
def _specialise_pattern(ascent):
    holds = ascent.instance_class is Frozen
    return lambda ascent: holds


@overload(frozen_head, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise_frozen(model, z, z_up, v, u, g):
    return _frozen_heads[model.instance_class]
