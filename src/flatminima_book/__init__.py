"""The press: turns paired chapters into a checked, byte-reproducible book.

It checks sources before anything runs, executes every chapter with papermill,
collects the verdicts that the chapters display, and typesets the pages with
Jupyter Book. It knows nothing of what the chapters compute.
"""
