"""The engine against what a user would otherwise pick: `python -m benchmarks`.

One thread, said before anything is imported that would start more.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
