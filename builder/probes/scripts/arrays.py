"""NumPy and SciPy: which BLAS they really use, and whether it computes correctly.

Every expected value comes from something that does not go through the library under test: a closed form, an
identity that must hold, or the same sum done another way (`einsum` without BLAS, Python's own `math.fsum`).
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`scipy`: whether SciPy is installed. `level` as everywhere."""
    with probe.step("import.alone", "numpy") as facts:
        import numpy as np

        facts["file"], facts["version"] = np.__file__, np.__version__
    if "file" not in facts:
        return
    if arguments["scipy"]:
        with probe.step("import.together", "scipy") as facts:
            import scipy
            import scipy.linalg

            facts["file"], facts["version"] = scipy.__file__, scipy.__version__
        arguments["scipy"] = "file" in facts
    with probe.step("blas.loaded") as facts:
        _use_blas()
        facts["numpy"] = _reported(np)
        if arguments["scipy"]:
            facts["scipy"] = _reported(__import__("scipy"))
        facts["images"] = probe.loaded_images()
        facts["threads"] = _threads()
    for dtype in ("float32", "float64"):
        for name, function in _NUMPY.items():
            with probe.step("numerics.numpy", f"{name} {dtype}") as facts:
                facts["error"], facts["dtype"] = float(function(dtype)), dtype
    if arguments["scipy"]:
        for name, decompose in _SCIPY.items():
            with probe.step("numerics.scipy", name) as facts:
                facts["error"], facts["dtype"] = float(decompose()), "float64"


def _use_blas() -> None:
    import numpy as np

    np.ones((64, 64)) @ np.ones((64, 64))


def _reported(module: Any) -> dict[str, str]:
    """What the library says it was built with (`show_config`, NumPy 1.26 and SciPy 1.11 on)."""
    with contextlib.suppress(Exception):
        blas = module.show_config(mode="dicts")["Build Dependencies"]
        return {
            f"{part} {key}": str(blas[part][key])
            for part in ("blas", "lapack")
            for key in ("name", "version", "openblas configuration")
            if part in blas and str(blas[part].get(key, "unknown")) != "unknown"
        }
    return {}


def _threads() -> dict[str, Any]:
    facts: dict[str, Any] = {"cpus": os.cpu_count(), "pools": []}
    with contextlib.suppress(ImportError):
        import threadpoolctl

        facts["pools"] = [
            {key: str(pool.get(key)) for key in ("internal_api", "prefix", "filepath", "version", "num_threads")}
            for pool in threadpoolctl.threadpool_info()
        ]
    return facts


def _relative(got: Any, want: Any) -> float:
    """Largest difference, relative to the largest value wanted; NaN counts as infinitely wrong."""
    import numpy as np

    got, want = np.asarray(got, dtype="complex128"), np.asarray(want, dtype="complex128")
    difference = float(np.max(np.abs(got - want)) / max(float(np.max(np.abs(want))), 1e-300))
    return difference if math.isfinite(difference) else 1e300


def _sample(rows: int, columns: int, dtype: str) -> Any:
    import numpy as np

    return np.random.default_rng(7).standard_normal((rows, columns)).astype(dtype)


def _matmul(dtype: str) -> float:
    import numpy as np

    left, right = _sample(193, 257, dtype), _sample(257, 129, dtype)
    return _relative(
        left @ right, np.einsum("ij,jk->ik", left.astype("float64"), right.astype("float64"), optimize=False)
    )


def _gram(dtype: str) -> float:
    """`A @ A.T` takes BLAS' symmetric path (SYRK); wrong in float32 with one OpenBLAS build (numpy#31776)."""
    import numpy as np

    a = _sample(300, 672, dtype)
    wide = a.astype("float64")
    return _relative(a @ a.T, np.einsum("ij,kj->ik", wide, wide, optimize=False))


def _gemv(dtype: str) -> float:
    a, x = _sample(211, 307, dtype), _sample(307, 1, dtype)[:, 0]
    want = [math.fsum(float(p) * float(q) for p, q in zip(row, x)) for row in a]
    return _relative(a @ x, want)


def _sums(dtype: str) -> float:
    values = _sample(1, 100_003, dtype)[0] + 3
    return _relative(values.sum(), math.fsum(float(value) for value in values))


def _toeplitz(size: int, dtype: str) -> Any:
    """The second-difference matrix; eigenvalues 2 - 2 cos(k pi / (n + 1)), k = 1..n."""
    import numpy as np

    return (2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)).astype(dtype)


def _eigenvalues(size: int) -> list[float]:
    return [2 - 2 * math.cos(k * math.pi / (size + 1)) for k in range(1, size + 1)]


def _eigh(dtype: str) -> float:
    import numpy as np

    matrix = _toeplitz(60, dtype)
    values, vectors = np.linalg.eigh(matrix)
    return max(_relative(values, _eigenvalues(60)), _relative((vectors * values) @ vectors.T, matrix))


def _svd(dtype: str) -> float:
    import numpy as np

    matrix = _sample(80, 50, dtype)
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    known = np.linalg.svd(_toeplitz(40, dtype), compute_uv=False)
    return max(_relative((u * s) @ vt, matrix), _relative(known, sorted(_eigenvalues(40), reverse=True)))


def _solve(dtype: str) -> float:
    import numpy as np

    matrix = _toeplitz(50, dtype) + np.eye(50, dtype=dtype)
    want = np.linspace(-1, 1, 50).astype(dtype)
    return _relative(np.linalg.solve(matrix, matrix @ want), want)


def _lstsq(dtype: str) -> float:
    """A consistent overdetermined system has its own solution as the answer, and full rank."""
    import numpy as np

    matrix = _sample(120, 20, dtype)
    want = np.linspace(-2, 2, 20).astype(dtype)
    solution, _, rank, _ = np.linalg.lstsq(matrix, matrix @ want, rcond=None)
    return _relative(solution, want) if rank == 20 else 1e300


def _cholesky_det(dtype: str) -> float:
    """det of the second-difference matrix is n + 1, and its Cholesky factor gives it back."""
    import numpy as np

    matrix = _toeplitz(30, dtype)
    factor = np.linalg.cholesky(matrix)
    return max(_relative(factor @ factor.T, matrix), _relative(np.linalg.det(matrix), 31.0))


def _complex_eig(dtype: str) -> float:
    """The cyclic shift has the n-th roots of unity as eigenvalues."""
    import numpy as np

    shift = np.roll(np.eye(16), 1, axis=0).astype(dtype)
    values = np.linalg.eigvals(shift)
    roots = np.exp(2j * np.pi * np.arange(16) / 16)
    return float(max(np.min(np.abs(values - root)) for root in roots))


_NUMPY = {
    "matmul": _matmul,
    "A @ A.T": _gram,
    "matrix-vector": _gemv,
    "sum": _sums,
    "eigh": _eigh,
    "svd": _svd,
    "solve": _solve,
    "lstsq": _lstsq,
    "cholesky and det": _cholesky_det,
    "eigvals": _complex_eig,
}


def _scipy_schur() -> float:
    import numpy as np
    import scipy.linalg

    matrix = _sample(40, 40, "float64")
    triangular, unitary = scipy.linalg.schur(matrix, output="complex")
    return _relative(unitary @ triangular @ unitary.conj().T, matrix.astype(np.complex128))


def _scipy_qz() -> float:
    """Generalised Schur form of complex matrices; failed with Accelerate of macOS 15.1 (scipy#21862)."""
    import scipy.linalg

    a = _sample(12, 12, "float64") + 1j * _sample(12, 12, "float64").T
    b = _sample(12, 24, "float64")[:, 12:] + 1j * _sample(12, 12, "float64")
    s, t, _alpha, _beta, q, z = scipy.linalg.ordqz(a, b, output="complex")
    return max(_relative(q @ s @ z.conj().T, a), _relative(q @ t @ z.conj().T, b))


def _scipy_eig() -> float:
    import scipy.linalg

    a = _sample(30, 30, "float64") + 1j * _sample(30, 30, "float64").T
    values, vectors = scipy.linalg.eig(a)
    return _relative(a @ vectors, vectors * values)


def _scipy_lu() -> float:
    import numpy as np
    import scipy.linalg

    matrix = _sample(60, 60, "float64")
    want = np.linspace(0, 1, 60)
    return _relative(scipy.linalg.lu_solve(scipy.linalg.lu_factor(matrix), matrix @ want), want)


def _scipy_expm() -> float:
    """exp of a rotation's generator is the rotation."""
    import numpy as np
    import scipy.linalg

    angle = 0.7
    rotation = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return _relative(scipy.linalg.expm(np.array([[0, -angle], [angle, 0]])), rotation)


_SCIPY = {
    "schur": _scipy_schur,
    "ordqz": _scipy_qz,
    "eig": _scipy_eig,
    "lu_solve": _scipy_lu,
    "expm": _scipy_expm,
}


def gemm_rate(size: int, dtype: str) -> float:
    """GFLOP/s of the best of five square products."""

    left, right = _sample(size, size, dtype), _sample(size, size, dtype)
    best = math.inf
    for _ in range(5):
        begun = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - begun)
    return 2 * size**3 / best / 1e9
