"""Environments that have lost what says which packages are in them: `conda-meta`, or envbuild's stamp there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.environment.register import made_with
from builder.environment.stamp import RELATIVE_PATH

if TYPE_CHECKING:
    from builder.environment.environment import Environment
    from builder.environment.reading import Reader


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What is gone, by what that is known, and the words of the command that made it, where those are noted."""

    what: str
    evidence: tuple[str, ...]
    made_with: tuple[str, ...] | None = None


def lost(environment: Environment, reader: Reader) -> Lost | None:
    """What an environment has lost; None for a whole one, and for a folder that never was one of conda's."""
    if environment.stamp is not None or environment.needs_newer:
        return None
    path = environment.path
    what = RELATIVE_PATH.as_posix() if environment.is_conda else "conda-meta"
    reason = next((item.reason for item in reader.unreadable if item.path == path / RELATIVE_PATH), "")
    evidence = (f"{what}: {reason}",) if reason else ()
    command = made_with(path, reader)
    if command is not None:
        told = f".condarc: made by `{' '.join(command)}`"
        return Lost(what=what, evidence=(*evidence, told), made_with=command)
    if environment.is_conda:
        return Lost(what=what, evidence=evidence) if evidence else None
    if environment.pyvenv is not None or environment.interpreter is None:
        return None
    sign = _sign_of_conda(environment, reader)
    return Lost(what=what, evidence=(sign,)) if sign is not None else None


def _sign_of_conda(environment: Environment, reader: Reader) -> str | None:
    """A file that only a Python of conda's has: how it was built, or a package that conda installed."""
    for site in environment.site_folders:
        for entry in reader.entries(site.parent):
            if entry.name.startswith("_sysconfigdata") and "_conda_" in entry.name:
                return f"{os.path.relpath(entry, environment.path)}: its Python was built by conda"
    for dist in environment.distributions:
        if dist.installer == "conda":
            return f"{os.path.relpath(dist.path, environment.path)}: installed by conda"
    return None
