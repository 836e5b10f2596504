"""PyTorch: devices, known answers on each of them, training, saving, worker processes."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`scratch`: a folder for the saved model."""
    with probe.step("import.alone", "torch") as facts:
        import torch

        facts["file"], facts["version"] = torch.__file__, torch.__version__
    if "file" not in facts:
        return
    devices = ["cpu"]
    with probe.step("torch.devices") as facts:
        facts["mps_built"] = torch.backends.mps.is_built()
        facts["mps"] = torch.backends.mps.is_available()
        facts["cuda"] = torch.cuda.is_available()
        facts["threads"] = torch.get_num_threads()
        facts["blas"] = [
            line.strip() for line in torch.__config__.show().splitlines() if "BLAS" in line or "MKL" in line
        ]
        devices += ["mps"] * facts["mps"] + ["cuda"] * facts["cuda"]
    for device in devices:
        for name, case in _CASES.items():
            with probe.step("numerics.torch", f"{name} on {device}") as facts:
                got, want = case(device)
                facts["error"], facts["dtype"] = _relative(got.detach().cpu().double().numpy(), want), "float32"
        _fit(probe, device)
    _save(probe, os.path.join(arguments["scratch"], "model.pt"))
    _loaders(probe)


def _relative(got: Any, want: Any) -> float:
    import numpy as np

    difference = float(np.max(np.abs(got - want)) / max(float(np.max(np.abs(want))), 1e-300))
    return difference if math.isfinite(difference) else 1e300


def _sample(*shape: int, seed: int = 3) -> Any:
    import numpy as np

    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def _matmul(device: str) -> tuple[Any, Any]:
    import numpy as np
    import torch

    left, right = _sample(65, 130), _sample(130, 33, seed=4)
    got = torch.from_numpy(left).to(device) @ torch.from_numpy(right).to(device)
    return got, np.einsum("ij,jk->ik", left.astype("float64"), right.astype("float64"), optimize=False)


def _conv2d(device: str) -> tuple[Any, Any]:
    import numpy as np
    import torch

    images, kernel = _sample(2, 3, 12, 11), _sample(5, 3, 3, 3, seed=4)
    want = np.zeros((2, 5, 10, 9))
    for row in range(3):
        for column in range(3):
            patch = images[:, :, row : row + 10, column : column + 9].astype("float64")
            want += np.einsum("nihw,oi->nohw", patch, kernel[:, :, row, column].astype("float64"), optimize=False)
    return torch.nn.functional.conv2d(torch.from_numpy(images).to(device), torch.from_numpy(kernel).to(device)), want


def _gradient(device: str) -> tuple[Any, Any]:
    """The gradient of softmax cross-entropy is softmax minus one-hot."""
    import numpy as np
    import torch

    values = _sample(9, 5)
    logits = torch.from_numpy(values).to(device).requires_grad_()
    labels = torch.arange(9, device=device) % 5
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    powers = np.exp(values.astype("float64"))
    return logits.grad, powers / powers.sum(axis=1, keepdims=True) - np.eye(5)[np.arange(9) % 5]


def _linalg(device: str) -> tuple[Any, Any]:
    """Eigenvalues of the second-difference matrix; LAPACK runs on the CPU whatever the device."""
    import numpy as np
    import torch

    del device
    matrix = 2 * np.eye(12) - np.eye(12, k=1) - np.eye(12, k=-1)
    want = np.array([2 - 2 * math.cos(k * math.pi / 13) for k in range(1, 13)])
    return torch.linalg.eigvalsh(torch.from_numpy(matrix.astype("float32"))), want


def _sums(device: str) -> tuple[Any, Any]:
    import numpy as np
    import torch

    values = _sample(100_003) + 3
    total = math.fsum(float(value) for value in values)
    return torch.from_numpy(values).to(device).sum().reshape(1), np.array([total])


_CASES = {
    "matmul": _matmul,
    "conv2d": _conv2d,
    "cross-entropy gradient": _gradient,
    "eigvalsh": _linalg,
    "sum": _sums,
}


def _model() -> Any:
    import torch

    torch.manual_seed(20)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))


def _fit(probe: Recorder, device: str) -> None:
    import numpy as np
    import torch

    with probe.step("torch.fit", device) as facts:
        rows = _sample(256, 8)
        answers = (rows @ np.linspace(-1, 1, 8, dtype="float32"))[:, None]
        inputs, wanted = torch.from_numpy(rows).to(device), torch.from_numpy(answers).to(device)
        model = _model().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        losses = []
        for _ in range(60):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(inputs), wanted)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        facts["losses"] = losses[::10] + losses[-1:]


def _save(probe: Recorder, path: str) -> None:
    import torch

    with probe.step("torch.save") as facts:
        model, rows = _model(), torch.from_numpy(_sample(32, 8))
        torch.save(model.state_dict(), path)
        loaded = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
        loaded.load_state_dict(torch.load(path, weights_only=True))
        facts["difference"] = float((model(rows) - loaded(rows)).abs().max())


def _loaders(probe: Recorder) -> None:
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    for method in ("fork", "spawn"):
        with probe.step("torch.loader", method) as facts:
            rows = torch.arange(64.0).reshape(16, 4)
            loader = DataLoader(
                TensorDataset(rows), batch_size=4, num_workers=2, multiprocessing_context=method, timeout=60
            )
            facts["equal"] = bool(torch.equal(torch.cat([batch for (batch,) in loader]), rows))
