"""Compiled training loops: one module a way of taking the gradient.

`serial` uses one example a step, `full_batch` a batch of any size. Both define

    run(model, loss, w, v, x, y, order, lr, rho, weight_decay, radius) -> steps done

which works in place on w and v. This file imports neither, so that a result
depends only on the one that it used.
"""
