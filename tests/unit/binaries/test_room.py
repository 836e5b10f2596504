"""What this room may know: itself and the ground, types included."""

from __future__ import annotations

import ast
from pathlib import Path

import builder.binaries

ROOM = Path(builder.binaries.__file__).parent
GROUND = {
    "builder.errors",
    "builder.platforms",
    "builder.files",
    "builder.leash",
    "builder.resources",
    "builder.wording",
}


def test_nothing_above_is_imported() -> None:
    """The linking model judges a package it is told about; who reads packages from disk is above it."""
    found = {
        node.module
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("builder")
    }
    assert {module for module in found if not module.startswith("builder.binaries")} <= GROUND
