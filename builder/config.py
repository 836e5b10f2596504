"""The user's own configuration: `config.yaml` in the platform's configuration folder (or $ENVBUILD_CONFIG)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from builder import yamlio
from builder.errors import UsageError
from builder.recipe.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping


class Config(Model):
    """Everything in it can also be said on the command line, which wins."""

    mirrors: dict[str, str] = Field(
        default_factory=dict, description="Channel → URL or folder from which it is fetched instead."
    )
    envs_dir: str | None = Field(default=None, description="Where environments are created by name.")


def config_file(environ: Mapping[str, str]) -> Path:
    import platformdirs

    given = environ.get("ENVBUILD_CONFIG")
    return Path(given) if given else platformdirs.user_config_path("envbuild") / "config.yaml"


def load_config(environ: Mapping[str, str]) -> Config:
    """The configuration, or defaults where there is no file. Raises UsageError with file and line."""
    file = config_file(environ)
    if not file.is_file():
        return Config()
    return yamlio.validate(yamlio.load(file, error=UsageError), Config, error=UsageError)
