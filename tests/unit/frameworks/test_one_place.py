"""What is known of a framework is in its own file: nobody else calls one by name."""

from __future__ import annotations

import ast
from pathlib import Path

import builder
from builder.frameworks import registry
from builder.frameworks.keras import OVER_FRAMEWORKS

ROOT = Path(builder.__file__).parent
#: Where frameworks are named: their own files, the scripts that the environments run, and data.
FREE = ("frameworks", "probes")


def names() -> set[str]:
    found = {OVER_FRAMEWORKS}
    for entry in registry.all_frameworks():
        if entry.main:
            found |= {entry.name, *entry.aliases, entry.main, entry.conda, *entry.distributions, *entry.gpu_names}
    return found


def constants(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_no_other_module_names_a_framework() -> None:
    asked = names()
    assert {"tensorflow", "keras", "torch", "pytorch", "jax", "mlx", "tensorflow-metal"} <= asked
    found = {
        str(file.relative_to(ROOT)): sorted(constants(file) & asked)
        for file in sorted(ROOT.rglob("*.py"))
        if file.relative_to(ROOT).parts[0] not in FREE and constants(file) & asked
    }
    assert found == {}, "ask builder.frameworks.registry instead"


def test_the_frameworks_lie_below_what_judges_with_them() -> None:
    """They see a case through protocols, so that a new one needs nothing of the rooms above."""
    above = (
        "checks",
        "probes",
        "plan",
        "render",
        "lock",
        "install",
        "channel",
        "operations",
        "cli",
        "report",
        "doctor",
    )
    for file in (ROOT / "frameworks").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                assert not node.module.startswith(tuple(f"builder.{room}" for room in above)), (file.name, node.module)
