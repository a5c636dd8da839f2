"""Kernels as the Python functions that they are made of.

They take a second to compile for every model, loss and rule. What is compiled equals
them elsewhere; here their steps are compared, and nothing has to be compiled.
"""

from types import ModuleType

import pytest


@pytest.fixture
def plain(monkeypatch):
    """A function that has all kernels of a module call each other uncompiled."""

    def strip(module: ModuleType) -> ModuleType:
        for name, kernel in list(vars(module).items()):
            if hasattr(kernel, "py_func"):
                monkeypatch.setattr(module, name, kernel.py_func)
        return module

    return strip
