"""Projected descent of the trace of the Hessian on the interpolating set."""
