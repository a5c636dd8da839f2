"""Architectures, one a file.

Every architecture is a NamedTuple of its constants, with the parameters kept
as a tuple theta = (w, v): `w` of shape (inputs, width) is the first layer,
input-major, its last row the bias if there is one; `v` of shape (width,) is the
second layer. A module of this package defines `Model`, the constants

    FAMILY                           which kernel trains and which module of
                                     `sharpness` measures it
    PARAMETERS                       names of the arrays of theta, first layer first
    IDLE_AT_ZERO                     whether a unit with all weights 0 stays so

and the functions

    inputs(model, x)                 x' with f a function of w.T x' and v
    init(model, d, width, rng)       theta at the start, in float64
    forward(model, w, v, x)          f(x), for numpy arrays and torch tensors
    head(model, z, v, u, g)          f, df/dv and df/dz of one example, compiled
    frozen_head(model, z, z_up, v, u, g)    the same with the activation pattern of z,
                                     where the activation has one
    laplacian(model, z, g, f, x_sq)  tr Hess f of every example
    lower_bound(model, x_sq, f)      certified bound on the trace of Hess L

`init` and `forward` serve a parameter tuple of any length, `init(...)` returning
it and `forward(model, *theta, x)` taking it. Families other than "two_layer" have
kernels of their own, and neither head nor laplacian; the outputs of Sim-BN depend on
the training set as well, so its forward function takes that too. This file imports
no architecture: a result depends on the one that it used.
"""
