"""What activating an environment does, as code for a shell, by py-rattler: PATH, variables, the packages' own scripts.

For `envbuild run` that code is kept beside the stamp, since importing py-rattler takes longer than all the rest: of an
environment that has scripts or variables of its own. Of one that has none, nothing needs to be known.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.environment.reading import Reader
from builder.environment.stamp import RELATIVE_PATH as STAMP
from builder.errors import BuildError
from builder.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping

SHELLS: Final = ("bash", "zsh", "fish", "powershell", "xonsh")
#: The activation code of bash and what it was made from, in a prefix of ours.
CACHE: Final = STAMP.with_name("envbuild.activation")
#: What decides what activation does besides PATH. Source: rattler_shell/src/activation.rs.
_SOURCES: Final = ("etc/conda/activate.d", "etc/conda/env_vars.d")
_STATE: Final = "conda-meta/state"
#: Stands for the PATH of whoever runs the code, which is not ours to keep.
_REST: Final = "/envbuild-rest-of-path"
_FORMAT: Final = 1


def code(prefix: Path, shell: str, *, environ: Mapping[str, str]) -> str:
    """Code that activates the conda environment at `prefix` in a shell with these variables (one of SHELLS).

    The environment that is active there is deactivated first. Raises BuildError where its own scripts or variables
    cannot be read.
    """
    current = Path(environ["CONDA_PREFIX"]) if environ.get("CONDA_PREFIX") else None
    rest = [entry for entry in environ.get("PATH", "").split(os.pathsep) if entry]
    return _by_rattler(prefix, shell, current=current, rest=rest, whole=True)


def own_code(prefix: Path, *, keep: bool) -> str | None:
    """Code for bash that activates an environment over whatever is there, with a PATH that goes on after its own.

    None where activation does nothing but put its programs first: `variables` says all of it. With `keep` it is kept
    in the prefix. Raises BuildError.
    """
    key = _key(prefix)
    if key is None:
        return None
    kept = _kept(prefix, key)
    if kept is not None:
        return kept
    text = _by_rattler(prefix, "bash", current=None, rest=[_REST], whole=False).replace(f"{_REST}:", "")
    if keep:
        # Where it is somebody else's, or read-only, it is made again each time.
        with contextlib.suppress(BuildError):
            write_atomically(prefix / CACHE, json.dumps({"format": _FORMAT, "key": key, "bash": text}) + "\n")
    return text


def variables(prefix: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process in an environment without scripts and variables of its own."""
    rest = environ.get("PATH")
    path = f"{prefix}/bin" + (f"{os.pathsep}{rest}" if rest else "")
    return {**environ, "PATH": path, "CONDA_PREFIX": str(prefix), "CONDA_SHLVL": "1"}


def _by_rattler(prefix: Path, shell: str, *, current: Path | None, rest: list[str], whole: bool) -> str:
    from rattler.shell import ActivationVariables, PathModificationBehavior, Shell, activate

    how = PathModificationBehavior.Replace if whole else PathModificationBehavior.Prepend
    try:
        # Without any PATH py-rattler would take that of this process.
        told = ActivationVariables(current, rest or ["/usr/bin", "/bin"], how)
        return activate(prefix, told, getattr(Shell, shell)).script
    except Exception as error:
        if type(error).__name__ != "ActivationError" and not isinstance(error, OSError | ValueError):
            raise
        raise BuildError(
            f"{prefix} cannot be activated: {error}", hint=f"look at {prefix / _STATE} and {prefix / _SOURCES[0]}"
        ) from None


def _key(prefix: Path) -> str | None:
    """What the activation code was made from, as a digest; None where there is nothing of the kind."""
    found: list[tuple[str, int, int]] = []
    for folder in _SOURCES:
        try:
            with os.scandir(prefix / folder) as entries:
                for entry in entries:
                    status = entry.stat()
                    found.append((f"{folder}/{entry.name}", status.st_mtime_ns, status.st_size))
        except OSError:
            continue
    for name in (_STATE, STAMP.as_posix()):
        try:
            status = (prefix / name).stat()
        except OSError:
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    if all(name == STAMP.as_posix() for name, _, _ in found):
        return None
    return hashlib.sha256(json.dumps([str(prefix), sorted(found)]).encode()).hexdigest()


def _kept(prefix: Path, key: str) -> str | None:
    content = Reader().read(prefix / CACHE)
    try:
        data = json.loads(content) if content is not None else {}
        if data.get("format") == _FORMAT and data.get("key") == key and isinstance(data.get("bash"), str):
            return str(data["bash"])
    except (ValueError, AttributeError, RecursionError):
        return None
    return None
