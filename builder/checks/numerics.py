"""Numbers: known answers of NumPy and SciPy, and worker processes that compute what their parent computes."""

from __future__ import annotations

from functools import partial
from typing import Final

from builder.checks.judging import probed
from builder.frameworks.judging import judge_workers, known_answer

CHECKS: Final = (
    probed(
        id="numerics.numpy",
        area="numerics",
        catches="Wrong results of NumPy's BLAS and LAPACK against known answers, in float32 and float64.",
        otherwise="Silence: wrong numbers (numpy#31776: float32 `A @ A.T` with one OpenBLAS build).",
        judge=partial(known_answer, module="numpy"),
    ),
    probed(
        id="numerics.scipy",
        area="numerics",
        catches="Wrong or failing decompositions of SciPy's LAPACK.",
        otherwise="`LinAlgError` or wrong eigenvalues (scipy#21862: Accelerate of macOS 15.1).",
        judge=partial(known_answer, module="scipy"),
    ),
    probed(
        id="workers.start",
        area="numerics",
        catches="Worker processes (data loaders) that hang or crash when forked or spawned.",
        otherwise="A training that stops at its first batch, without a message.",
        judge=judge_workers,
    ),
)
