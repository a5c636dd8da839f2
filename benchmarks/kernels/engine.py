"""The engine's own kernel, under the signature of the others."""

from flatminima.kernels import serial
from flatminima.models.ascent import Usual
from flatminima.models.losses import Squared

WHY = "four steps a pass: it applies the last block of them and projects the next"


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    weights = num_inputs * width
    pending = (serial.BLOCK - 1) / 2 * width
    return 2 * weights + pending, 2 * weights * itemsize / serial.BLOCK


def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    zero, one = v.dtype.type(0), v.dtype.type(1)
    rates = (lr, rho, zero, one, zero)
    serial.run(model, Squared(), Usual(), w, v, x, y, order, *rates)
