"""How a compiled loop finds the gradient of a model of implicit bias.

The loop calls `gradient` and `curvature`. Which functions these are follows from the
type of `model` at compile time, as for `base.head`: one loop is specialised, not
copied, for every model. Here the parameters are one flat vector theta, and the loss of
a batch B is

    L_B(theta) = (c / |B|) sum_{i in B} (f_i(theta) - y_i)^2,

so c = 1/2 is the mean of half the squared residuals, c = 1/4 the loss of Woodworth et
al. (2020) and c = |B| / 2 half their sum.
"""

from collections.abc import Callable
from typing import Any

from numba.extending import overload

from flatminima.models.base import FASTMATH

_gradients: dict[type, Callable[..., Any]] = {}
_curvatures: dict[type, Callable[..., Any]] = {}


def gradient(model, theta, x, y, rows, weight, scratch, out):
    """out += weight sum_k (f_k - y_k) grad f_k, over examples k of a group.

    Args:
        model: NamedTuple of the model.
        theta: parameters, flat.
        x: inputs, shape (n, features).
        y: targets of the group, its noise included, shape (group,).
        rows: the group's examples, rows of x, shape (group,).
        weight: 2 c / |B| for the gradient of L_B.
        scratch: at least `Model.scratch` numbers.
        out: as theta; is added to.

    Returns:
        sum_k (f_k - y_k)^2.
    """
    return _gradients[type(model)](model, theta, x, y, rows, weight, scratch, out)


def curvature(model, theta, p, x, y, rows, weight, scratch, out):
    """out += weight sum_k [(grad f_k . p) grad f_k + (f_k - y_k) Hess f_k p].

    With weight 2 c / |B| this adds Hess L_B p. Arguments as in `gradient`; p is as
    theta.
    """
    _curvatures[type(model)](model, theta, p, x, y, rows, weight, scratch, out)


def derivatives_of(
    model_type: type,
    its_gradient: Callable[..., Any],
    its_curvature: Callable[..., Any],
) -> None:
    """Register both for a model.

    The type is renamed after its module: numba tells NamedTuples apart by name and
    fields alone.
    """
    model_type.__name__ = model_type.__module__.rpartition(".")[2]
    _gradients[model_type] = its_gradient
    _curvatures[model_type] = its_curvature


@overload(gradient, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise_gradient(model, theta, x, y, rows, weight, scratch, out):
    return _gradients[model.instance_class]


@overload(curvature, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise_curvature(model, theta, p, x, y, rows, weight, scratch, out):
    return _curvatures[model.instance_class]
