"""Settings of a process, outside every config, that change the bits of a result.

With these the same runs were seen to end in other bits. NUMBA_CPU_FEATURES,
NUMBA_DISABLE_JIT and those of oneDNN were not tried: they choose the machine code, too.
What `settings` finds joins the keys of runs. A few cannot: numba keeps compiled code
by processor alone, so code compiled under them would be served to ordinary runs, and
theirs to these. A sweep refuses them.
"""

import os

from numba import config as numba_config

COMPILER = {
    "NUMBA_DISABLE_JIT": 0,
    "NUMBA_CPU_NAME": None,
    "NUMBA_CPU_FEATURES": None,
}
"""What numba's own cache tells apart, or does without, with the usual values."""

MIXED = {
    "NUMBA_OPT": 3,
    "NUMBA_LOOP_VECTORIZE": 1,
    "NUMBA_BOUNDSCHECK": None,
    "NUMBA_DEBUGINFO": 0,
}
"""What numba's own cache takes no notice of, with the usual values."""

LIBRARIES = (
    *("OPENBLAS_CORETYPE", "MKL_CBWR"),
    *("NPY_DISABLE_CPU_FEATURES", "NUMBA_ENABLE_AVX"),
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"),
)
"""Variables by which linear algebra, numpy, numba and torch choose instructions. What
they would choose without them depends on the processor."""


def settings() -> dict[str, str]:
    """What is set here and changes bits, by variable; empty as a rule."""
    found = {
        name: str(value)
        for name, usual in COMPILER.items()
        if (value := numba_setting(name)) != usual
    }
    return found | {name: os.environ[name] for name in LIBRARIES if os.getenv(name)}


def refuse_settings() -> None:
    """Refuse what changes bits and could mix with ordinary results.

    Raises:
        ValueError: naming the variable, its value and what is allowed.
    """
    for name, usual in MIXED.items():
        value = numba_setting(name)
        if value != usual:
            raise ValueError(
                f"{name} = {value}: must be unset, for numba would keep the other "
                "code that it makes and serve it to later runs"
            )


def numba_setting(name: str) -> object:
    """A setting of numba's in this process, from a variable or from its own file.

    Args:
        name: of the variable.
    """
    return getattr(numba_config, attribute(name))


def attribute(name: str) -> str:
    """What a variable of numba's is called in `numba.config`."""
    short = name.removeprefix("NUMBA_")
    return "DEBUGINFO_DEFAULT" if short == "DEBUGINFO" else short
