"""Committed results: the histories of long runs, each with where it comes from.

A file of `results/` has one line of JSON a run: config, engine digest, library
versions, provenance, history, what the first layer looks like at the end, tolerance and
a checksum over all of it. Processors are kept once, in `results/devices/`. The weights
themselves are not kept. Pages show these curves behind those of their own build;
`verifying.verify` runs them again.

    python -m flatminima.results collect RECORD FILE    after a chapter has run
    python -m flatminima.results verify FILE...
"""

from flatminima.results.collecting import collect
from flatminima.results.reading import Committed, committed, load
from flatminima.results.rows import BadResult

__all__ = ["BadResult", "Committed", "collect", "committed", "load"]
