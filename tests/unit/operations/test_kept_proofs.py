"""What was linked once is linked again only where something that its proof rests on has changed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from builder.binaries.summary import Identity, PackageSummary
from builder.binaries.summary_store import SummaryStore
from builder.checks import proof as checks_proof
from builder.finding import Finding, Status
from builder.frameworks import registry
from builder.lock.model import Lock, LockedPackage
from builder.operations import records
from builder.operations.proving_locks import prove_platform
from builder.platforms import Subdir
from tests.unit.plan.support import recipe
from tests.workspaces import workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.checks.proof import Proven
    from builder.lock.proof import PlatformProof


def _package(name: str, version: str, sha256: str) -> LockedPackage:
    return LockedPackage(
        manager="conda",
        name=name,
        version=version,
        subdir=Subdir.OSX_ARM64,
        url=f"https://channel.example/osx-arm64/{name}-{version}-0.conda",
        sha256=sha256,
    )


PYTHON = _package("python", "3.12.1", "aa" * 32)
OTHER = _package("other", "1.0", "bb" * 32)
NEWER = _package("other", "2.0", "cc" * 32)


def _summary(package: LockedPackage, *paths: str) -> PackageSummary:
    identity = Identity(kind="conda", name=package.name, version=package.version, build="0", subdir="osx-arm64")
    return PackageSummary(identity=identity, paths=paths)


class Provers:
    """Proves locks of a project, and counts how often packages were linked for it."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workspace = workspace(home)
        self.store = SummaryStore(home / "summaries")
        self.store.put("aa" * 32, _summary(PYTHON, "bin/python3.12"))
        self.store.put("bb" * 32, _summary(OTHER, "lib/other"))
        self.store.put("cc" * 32, _summary(NEWER, "lib/other"))
        self.linked = 0
        really = checks_proof.prove_environment

        def counted(*arguments: Any, **more: Any) -> Proven:
            self.linked += 1
            return self.answer(really(*arguments, **more))

        monkeypatch.setattr(checks_proof, "prove_environment", counted)
        self.answer: Callable[[Proven], Proven] = lambda proven: proven

    def prove(self, *packages: LockedPackage, macos: str | None = None) -> PlatformProof:
        lock = Lock(
            channels=("c",),
            platforms=(Subdir.OSX_ARM64,),
            packages=packages or (PYTHON, OTHER),
            sources=(),
            content_hash={},
        )
        return prove_platform(
            self.workspace, recipe(name="mine"), lock, Subdir.OSX_ARM64, store=self.store, macos=macos
        )


@pytest.fixture
def provers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Provers:
    return Provers(tmp_path, monkeypatch)


def test_nothing_changed_nothing_linked(provers: Provers) -> None:
    first = provers.prove()
    assert provers.linked == 1
    assert provers.prove() == first
    assert provers.linked == 1


def _summary_differs(provers: Provers) -> None:
    provers.store.put("bb" * 32, _summary(OTHER, "lib/other", "lib/more"))


def _facts(provers: Provers) -> None:
    provers.workspace.facts_folder.mkdir(parents=True)
    (provers.workspace.facts_folder / "own.yaml").write_text("{}\n")


@pytest.mark.parametrize("change", [_summary_differs, _facts])
def test_what_it_rests_on_has_changed(provers: Provers, change: Callable[[Provers], None]) -> None:
    provers.prove()
    change(provers)
    provers.prove()
    assert provers.linked == 2
    provers.prove()
    assert provers.linked == 2


def test_another_lock_or_another_macos(provers: Provers) -> None:
    provers.prove()
    assert provers.prove(PYTHON, NEWER).digest != provers.prove(PYTHON, OTHER).digest
    assert provers.linked == 3
    assert provers.prove(macos="15.0").judged_for == "15.0"
    assert provers.linked == 4


def test_another_envbuild(provers: Provers, monkeypatch: pytest.MonkeyPatch) -> None:
    provers.prove()
    monkeypatch.setattr(records, "__version__", "0.0.0")
    provers.prove()
    assert provers.linked == 2


def test_what_failed_is_kept_and_what_crashed_is_not(provers: Provers) -> None:
    failed = Finding(check="link.symbols", status=Status.FAIL, title="It fails.")
    crashed = Finding(check="link.symbols", status=Status.SKIP, title="The check itself failed (KeyError: 1).")
    provers.answer = lambda proven: replace(proven, findings=(crashed,))
    provers.prove()
    provers.answer = lambda proven: replace(proven, findings=(failed,))
    first = provers.prove()
    assert provers.linked == 2
    assert not first.proven
    assert provers.prove() == first
    assert provers.linked == 2


def test_frameworks_from_outside_are_unknown(provers: Provers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "from_outside", lambda: True)
    provers.prove()
    provers.prove()
    assert provers.linked == 2


@pytest.mark.parametrize("content", [b"", b"\0", b"envbuild record 2 0\n{}"])
def test_damaged_records_are_none(provers: Provers, content: bytes) -> None:
    first = provers.prove()
    (file,) = (provers.workspace.project.state / "proofs").iterdir()
    file.write_bytes(content)
    assert provers.prove() == first
    assert provers.linked == 2
