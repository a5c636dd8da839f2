"""The tests; one thread, said before anything is imported that starts more."""

import os

import threadpoolctl

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# Too late for what pytest's plugins have imported.
threadpoolctl.threadpool_limits(1)
