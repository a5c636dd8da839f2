"""Other ways to take batch-one steps, raced against `flatminima.kernels.serial`.

Each module defines `run(model, w, v, x, y, order, lr, rho)`, as in `serial` but
without decay and projection, `work`, what a step costs on paper, and `WHY`, its idea
in a sentence. `python -m benchmarks.kernels` reruns the race.
"""
