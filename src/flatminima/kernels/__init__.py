"""Compiled training loops: one module a way of taking the gradient.

`serial` uses one example a step, `full_batch` all of them. Both define

    run(model, w, v, x, y, order, lr, rho, weight_decay, radius) -> steps done

which works in place on w and v, and `BLOCK`: calls cut after a multiple of so many
steps give the bits of one call. This file imports neither, so that a result
depends only on the one that it used.
"""
