"""How loops are compiled, and the exponential that they share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

Array = np.ndarray[Any, Any]
F4, I4 = np.float32, np.int32

_OPTIONS: dict[str, Any] = {
    "nogil": True,  # threads share the rows
    "cache": True,
    "error_model": "numpy",  # a check for division by zero would keep loops from being vectorised
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},  # sums in any order; NaN and infinity keep their meaning
}
compiled = njit(**_OPTIONS)
inner = njit(**_OPTIONS | {"no_cpython_wrapper": True, "no_cfunc_wrapper": True})
"""For functions that only compiled functions call: compiling them takes half the time."""


def exp(x: Any) -> Any:
    """The exponential; what compiled code gets for it is below."""
    return math.exp(x)


@overload(exp)
def _exp_of(x: Any) -> Any:
    """The exponential; of single precision as straight arithmetic, which the compiler can do eight at a time.

    With x = k ln 2 + r, exp(x) is 2^k, written into the exponent's bits, times a polynomial in r that was fitted to the
    smallest relative error between -ln(2) / 2 and ln(2) / 2. The result is off by 1.2e-7 at most, relative, one unit in
    the last place.
    """

    def double(x: Any) -> Any:
        return math.exp(x)

    def single(x: Any) -> Any:
        x = min(max(x, F4(-87)), F4(88))  # beyond it, 2^k leaves the normal numbers
        k = np.floor(x * F4(1.44269504) + F4(0.5))
        r = x - k * F4(0.693359375) + k * F4(2.12194440e-4)  # ln 2 in two parts, the first one exact
        p = F4(1.979029912e-4)
        p = p * r + F4(1.394470339e-3)
        p = p * r + F4(8.333497681e-3)
        p = p * r + F4(4.166629538e-2)
        p = p * r + F4(1.666666567e-1)
        p = p * r + F4(0.5)
        return (p * r * r + r + F4(1)) * np.int32((np.int32(k) + 127) << 23).view(F4)

    return single if x == types.float32 else double
