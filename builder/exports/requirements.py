"""requirements.txt with hashes: the PyPI part, for pip and uv."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.exports.markers import marker
from builder.exports.model import Exported, names

if TYPE_CHECKING:
    from builder.exports.model import Export


def export(wanted: Export) -> Exported:
    """Names, versions and SHA-256, each with the marker of the platforms that have it where not all do."""
    left = conda_left_out(wanted)
    lines = [
        f"# The PyPI part of {wanted.name} for {', '.join(wanted.platforms)}, by `envbuild export`.",
        "# Over the conda packages: pip install --no-deps --require-hashes -r THIS-FILE; or with `uv pip`.",
    ]
    for name, version, packages in wanted.wheels():
        condition = marker({package.subdir for package in packages}, wanted.platforms)
        hashes = sorted({f"--hash=sha256:{package.sha256}" for package in packages})
        lines.append(" \\\n    ".join((f"{name}=={version}" + (f" ; {condition}" if condition else ""), *hashes)))
    return Exported(text="\n".join(lines) + "\n", left_out=left)


def conda_left_out(wanted: Export) -> tuple[str, ...]:
    """The sentence of a format that holds wheels only. Raises UsageError where there are none."""
    if not any(True for _ in wanted.wheels()):
        raise UsageError(
            f"nothing of {wanted.name} comes from PyPI, so there is nothing to write",
            hint=f"`envbuild export {wanted.name} --format explicit` gives its conda packages",
        )
    conda = [package for subdir in wanted.platforms for package in wanted.on(subdir, manager="conda")]
    if not conda:
        return ()
    return (f"{names(conda)} from conda: such a file holds PyPI packages only; it is to be installed over them",)
