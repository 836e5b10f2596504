"""Proofs kept between runs, so that what was linked once is not linked again while all that it rests on is the same.

A proof is taken again only for the same question, and by the same envbuild (`operations.records`: its code and data,
the system's symbols among them, its Python, the packages beside it, the user's facts). The question is all that linking
looks at: the platform, the system to judge for, the packages by their hashes, and of each the digest of its summary,
so that another summary in the cache, or a cache that lacks one, is another question.

Unlike other answers, those that say what failed are kept as well: what they were found from has its hashes, and cannot
have been put right meanwhile. One in which a check crashed is not kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from builder.lock.proof import PlatformProof, proof_of
from builder.operations.records import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from builder.binaries.summary_store import SummaryStore
    from builder.lock.model import LockedPackage
    from builder.workspace import Workspace

_FOLDER: Final = "proofs"


class KeptProofs:
    """The proofs of one project: of each recipe and platform the last one."""

    def __init__(self, workspace: Workspace) -> None:
        root = hashlib.sha256(os.fsencode(workspace.project.root)).hexdigest()
        file = workspace.project.state / _FOLDER / f"{root[:32]}.json"
        self._record = Record(file, facts=workspace.facts_folder)

    def recall(self, name: str, question: str | None) -> PlatformProof | None:
        """The proof that answered the same question; `name` says of what (`ml-m1 osx-arm64`)."""
        entry = self._record.read().get(name)
        try:
            if entry is None or question is None or entry["question"] != question:
                return None
            return proof_of(entry["proof"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def keep(self, name: str, question: str | None, proof: PlatformProof) -> None:
        """Have the proof ready for the next run, where the question is a whole one."""
        from builder.frameworks import registry

        # What a framework from outside is made of is not known here.
        if question is not None and not registry.from_outside():
            self._record.write(self._record.read() | {name: {"question": question, "proof": asdict(proof)}})


def question_of(packages: Sequence[LockedPackage], store: SummaryStore, **about: str | None) -> str | None:
    """The digest of everything that the proof of `packages` rests on besides envbuild; None where a summary is lacking.

    `about` is what else is asked: the platform, and the system to judge for.
    """
    lines: list[Any] = [about]
    for package in packages:
        digest = store.digest(package.sha256) if package.sha256 else None
        if digest is None:
            return None
        lines.append([package.manager, package.name, package.version, package.build, package.sha256, digest])
    return hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest()
