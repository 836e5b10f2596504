"""`proof.json`: the same bytes for the same proof, and how it stands to a lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.errors import LockfileError
from builder.lock import proof
from builder.lock.model import LockedPackage
from builder.lock.proof import (
    PlatformProof,
    ProofState,
    ProvenFinding,
    dump_proofs,
    packages_digest,
    parse_proofs,
    read_proofs,
    state_of,
)
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = tuple(
    LockedPackage(
        manager="conda",
        name=name,
        version="1.0",
        subdir=Subdir.OSX_ARM64,
        url=f"https://channel.example/osx-arm64/{name}-1.0-0.conda",
        sha256=digit * 64,
    )
    for name, digit in (("one", "1"), ("two", "2"))
)
PROOF = PlatformProof(
    packages=2,
    digest=packages_digest(PACKAGES),
    proven=True,
    system="macos",
    judged_for="14.0",
    holds_from="13.0",
    counts={"binaries": 2},
    checks={"pass": 1, "fail": 0},
    findings=(ProvenFinding(check="link.variants", status="skip", title="None.", evidence=("line",)),),
    facts="2026-01-01",
)


def test_what_is_written_is_read_again_and_written_the_same(tmp_path: Path) -> None:
    text = dump_proofs("r", {"osx-arm64": PROOF, "linux-64": PROOF})
    (tmp_path / "proof.json").write_text(text)
    assert read_proofs(tmp_path / "proof.json") == {"osx-arm64": PROOF, "linux-64": PROOF}
    assert dump_proofs("r", {"linux-64": PROOF, "osx-arm64": PROOF}) == text
    assert read_proofs(tmp_path / "none.json") == {}


def test_a_digest_is_of_exactly_the_packages_in_any_order() -> None:
    assert packages_digest(reversed(PACKAGES)) == PROOF.digest
    assert packages_digest(PACKAGES[:1]) != PROOF.digest
    assert packages_digest((PACKAGES[0], replace(PACKAGES[1], sha256="3" * 64))) != PROOF.digest


def test_how_a_proof_stands_to_a_lock() -> None:
    assert state_of(PROOF, PACKAGES, macos="14.0") is ProofState.PROVEN
    assert state_of(PROOF, PACKAGES, macos="15") is ProofState.PROVEN
    assert state_of(PROOF, PACKAGES, macos="13.5") is ProofState.STALE
    assert state_of(PROOF, PACKAGES) is ProofState.PROVEN
    assert state_of(PROOF, PACKAGES[:1], macos="14.0") is ProofState.STALE
    assert state_of(replace(PROOF, proven=False), PACKAGES, macos="14.0") is ProofState.NOT_PROVEN
    assert state_of(None, PACKAGES, macos="14.0") is ProofState.NOT_PROVEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"version": 2, "platforms": {}}',
        '{"version": 1, "platforms": []}',
        '{"version": 1, "platforms": {"osx-arm64": {}}}',
        dump_proofs("r", {"osx-arm64": PROOF}).replace("true", '"yes"'),
        "[" * 100_000,
    ],
)
def test_what_is_no_proof_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "proof.json").write_text(text)
    with pytest.raises(LockfileError, match="cannot be read as a proof"):
        read_proofs(tmp_path / "proof.json")


def test_what_is_too_large_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = dump_proofs("r", {"osx-arm64": PROOF}).encode()
    monkeypatch.setattr(proof, "_MOST_BYTES", len(text) - 1)
    with pytest.raises(LockfileError, match="it is too large"):
        parse_proofs(text, place="here")


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(LockfileError):
        read_proofs(tmp_path)
