from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.checks.support import Tree

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "env")


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No unit test asks a channel, or finds what somebody else has asked it."""
    monkeypatch.setenv("ENVBUILD_OFFLINE", "1")
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "rattler-cache"))
