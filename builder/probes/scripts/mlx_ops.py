"""MLX: the device, known answers, and a training that learns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    del arguments
    with probe.step("import.alone", "mlx.core") as facts:
        import mlx.core as mx

        facts["file"], facts["version"] = mx.__file__, mx.__version__
    if "file" not in facts:
        return
    with probe.step("mlx.devices") as facts:
        facts["default"] = str(mx.default_device())
        facts["metal"] = bool(mx.metal.is_available())
    devices = [mx.cpu, mx.gpu] if facts.get("metal") else [mx.cpu]
    for device in devices:
        kind = "gpu" if device == mx.gpu else "cpu"
        mx.set_default_device(device)
        with probe.step("numerics.mlx", f"matmul on {kind}") as facts:
            import numpy as np

            left, right = _sample(65, 130), _sample(130, 33)
            want = np.einsum("ij,jk->ik", left.astype("float64"), right.astype("float64"), optimize=False)
            got = np.array(mx.array(left) @ mx.array(right), dtype="float64")
            error = float(np.max(np.abs(got - want)) / np.max(np.abs(want)))
            facts["error"], facts["dtype"] = (error if math.isfinite(error) else 1e300), "float32"
        _fit(probe, kind)


def _sample(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(shape[0]).standard_normal(shape).astype("float32")


def _fit(probe: Recorder, kind: str) -> None:
    import mlx.core as mx
    import numpy as np

    with probe.step("mlx.fit", kind) as facts:
        rows = _sample(256, 8)
        inputs, answers = mx.array(rows), mx.array(rows @ np.linspace(-1, 1, 8, dtype="float32"))
        step = mx.value_and_grad(lambda w: mx.mean((inputs @ w - answers) ** 2))
        weights, losses = mx.zeros((8,)), []
        for _ in range(40):
            loss, gradient = step(weights)
            weights = weights - 0.1 * gradient
            losses.append(float(loss))
        facts["losses"] = losses[::10] + losses[-1:]
