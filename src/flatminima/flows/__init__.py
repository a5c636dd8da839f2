"""Flows of smooth models: to the interpolating set, and along it."""
