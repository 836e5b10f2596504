"""How fast NumPy multiplies matrices, beside what this machine can do."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.probes.scripts.run import Recorder

_SIZE = 1024
_SMALL = 256
_ROUNDS = 7
#: What OpenBLAS, MKL, BLIS, OpenMP and Accelerate read their number of threads from.
_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """Rates are in GFLOP/s of float32 on one core, the best of several rounds.

    `numpy` is that of a product of two 1024 x 1024 matrices. On macOS `accelerate` is that of the same product by the
    system's own library; elsewhere `einsum` is that of a smaller product by NumPy's own loops, which no BLAS takes part
    in. Both are measured in turn, in the time that this thread itself has computed: a busy machine lengthens neither.
    `images` are the native libraries that were loaded by then.
    """
    del arguments
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when the libraries are loaded
    with probe.step("blas.rate") as facts:
        import numpy as np

        left, right = (np.random.default_rng(seed).standard_normal((_SIZE, _SIZE)).astype("float32") for seed in (1, 2))
        facts["images"] = probe.loaded_images()  # before Accelerate is among them by our own doing
        if platform.system() == "Darwin":
            name, other, size = "accelerate", _accelerate(left, right), _SIZE
        else:
            name, other, size = "einsum", _einsum(left[:_SMALL, :_SMALL], right[:_SMALL, :_SMALL]), _SMALL
        mine, others = _best_in_turn(lambda: left @ right, other)
        facts["numpy"], facts[name] = 2 * _SIZE**3 / mine / 1e9, 2 * size**3 / others / 1e9


def _best_in_turn(*products: Callable[[], object]) -> list[float]:
    """The least seconds that each of the products took, in rounds."""
    best = [math.inf for _ in products]
    for number in range(_ROUNDS + 1):
        for index, product in enumerate(products):
            begun = time.thread_time()
            product()
            if number:  # the first round warms up
                best[index] = min(best[index], time.thread_time() - begun)
    return best


def _einsum(left: Any, right: Any) -> Callable[[], object]:
    """A product by NumPy's own vectorised loops: `optimize=False` keeps it from calling BLAS."""
    import numpy as np

    return lambda: np.einsum("ij,jk->ik", left, right, optimize=False)


def _accelerate(left: Any, right: Any) -> Callable[[], object]:
    """The same product by the system's own BLAS, whatever NumPy uses (cblas.h: row major 101, no transpose 111)."""
    import numpy as np

    library = ctypes.CDLL("/System/Library/Frameworks/Accelerate.framework/Accelerate")
    result = np.empty_like(left)
    place = ctypes.POINTER(ctypes.c_float)
    pointers = [array.ctypes.data_as(place) for array in (left, right, result)]
    one, zero = ctypes.c_float(1), ctypes.c_float(0)

    def product() -> object:
        a, b, c = pointers
        return library.cblas_sgemm(101, 111, 111, _SIZE, _SIZE, _SIZE, one, a, _SIZE, b, _SIZE, zero, c, _SIZE)

    return product
