"""JAX: devices, known answers compiled and not, on each device, and a training that learns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    del arguments
    with probe.step("import.alone", "jax") as facts:
        import jax

        facts["file"], facts["version"] = jax.__file__, jax.__version__
    if "file" not in facts:
        return
    devices: list[Any] = []
    with probe.step("jax.devices") as facts:
        import jaxlib

        facts["jaxlib"] = jaxlib.__version__
        facts["backend"] = jax.default_backend()
        devices = list(dict.fromkeys([*jax.devices("cpu")[:1], *jax.devices()[:1]]))
        facts["devices"] = [f"{device.platform}:{device.id}" for device in jax.devices()]
    for device in devices:
        with jax.default_device(device):
            for name, case in _CASES.items():
                with probe.step("numerics.jax", f"{name} on {device.platform}") as facts:
                    facts["error"], facts["dtype"] = _relative(*case()), "float32"
            _fit(probe, device.platform)


def _relative(got: Any, want: Any) -> float:
    import numpy as np

    got = np.asarray(got, dtype="float64")
    difference = float(np.max(np.abs(got - want)) / max(float(np.max(np.abs(want))), 1e-300))
    return difference if math.isfinite(difference) else 1e300


def _sample(*shape: int, seed: int = 3) -> Any:
    import numpy as np

    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def _matmul() -> tuple[Any, Any]:
    import jax
    import numpy as np

    left, right = _sample(65, 130), _sample(130, 33, seed=4)
    want = np.einsum("ij,jk->ik", left.astype("float64"), right.astype("float64"), optimize=False)
    # The default precision of a GPU or TPU may be lower than float32's.
    return jax.jit(lambda a, b: jax.numpy.matmul(a, b, precision="highest"))(left, right), want


def _gradient() -> tuple[Any, Any]:
    """The gradient of softmax cross-entropy is softmax minus one-hot."""
    import jax
    import numpy as np

    logits, labels = _sample(9, 5), np.arange(9) % 5

    def loss(values: Any) -> Any:
        return -jax.nn.log_softmax(values)[np.arange(9), labels].sum()

    powers = np.exp(logits.astype("float64"))
    return jax.grad(loss)(logits), powers / powers.sum(axis=1, keepdims=True) - np.eye(5)[labels]


def _linalg() -> tuple[Any, Any]:
    import jax
    import numpy as np

    matrix = (2 * np.eye(12) - np.eye(12, k=1) - np.eye(12, k=-1)).astype("float32")
    return jax.numpy.linalg.eigvalsh(matrix), np.array([2 - 2 * math.cos(k * math.pi / 13) for k in range(1, 13)])


def _sort() -> tuple[Any, Any]:
    import jax
    import numpy as np

    values = _sample(200)
    return jax.numpy.sort(values), np.sort(values.astype("float64"))


_CASES = {"matmul": _matmul, "cross-entropy gradient": _gradient, "eigvalsh": _linalg, "sort": _sort}


def _fit(probe: Recorder, platform: str) -> None:
    import jax
    import numpy as np

    with probe.step("jax.fit", platform) as facts:
        rows = _sample(256, 8)
        answers = rows @ np.linspace(-1, 1, 8, dtype="float32")

        @jax.jit  # type: ignore[untyped-decorator]
        def step(weights: Any) -> Any:
            loss, gradient = jax.value_and_grad(lambda w: ((rows @ w - answers) ** 2).mean())(weights)
            return loss, weights - 0.1 * gradient

        weights, losses = jax.numpy.zeros(8), []
        for _ in range(40):
            loss, weights = step(weights)
            losses.append(float(loss))
        facts["losses"] = losses[::10] + losses[-1:]
