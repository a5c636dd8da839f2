"""Measures of sharpness, one a file."""
