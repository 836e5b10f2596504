"""JAX and MLX from PyPI, and a library that computes wrongly without a word."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import uv

from builder.finding import Status
from builder.operations.verifying import verify_prefix
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Report

pytestmark = [pytest.mark.network, pytest.mark.slow]

if not sys.platform.startswith("linux"):
    pytest.skip("MLX's CPU build exists for Linux only", allow_module_level=True)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frameworks") / "env"
    python = str(path / "bin" / "python")
    for command in (
        ("venv", "--python", sys.executable, str(path)),
        ("pip", "install", "--link-mode", "copy", "--python", python, "jax", "mlx[cpu]", "scipy"),
    ):
        subprocess.run([uv.find_uv_bin(), *command], check=True, capture_output=True)
    return path


def verified(prefix: Path, home: Path) -> Report:
    return verify_prefix(workspace(home), prefix, static=False)


def test_jax_and_mlx_compute_learn_and_raise_no_alarm(prefix: Path, tmp_path: Path) -> None:
    report = verified(prefix, tmp_path)
    assert not [finding for finding in report.findings if finding.status in (Status.FAIL, Status.WARN)]
    passed = {finding.check for finding in report.findings if finding.status is Status.PASS}
    assert {"numerics.jax", "jax.fit", "jax.devices", "numerics.mlx", "mlx.fit", "mlx.devices"} <= passed


def test_a_silently_wrong_answer_is_found(prefix: Path, tmp_path: Path) -> None:
    """Nothing raises, nothing is printed: singular values are wrong by one per mille."""
    (module,) = prefix.glob("lib/python3.*/site-packages/numpy/linalg/__init__.py")
    sound = module.read_text()
    module.write_text(
        sound + "\n_svd = svd\n\n\ndef svd(*arguments, **options):\n"
        "    answer = _svd(*arguments, **options)\n"
        "    return answer * 1.001 if not isinstance(answer, tuple) else answer\n"
    )
    try:
        report = verified(prefix, tmp_path)
    finally:
        module.write_text(sound)
    wrong = [finding for finding in report.findings if finding.status is Status.FAIL]
    assert {finding.check for finding in wrong} == {"numerics.numpy"}
    assert {"svd float32" in finding.title or "svd float64" in finding.title for finding in wrong} == {True}
    assert all("numpy" in str(finding.remedy) for finding in wrong)
