"""The stamp: what `create` leaves in a prefix so that anyone can tell what was meant to be in it.

It is written last, so a prefix without a stamp is not a finished environment of ours. Verification reads
its expectations from here and needs neither recipe nor lock.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from builder.platforms import Subdir

#: conda and rattler parse every `conda-meta/*.json` as a package record, hence the other suffix.
RELATIVE_PATH: Final = Path("conda-meta") / "envbuild.stamp"
FORMAT: Final = 1


@dataclass(frozen=True, kw_only=True)
class StampedPackage:
    """A package of the lock, as installed. `build` is empty for PyPI packages."""

    name: str
    version: str
    manager: Literal["conda", "pip"]
    build: str = ""


@dataclass(frozen=True, kw_only=True)
class Expectations:
    """What the recipe asks of the environment once it exists."""

    framework: str | None = None
    provider: str | None = None
    gpu: bool = False
    blas: str | None = None
    macos: str | None = None
    imports: tuple[str, ...] = ()
    snippets: tuple[str, ...] = ()
    devices: dict[str, int] = field(default_factory=dict)
    tolerances: dict[str, float] = field(default_factory=dict)
    mandatory: tuple[str, ...] = ()
    """Ids of checks the plan made mandatory (an unsafe pair that the user pinned): `skip` counts as `fail`."""


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """The content of `conda-meta/envbuild.stamp`."""

    name: str
    """The environment's name (`-n`), which is the recipe's unless another was given."""
    subdir: Subdir
    lock_sha256: str
    envbuild_version: str
    packages: tuple[StampedPackage, ...]
    expectations: Expectations = Expectations()
    groups: tuple[str, ...] = ("main",)
    recipe: str = ""
    """The recipe it was built from; empty where that is not known."""

    def dumps(self) -> str:
        return json.dumps({"format": FORMAT} | asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def loads(cls, text: str) -> Stamp:
        """Parse a stamp; raises ValueError for anything this version did not write."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("the stamp was written by another version of envbuild")
            expectations = data.pop("expectations")
            for name in ("imports", "snippets", "mandatory"):
                expectations[name] = tuple(expectations[name])
            return cls(
                subdir=Subdir(data.pop("subdir")),
                packages=tuple(StampedPackage(**package) for package in data.pop("packages")),
                groups=tuple(data.pop("groups")),
                expectations=Expectations(**expectations),
                **data,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"malformed stamp: {error}") from error


def read_stamp(prefix: Path) -> Stamp | None:
    """The stamp of `prefix`, or None where there is none or it is not readable as one."""
    try:
        return Stamp.loads((prefix / RELATIVE_PATH).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
