"""Recipes for the planner's tests."""

from __future__ import annotations

from typing import Any

from builder.recipe.model import Recipe

BASE: dict[str, Any] = {
    "name": "team",
    "platforms": ["osx-arm64", "linux-64"],
    "python": ">=3.11,<3.13",
    "macos": "14.0",
    "dependencies": [
        "numpy",
        "pandas",
        "scikit-learn",
        {"conda": "matplotlib-base", "pypi": "matplotlib"},
        "ipykernel",
    ],
}


def recipe(**changes: Any) -> Recipe:
    """The team's recipe with some fields replaced."""
    return Recipe.model_validate(BASE | changes)


def framework(provider: str = "conda-forge", **fields: Any) -> dict[str, Any]:
    return {"name": "tensorflow", "provider": provider, **fields}


METAL = framework("metal", gpu=True)
