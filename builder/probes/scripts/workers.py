"""Worker processes as data loaders start them, forked and spawned, computing with NumPy's BLAS."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`seconds`: how long a pool may take. The libraries in `modules` are loaded before, the first of them alone."""
    import importlib

    for name in arguments["modules"][:1]:
        with probe.step("import.alone", name) as facts:
            module = importlib.import_module(name)
            facts["file"], facts["version"] = module.__file__, module.__version__
    for name in arguments["modules"][1:]:
        importlib.import_module(name)
    import numpy as np

    matrices = [np.diag(np.arange(1.0, 65.0)) + number for number in range(4)]
    wanted = [np.linalg.eigvalsh(matrix) for matrix in matrices]  # also starts this process's threads
    for method in ("fork", "spawn"):
        with probe.step("workers.start", method) as facts:
            facts["default"] = multiprocessing.get_start_method(allow_none=True) or _default()
            # Only functions that a spawned process can import by name: this file is none of them.
            with multiprocessing.get_context(method).Pool(2) as pool:
                got = pool.map_async(np.linalg.eigvalsh, matrices).get(timeout=arguments["seconds"])
            facts["equal"] = all(np.allclose(left, right) for left, right in zip(got, wanted))


def _default() -> str:
    return multiprocessing.get_all_start_methods()[0]
