"""What wheels bring for NVIDIA's GPUs is told where nobody asked for it, with what does without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.lock.model import Lock, LockedPackage
from builder.operations.for_nvidia import unasked
from builder.operations.preparing import Prepared
from builder.plan.make import make_plans
from builder.plan.terms import Source
from builder.platforms import Subdir
from tests.unit.plan.support import recipe

PYPI: dict[str, Any] = {"framework": {"name": "torch", "provider": "pypi"}}


def _lock(*packages: str) -> Lock:
    """PyPI packages, each as `name version [size] : dependency; dependency`."""
    found = []
    for text in packages:
        head, _, needs = text.partition(":")
        name, version, *size = head.split()
        found.append(
            LockedPackage(
                manager="pip",
                name=name,
                version=version,
                subdir=Subdir.LINUX_64,
                url=f"https://h/{name}.whl",
                sha256=None,
                dependencies={need.strip(): "*" for need in needs.split(";") if need.strip()},
                size=int(size[0]) if size else None,
            )
        )
    platforms = (Subdir.OSX_ARM64, Subdir.LINUX_64)
    return Lock(channels=(), platforms=platforms, packages=tuple(found), sources=(), content_hash={})


TORCH = _lock("torch 2.9.0 900 : nvidia-cublas; sympy", "nvidia-cublas 13.0 700000000", "cuda-bindings 13.0 1000000")


def _told(lock: Lock, *, source: Source = Source.CONDA_FORGE, **fields: Any) -> str | None:
    asked = recipe(**({"dependencies": ["numpy"], "python": "3.12"} | fields))
    prepared = Prepared(recipe=asked, plans=make_plans(asked), folder=Path("nowhere"))
    return unasked(lock, prepared, source=source)


def test_what_the_framework_brings_is_counted_and_conda_forge_does_without() -> None:
    assert _told(TORCH, **PYPI) == (
        "linux-64: torch 2.9.0 brings 2 packages for NVIDIA GPUs (701 MB to download); "
        "`framework: {provider: conda-forge}` takes builds that need none of them"
    )


def test_what_a_package_brings_is_to_be_taken_from_conda_forge() -> None:
    lock = _lock("xgboost 3.1.0 : nvidia-nccl-cu12", "nvidia-nccl-cu12 2.28")
    assert _told(lock, pypi=["xgboost"]) == (
        "linux-64: xgboost 3.1.0 brings 1 package for NVIDIA GPUs; "
        "py-xgboost under `dependencies:` instead takes conda-forge's build, which needs none of them"
    )


def test_with_everything_from_pypi_it_is_the_source_that_must_go() -> None:
    told = _told(TORCH, source=Source.PYPI, **PYPI)
    assert told is not None
    assert told.endswith("without `--source pypi` conda-forge's builds are taken, which need none of them")


@pytest.mark.parametrize(
    "asking",
    [
        {"pypi": ["jax[cuda12]"]},
        {"pypi": ["tensorflow[and-cuda]"]},
        {"pypi": ["nvidia-cublas"]},
        {"groups": {"gpu": {"pypi": ["cupy-cuda12x"]}}},
        {"verify": {"devices": {"GPU": 1}}},
    ],
    ids=str,
)
def test_who_asks_for_cuda_is_told_nothing(asking: dict[str, Any]) -> None:
    assert _told(TORCH, **asking) is None


def test_where_nothing_is_for_nvidia_nothing_is_said() -> None:
    assert _told(_lock("torch 2.9.0+cpu : sympy", "sympy 1.14"), **PYPI) is None
