"""The engine's own kernel, under the signature of the others."""

from flatminima.kernels import serial
from flatminima.models.losses import Squared

WHY = "four steps a pass: one product for their pre-activations, one update of rank 4"


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    weights = num_inputs * width
    pending = (serial.BLOCK - 1) / 2 * width
    return 2 * weights + pending, 3 * weights * itemsize / serial.BLOCK


def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    zero = v.dtype.type(0)
    serial.run(model, Squared(), w, v, x, y, order, lr, rho, zero, zero)
