"""What `builder.operations` offers to scripts."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

from builder import operations
from builder.cli import VERBS


@pytest.mark.parametrize("name", operations.__all__)
def test_what_is_offered_is_there(name: str) -> None:
    assert getattr(operations, name).__name__ == name


# `completion` is the terminal's alone, and `doctor` calls its module's functions by the module's name.
@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"completion", "doctor"}))
def test_what_a_verb_calls_is_offered_to_scripts(verb: str) -> None:
    """By one function at least; what serves the terminal alone need not be."""
    source = import_module(VERBS[verb][0]).__file__
    assert source is not None
    called = {
        alias.name
        for node in ast.walk(ast.parse(Path(source).read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("builder.operations.")
        for alias in node.names
        if alias.name.islower()
    }
    assert called & set(operations.__all__), f"builder.operations offers nothing of {sorted(called)}"
