"""What of an environment that was never laid out is on the disk: links, and an empty interpreter.

What reads an environment looks for these in its folder, and need not know that there is nothing else. The metadata, the
modules, and which package brought which file, are handed on (`builder.environment.summarized`).
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from builder.binaries.summary import PREFIX, SITE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from builder.binaries.summary import PackageSummary

_PYTHON: Final = re.compile(r"bin/python[\d.]*t?")


def write_skeleton(folder: Path, packages: Sequence[PackageSummary], *, python: str) -> None:
    """Make the interpreter and the links of `packages` in the empty `folder`. `python` is the minor (`3.12`, `3.13t`).

    Paths that lead outside are left out: a summary is somebody else's input.
    """
    site = f"lib/python{python}/site-packages/"
    (folder / site).mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "conda-meta").mkdir()
    for package in packages:
        for path in package.paths:
            if _PYTHON.fullmatch(path) and path not in {link for link, _ in package.links}:
                (folder / path).touch()
    # Links come last, so that nothing is written through one.
    for package in packages:
        for path, target in package.links:
            _link(folder, _placed(path, site), target)


def _placed(path: str, site: str) -> str:
    return site + path.removeprefix(SITE) if path.startswith(SITE) else path


def is_inside(path: str) -> bool:
    """Whether a path of a summary stays in the environment."""
    return bool(path) and "\0" not in path and not path.startswith("/") and ".." not in path.split("/")


def _link(folder: Path, rel: str, target: str) -> None:
    if not is_inside(rel):
        return
    path = folder / rel
    root = os.path.realpath(folder)
    if not os.path.realpath(path.parent).startswith(f"{root}/"):
        return
    with suppress(OSError):  # two packages that bring one path, or a name that no file can have
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target.replace(PREFIX, str(folder)))
