"""flatminima: the engine of a book that asks whether flat minima generalise."""

__version__ = "0.1.0"
