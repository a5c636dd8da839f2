"""flatminima: the engine of a book that asks whether flat minima generalise."""

from importlib.metadata import version

__version__ = version("flatminima")
