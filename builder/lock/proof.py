"""`proof.json`: what was proven of a lock, for each platform, and of exactly which packages.

It is written beside the lock and committed: no clock, no machine, the same bytes for the same packages and facts.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from builder.errors import LockfileError
from builder.files import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from builder.lock.model import LockedPackage

PROOF_NAME: Final = "proof.json"
_VERSION: Final = 1
_MOST_BYTES: Final = 64 << 20


class ProofState(StrEnum):
    """How a proof stands to a lock."""

    PROVEN = "proven"
    NOT_PROVEN = "not proven"
    """There is none, or it says that something failed."""
    STALE = "stale proof"
    """It is of other packages, or was judged for a newer system than the recipe's oldest."""


@dataclass(frozen=True, kw_only=True)
class ProvenFinding:
    """A finding that is not a pass."""

    check: str
    status: str
    title: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlatformProof:
    """The proof of one platform. `system` is `macos` or `glibc`, whose releases the two below are of."""

    packages: int
    digest: str
    """Of exactly the packages proven (`packages_digest`)."""
    proven: bool
    system: str
    judged_for: str | None
    holds_from: str | None
    """The lowest release on which everything loads; None where it is not known."""
    counts: Mapping[str, int] = field(default_factory=dict)
    checks: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[ProvenFinding, ...] = ()
    facts: str = ""
    """The date of the facts that it was judged by."""

    @property
    def phrase(self) -> str:
        """`macOS ≥ 14.0`: the system that it holds for, as far as it is known."""
        name = {"macos": "macOS"}.get(self.system, self.system)
        return f"{name} ≥ {self.holds_from}" if self.holds_from else f"lowest {name} unknown"


def packages_digest(packages: Iterable[LockedPackage]) -> str:
    """SHA-256 of the packages' names, versions, builds and hashes, whatever their order."""
    lines = sorted(
        json.dumps([one.manager, one.name, one.version, one.build, one.sha256], ensure_ascii=True) for one in packages
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def dump_proofs(name: str, proofs: Mapping[str, PlatformProof]) -> str:
    """The text of `proof.json`."""
    data = {
        "version": _VERSION,
        "recipe": name,
        "platforms": {subdir: asdict(proof) for subdir, proof in sorted(proofs.items())},
    }
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def read_proofs(file: Path) -> dict[str, PlatformProof]:
    """The proofs by platform; nothing where there is no file. Raises LockfileError for one that is no proof."""
    try:
        with open_regular(file) as stream:
            content = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _no_proof(file, error.strerror or str(error)) from None
    return parse_proofs(content, place=file)


def parse_proofs(content: bytes, *, place: Path | str) -> dict[str, PlatformProof]:
    """The proofs of this content, by platform; `place` says where it is from. Raises LockfileError."""
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError("it is too large")
        data = json.loads(content)
        if data["version"] != _VERSION:
            raise ValueError(f"its version is {data['version']!r:.20}, and this envbuild reads {_VERSION}")
        return {str(subdir): proof_of(entry) for subdir, entry in data["platforms"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _no_proof(place, f"no {error}" if isinstance(error, KeyError) else str(error)) from None


def _no_proof(file: Path | str, why: str) -> LockfileError:
    return LockfileError(
        f"cannot be read as a proof: {why}", file=file, hint="remove the file and run `envbuild prove` again"
    )


def proof_of(entry: dict[str, Any]) -> PlatformProof:
    """The proof of one platform, from what `asdict` makes of it. Of anything else raises KeyError, TypeError,
    ValueError or AttributeError.
    """
    digest, proven, holds_from = entry["digest"], entry["proven"], entry["holds_from"]
    if not (isinstance(digest, str) and isinstance(proven, bool) and isinstance(holds_from, str | None)):
        raise TypeError("a field is of the wrong kind")
    findings = tuple(
        ProvenFinding(
            check=str(one["check"]),
            status=str(one["status"]),
            title=str(one["title"]),
            evidence=tuple(map(str, one["evidence"])),
        )
        for one in entry["findings"]
    )
    judged = entry["judged_for"]
    return PlatformProof(
        packages=int(entry["packages"]),
        digest=digest,
        proven=proven,
        system=str(entry["system"]),
        judged_for=None if judged is None else str(judged),
        holds_from=holds_from,
        counts={str(key): int(value) for key, value in entry["counts"].items()},
        checks={str(key): int(value) for key, value in entry["checks"].items()},
        findings=findings,
        facts=str(entry["facts"]),
    )


def state_of(proof: PlatformProof | None, packages: Iterable[LockedPackage], *, macos: str | None = None) -> ProofState:
    """How a proof stands to the packages of its platform, by hashes alone.

    `macos` is the recipe's oldest; without it, which macOS the proof was judged for is not looked at.
    """
    if proof is None:
        return ProofState.NOT_PROVEN
    if proof.digest != packages_digest(packages):
        return ProofState.STALE
    judged = proof.judged_for if proof.system == "macos" else None
    if judged is not None and macos is not None and _numbers(judged) > _numbers(macos):
        return ProofState.STALE
    return ProofState.PROVEN if proof.proven else ProofState.NOT_PROVEN


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in (*release.split("."), "0")[:2] if part.isdigit())
