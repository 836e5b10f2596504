"""Import modules, one after the other, in this one process; then let them compute together."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """Import `modules` in order, each a step of `check`. With `use`, what was imported also computes something: a step
    of `import.used`, or of `check` itself with `same`.

    OpenMP and BLAS start their threads at the first computation, so runtimes that clash do so only then.
    """
    for name in arguments["modules"]:
        with probe.step(arguments["check"], name) as facts:
            module = importlib.import_module(name)
            facts["file"] = getattr(module, "__file__", None)
            facts["version"] = str(getattr(module, "__version__", ""))
    if not arguments.get("use"):
        return
    for name, use in _USES.items():
        if name in arguments["modules"]:
            step = (arguments["check"], f"computing with {name}") if arguments.get("same") else ("import.used", name)
            with probe.step(*step):
                use()
    with probe.step("openmp.loaded") as facts:
        facts["images"] = probe.loaded_images()


def _numpy() -> None:
    import numpy as np

    np.ones((400, 400)) @ np.ones((400, 400))


def _scipy() -> None:
    import numpy as np
    import scipy.linalg

    scipy.linalg.lu_factor(np.eye(200))


def _sklearn() -> None:
    import numpy as np
    from sklearn.cluster import KMeans

    KMeans(n_clusters=2, n_init=1, random_state=0).fit(np.random.default_rng(0).standard_normal((2000, 4)))


def _torch() -> None:
    import torch

    (torch.ones(400, 400) @ torch.ones(400, 400)).sum().item()
    torch.ones(2_000_000).exp().sum().item()


def _tensorflow() -> None:
    import tensorflow as tf

    tf.reduce_sum(tf.matmul(tf.ones((400, 400)), tf.ones((400, 400)))).numpy()


def _boosting(name: str) -> Callable[[], None]:
    def use() -> None:
        import numpy as np

        rows = np.random.default_rng(0).standard_normal((500, 4))
        library = importlib.import_module(name)
        regressor = library.XGBRegressor if name == "xgboost" else library.LGBMRegressor
        regressor(n_estimators=3).fit(rows, rows[:, 0])

    return use


_USES: dict[str, Callable[[], None]] = {
    "numpy": _numpy,
    "scipy": _scipy,
    "sklearn": _sklearn,
    "torch": _torch,
    "tensorflow": _tensorflow,
    "xgboost": _boosting("xgboost"),
    "lightgbm": _boosting("lightgbm"),
}
