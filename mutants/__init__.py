"""Small faults put into the engine one by one, to see whether a test fails of each.

`make mutants ROOM=sharpness` draws them, runs the tests that concern them, and writes
`mutants/sharpness.csv`, which is committed. The tool is cosmic-ray.
"""
