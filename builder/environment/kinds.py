"""Telling who made an environment, from its files.

Sources: conda's `conda-meta/history`; pixi's `conda-meta/pixi` (crates/pixi_consts); the keys that `venv`, virtualenv
(`virtualenv = …`) and uv (`uv = …`) write into pyvenv.cfg.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from builder.environment.model import Kind, Recognised

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.environment.model import Interpreter, PyVenv, Revision
    from builder.environment.stamp import Stamp


def recognise(
    prefix: Path,
    *,
    stamp: Stamp | None,
    history: Sequence[Revision],
    pyvenv: PyVenv | None,
    interpreter: Interpreter | None,
    site_folders: Sequence[Path],
) -> Recognised:
    """The kind of the environment at `prefix`, the most telling sign first."""
    meta = prefix / "conda-meta"
    if stamp is not None:
        return Recognised(kind=Kind.ENVBUILD, evidence="conda-meta/envbuild.stamp")
    if (meta / "pixi").is_file():
        return Recognised(kind=Kind.PIXI, evidence="conda-meta/pixi")
    if meta.is_dir() and prefix.parts[-3:-1] == (".pixi", "envs"):
        return Recognised(kind=Kind.PIXI, evidence="it lies in .pixi/envs")
    if meta.is_dir():
        command = next((revision.command for revision in history if revision.command), "")
        return Recognised(kind=Kind.CONDA, evidence=f"conda-meta; made by `{command}`" if command else "conda-meta")
    if pyvenv is not None:
        for key, kind in (("uv", Kind.UV), ("virtualenv", Kind.VIRTUALENV)):
            if key in pyvenv.values:
                return Recognised(kind=kind, evidence=f"pyvenv.cfg: {key} = {pyvenv.values[key]}")
        return Recognised(kind=Kind.VENV, evidence="pyvenv.cfg")
    if prefix in site_folders:
        return Recognised(kind=Kind.WHEELS, evidence="dist-info folders and no interpreter")
    if interpreter is not None and interpreter.minor is not None:
        library = f"lib/python{'.'.join(map(str, interpreter.minor))}{'t' if interpreter.free_threaded else ''}"
        if (prefix / library / "os.py").is_file():
            return Recognised(kind=Kind.SYSTEM, evidence=f"{library}/os.py, its own standard library")
    return Recognised(kind=Kind.UNKNOWN, evidence="no conda-meta, no pyvenv.cfg, no interpreter, no dist-info")


def made_by(history: Sequence[Revision]) -> str | None:
    """The program that made a conda prefix: `conda`, `mamba`, `micromamba`…; None where it was not noted."""
    for revision in history:
        words = revision.command.split()
        if words:
            return PurePath(words[0]).name
    return None
