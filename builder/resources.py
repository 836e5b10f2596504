"""Where envbuild's own recipes, templates and committed environments are: in the wheel, or in a checkout."""

from __future__ import annotations

from pathlib import Path


def shipped(kind: str) -> Path:
    """The folder `recipes`, `templates` or `environments` that this envbuild came with."""
    package = Path(__file__).parent
    installed = package / "_shipped" / kind
    return installed if installed.is_dir() else package.parent / kind
