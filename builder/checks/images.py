"""Native libraries that a process has loaded: which runtimes they are, and who brought them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from builder.checks.runtimes import Runtime, runtime_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.checks.case import Case


def loaded_runtimes(images: Iterable[str], table: Iterable[Runtime]) -> list[tuple[Runtime, str]]:
    """The images that are a runtime of `table`, each real file once.

    A file is known by its own name first: conda-forge's `libblas.so.3` is a link to whichever BLAS was chosen.
    """
    table = tuple(table)
    found: dict[str, tuple[Runtime, str]] = {}
    for image in images:
        real = str(Path(image).resolve())
        runtime = runtime_of(real, table) or runtime_of(image, table)
        if runtime is not None:
            found.setdefault(real, (runtime, image))
    return list(found.values())


def short(path: str, case: Case) -> str:
    """A path relative to the prefix, where it is in there."""
    prefix = case.environment.path
    return str(Path(path).relative_to(prefix)) if Path(path).is_relative_to(prefix) else path


def brought_by(path: str, case: Case) -> str:
    """Which package brought a file, as an addition to a line."""
    owner = case.repair.owner(Path(path))
    return f" (from {owner})" if owner else " (of no package)"
