"""Constructions and certificates of the sources, one concept a file."""
