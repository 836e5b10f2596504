"""What the package index has today, asked through uv: as channels have a catalogue, an index has its newest release."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from builder.uv import UvFailure, platform_name

if TYPE_CHECKING:
    from builder.platforms import Subdir
    from builder.uv import Uv

#: manylinux_2_28, the level of the Linux machines that plans are made for.
_GLIBC_MINOR = 28


def newest_release(distribution: str, *, subdir: Subdir, python: str, macos: str | None, uv: Uv) -> Version | None:
    """The newest release that has a wheel for a platform and a Python minor; None where the index cannot say."""
    with uv.scratch() as (folder, cwd):
        wanted = folder / "newest.in"
        wanted.write_text(f"{distribution}\n", encoding="utf-8")
        arguments = (
            "pip", "compile", str(wanted), "--no-deps", "--no-header", "--no-annotate", "--quiet", "--only-binary",
            ":all:", "--python-version", python, "--python-platform", platform_name(subdir, glibc_minor=_GLIBC_MINOR),
        )  # fmt: skip
        try:
            told = asyncio.run(uv.run(arguments, cwd=cwd, macos=macos))
        except UvFailure:
            return None
    found = re.search(rf"^{re.escape(distribution)}==(\S+)", told, re.MULTILINE | re.IGNORECASE)
    try:
        return Version(found[1]) if found is not None else None
    except InvalidVersion:
        return None
