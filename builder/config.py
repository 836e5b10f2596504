"""The user's own configuration: `config.yaml` in the platform's configuration folder (or $ENVBUILD_CONFIG)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from builder import yamlio
from builder.errors import UsageError
from builder.recipe.model import Model

if TYPE_CHECKING:
    from pathlib import Path


class Config(Model):
    """Everything in it can also be said on the command line, which wins."""

    mirrors: dict[str, str] = Field(
        default_factory=dict, description="Channel → URL or folder from which it is fetched instead."
    )
    envs_dir: str | None = Field(default=None, description="Where environments are created by name.")


def load_config(file: Path) -> Config:
    """The configuration in `file`, or defaults where there is none. Raises UsageError with file and line."""
    if not file.is_file():
        return Config()
    return yamlio.validate(yamlio.load(file, error=UsageError), Config, error=UsageError)
