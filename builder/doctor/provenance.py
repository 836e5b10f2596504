"""Where the packages of an environment come from: conda's channels, pip, and what pip put over conda's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builder.doctor.model import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.doctor.model import Interpreter


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """`channels` maps `conda-forge/osx-arm64` to how many packages are from there; `pip` are distributions and versions
    that conda knows nothing of; `over` are (distribution, conda's version, the one that was put over it)."""

    channels: Mapping[str, int] = field(default_factory=dict)
    pip: Mapping[str, str] = field(default_factory=dict)
    over: tuple[tuple[str, str, str], ...] = ()

    def __str__(self) -> str:
        parts = [f"{count} of {channel}" for channel, count in self.channels.items()]
        if self.pip:
            parts.append(f"{len(self.pip)} of pip")
        if self.over:
            parts.append("pip over conda: " + ", ".join(f"{name} {new} over {old}" for name, old, new in self.over))
        return "; ".join(parts)

    def to_json(self) -> dict[str, Any]:
        return {
            "channels": dict(self.channels),
            "pip": dict(self.pip),
            "over_conda": [{"name": name, "conda": old, "pip": new} for name, old, new in self.over],
        }


def of(interpreter: Interpreter) -> Provenance | None:
    """The provenance of an environment's packages, from their records; None where it is none."""
    from builder.environment.environment import Environment
    from builder.names import distributions

    if interpreter.prefix is None:
        return None
    environment = Environment(interpreter.prefix)
    records = environment.conda_records if interpreter.kind is Kind.CONDA else ()
    counted = Counter(f"{_channel(record.channel) or 'unknown channel'}/{record.subdir}" for record in records)
    held = {name: record for record in records for name in distributions(record.name)}
    installed = {dist.name: dist for dist in environment.distributions}
    over = [
        (name, record.version, installed[name].version)
        for name, record in sorted(held.items())
        if name in installed and installed[name].installer != "conda" and installed[name].version != record.version
    ]
    others = {name: dist.version for name, dist in sorted(installed.items()) if name not in held}
    return Provenance(channels=dict(counted.most_common()), pip=others, over=tuple(over))


def _channel(written: str) -> str:
    """The channel's name, from a URL too, and without what may be a password in it."""
    return written.rstrip("/").removesuffix("/noarch").rpartition("/")[2] if "//" in written else written
