"""Commands that install packages of an environment again, each by what installed it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from builder.doctor.installed import conda_packages
from builder.environment.stamp import RELATIVE_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.doctor.disk import Disk
    from builder.doctor.model import Interpreter


def commands(disk: Disk, interpreter: Interpreter, names: Iterable[str]) -> tuple[str, ...]:
    """What to run so that the distributions or conda packages `names` are whole again, in the versions they have.

    envbuild restores its own environments from their lock; conda what conda installed and nothing was put over; pip
    the rest, or uv where there is no pip. For another machine too: only its records are asked.
    """
    prefix = interpreter.prefix
    if prefix is None:
        return ()
    if disk.is_file(prefix / RELATIVE_PATH):
        return (shlex.join(("envbuild", "sync", str(prefix))),)
    recorded = {name: version for name, (version, _) in conda_packages(disk, prefix).items()}
    wanted = list(dict.fromkeys(names))
    by_conda = [
        name for name in wanted if name in recorded and interpreter.packages.get(name) in (None, recorded[name])
    ]
    by_pip = [_pinned(interpreter, name) for name in wanted if name not in by_conda]
    found: list[str] = []
    if by_conda:
        found.append(shlex.join(("conda", "install", "-p", str(prefix), "--force-reinstall", *by_conda)))
    if by_pip and "pip" in interpreter.packages:
        found.append(
            shlex.join((str(interpreter.path), "-m", "pip", "install", "--force-reinstall", "--no-deps", *by_pip))
        )
    elif by_pip:
        install = ("uv", "pip", "install", "--python", str(interpreter.path), "--reinstall", "--no-deps")
        found.append(shlex.join((*install, *by_pip)))
    return tuple(found)


def _pinned(interpreter: Interpreter, name: str) -> str:
    return f"{name}=={interpreter.packages[name]}" if name in interpreter.packages else name
