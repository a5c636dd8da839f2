"""Two-layer architectures, one a file.

Every architecture is a NamedTuple of its constants, with the parameters kept
as a tuple theta = (w, v): `w` of shape (inputs, width) is the first layer,
input-major, its last row the bias if there is one; `v` of shape (width,) is the
second layer. A module of this package defines `Model` and the functions

    inputs(model, x)                 x' with f a function of w.T x' and v
    forward(model, w, v, x)          f(x), for numpy arrays and torch tensors
    head(model, z, v, u, g)          f, df/dv and df/dz of one example, compiled
    laplacian(model, h, f, x_sq)     tr Hess f of every example
    lower_bound(model, x_sq, f)      certified bound on the trace of Hess L

This file imports none of them: a result depends on the one that it used.
"""
