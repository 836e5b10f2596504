"""conda's explicit list: one URL a line, with its SHA-256, for one platform.

`conda create --file` takes SHA-256 since 24.9 (conda/misc.py: `#` and 64 hex digits, with or without `sha256:`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.exports.model import Exported, names

if TYPE_CHECKING:
    from builder.exports.model import Export


def export(wanted: Export) -> Exported:
    """The conda packages; those of PyPI have no place in such a list."""
    (subdir,) = wanted.platforms
    lines = [
        f"# {wanted.name} for {subdir}, from its conda-lock.yml by `envbuild export`.",
        f"# Install it with: conda create --name {wanted.name} --file THIS-FILE",
        f"# platform: {subdir}",
        "@EXPLICIT",
        *(f"{package.url}#sha256:{package.sha256}" for package in wanted.on(subdir, manager="conda")),
    ]
    wheels = wanted.on(subdir, manager="pip")
    left = (
        f"{names(wheels)} from PyPI: an explicit list holds conda packages only; export them with "
        f"`envbuild export {wanted.name} --format requirements --platform {subdir}`"
    )
    return Exported(text="\n".join(lines) + "\n", left_out=(left,) if wheels else ())
