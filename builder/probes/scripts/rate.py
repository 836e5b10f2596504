"""How fast NumPy multiplies matrices, beside what this machine can do."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.probes.scripts.run import Recorder

_SIZE = 1024


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """Rates are in GFLOP/s of float32, the best of several products of two 1024 x 1024 matrices."""
    del arguments
    with probe.step("blas.rate") as facts:
        import numpy as np

        left, right = (np.random.default_rng(seed).standard_normal((_SIZE, _SIZE)).astype("float32") for seed in (1, 2))
        facts["numpy"] = _best(lambda: left @ right)
        facts["cpus"] = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        if platform.system() == "Darwin":
            facts["accelerate"] = _best(_accelerate(left, right))
        else:
            facts["peak_per_core"], facts["how"] = _peak_per_core()


def _best(product: Callable[[], object]) -> float:
    product()
    best = math.inf
    for _ in range(7):
        begun = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - begun)
    return 2 * _SIZE**3 / best / 1e9


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


def _peak_per_core() -> tuple[float | None, str]:
    """A rough peak from the processor's flags and clock: float32 operations a cycle times GHz."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        text = file.read()
    flags = set((re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE) or [""] * 2)[1].split())
    clock = re.search(r"^cpu MHz\s*:\s*([\d.]+)$", text, re.MULTILINE)
    if clock is None:
        return None, "the clock rate is not known"
    # Two fused multiply-adds a cycle of 16, 8 or 4 numbers; most processors of the last ten years.
    operations = 64 if "avx512f" in flags else 32 if {"avx2", "fma"} <= flags else 16
    gigahertz = float(clock[1]) / 1000
    return operations * gigahertz, f"{operations} operations a cycle at {gigahertz:.1f} GHz"
