"""Prove a lock before anyone installs it: every package read once, and the whole linked without being laid out."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.errors import ChecksFailedError, LockfileError, UsageError
from builder.finding import Status
from builder.lock.proof import (
    PROOF_NAME,
    PlatformProof,
    ProofState,
    ProvenFinding,
    dump_proofs,
    packages_digest,
    read_proofs,
    state_of,
)
from builder.operations.outputs import require_own_folder
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from builder.binaries.summary_store import SummaryStore
    from builder.lock.channels import Mirrors
    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe
    from builder.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class ProveRequest:
    """Which recipe's lock to prove, for which of its platforms (none: all), and for which macOS."""

    recipe: str
    platforms: tuple[Subdir, ...] = ()
    macos: str | None = None
    """Default: the recipe's oldest."""
    summaries: Path | None = None
    """Where summaries are kept; default: envbuild's own data folder. May be shared, and merged with another."""


@dataclass(frozen=True, kw_only=True)
class ProveResult:
    """The proofs that were made; `reads` packages had to be read for them, of the others summaries were kept."""

    name: str
    file: Path
    proofs: dict[Subdir, PlatformProof]
    reads: int

    @property
    def proven(self) -> bool:
        return all(proof.proven for proof in self.proofs.values())


def prove(workspace: Workspace, request: ProveRequest) -> ProveResult:
    """Prove the committed lock of a recipe and write `proof.json` beside it, whatever the verdict.

    Proofs of platforms that were not asked for stay as they are. Raises UsageError for a platform that is not locked,
    ChecksFailedError where there is no lock, LockfileError, BuildError, BinaryError, SourceUnreachableError.
    """
    from builder.binaries.summary_store import SummaryStore
    from builder.files import write_atomically
    from builder.lock.audit import require_sound
    from builder.lock.read import read_lock

    recipe = workspace.project.recipe(request.recipe)
    file = workspace.project.committed_lock(recipe.name)
    if file is None:
        raise ChecksFailedError(f"{recipe.name} has no lock to prove", hint=f"run `envbuild lock {recipe.name}`")
    lock = read_lock(file)
    require_sound(lock, file)
    wanted = tuple(dict.fromkeys(request.platforms)) or lock.platforms
    for subdir in wanted:
        if subdir not in lock.platforms:
            raise UsageError(
                f"{recipe.name} is not locked for {subdir}",
                hint=f"it is for {', '.join(lock.platforms)}; add the platform to the recipe and lock again",
            )
    target = file.parent / PROOF_NAME
    require_own_folder(target.parent)
    kept = {name: proof for name, proof in read_proofs(target).items() if name in set(lock.platforms)}
    folder = workspace.path(request.summaries) if request.summaries else workspace.project.state / "summaries"
    store = SummaryStore(folder)
    proofs = {
        subdir: prove_platform(workspace, recipe, lock, subdir, store=store, macos=request.macos) for subdir in wanted
    }
    text = dump_proofs(recipe.name, kept | {subdir.value: proof for subdir, proof in proofs.items()})
    write_atomically(target, text)
    return ProveResult(name=recipe.name, file=target, proofs=proofs, reads=store.reads)


def told_by(file: Path, subdir: Subdir) -> str | None:
    """`proven on osx-arm64, macOS ≥ 14.0`, where the proof beside the lock `file` is of that very lock; else None."""
    from builder.lock.read import read_lock

    try:
        proof = read_proofs(file.parent / PROOF_NAME).get(subdir.value)
        if proof is None or state_of(proof, read_lock(file).on(subdir)) is not ProofState.PROVEN:
            return None
    except LockfileError:
        return None  # `check` says what is wrong with it
    return f"proven on {subdir}, {proof.phrase}"


def require_proven(workspace: Workspace, recipe: Recipe, lock: Lock) -> str:
    """The text of the proof of a lock that is not written yet. Raises ChecksFailedError, which names what failed."""
    from builder.binaries.summary_store import SummaryStore

    store = SummaryStore(workspace.project.state / "summaries")
    proofs = {subdir.value: prove_platform(workspace, recipe, lock, subdir, store=store) for subdir in lock.platforms}
    lines = [
        "\n    ".join((f"  {subdir}: {finding.check}: {finding.title}", *finding.evidence))
        for subdir, proof in proofs.items()
        if not proof.proven
        for finding in proof.findings
        if finding.status == Status.FAIL
    ]
    if not all(proof.proven for proof in proofs.values()):
        raise ChecksFailedError(
            "\n".join([f"{recipe.name} could be locked, and would not load:", *lines]),
            hint="nothing was written; change the recipe so that it leads to other versions",
        )
    return dump_proofs(recipe.name, proofs)


def prove_platform(
    workspace: Workspace, recipe: Recipe, lock: Lock, subdir: Subdir, *, store: SummaryStore, macos: str | None = None
) -> PlatformProof:
    """The proof of one platform of a lock: found before (`operations.kept_proofs`), or by linking its packages.

    Writes nothing but summaries, and what the next run may take of the proof.
    """
    from builder.operations.kept_proofs import KeptProofs, question_of
    from builder.plan.make import virtual_packages

    packages = sorted(lock.on(subdir), key=lambda package: (package.manager, package.name))
    python = next((package for package in packages if package.manager == "conda" and package.name == "python"), None)
    if python is None:
        raise ChecksFailedError(f"the lock of {recipe.name} has no Python for {subdir}, so it cannot be proven")
    if subdir.is_osx:
        judged: str | None = macos or recipe.macos
    else:
        judged = virtual_packages(subdir, macos=recipe.macos).get("__glibc")
    kept, name = KeptProofs(workspace), f"{recipe.name} {subdir}"
    about = {"subdir": subdir.value, "judged_for": judged}
    proof = kept.recall(name, question_of(packages, store, **about))
    if proof is None:
        mirrors = workspace.mirrors_for(lock.channels, named_by=recipe.channels)
        proof, steady = _linked(
            workspace, packages, python, subdir, store=store, mirrors=mirrors, judged=judged, oldest=recipe.macos
        )
        if steady:
            kept.keep(name, question_of(packages, store, **about), proof)
    return proof


def _linked(
    workspace: Workspace,
    packages: Sequence[LockedPackage],
    python: LockedPackage,
    subdir: Subdir,
    *,
    store: SummaryStore,
    mirrors: Mirrors,
    judged: str | None,
    oldest: str | None,
) -> tuple[PlatformProof, bool]:
    """The proof by reading what was not read before, and linking all of it; and whether it would be the same again.

    `judged` is the system to judge for, `oldest` the oldest macOS of the recipe, by which wheels are chosen.
    """
    from builder.binaries.summary_linking import Layout
    from builder.checks.engine import is_crash
    from builder.checks.proof import prove_environment
    from builder.environment.skeleton import write_skeleton
    from builder.environment.summarized import SummarizedEnvironment
    from builder.frameworks import registry
    from builder.install.summaries import summaries
    from builder.operations.verifying import released

    system = released(judged)
    found = summaries(
        packages,
        store=store,
        subdir=subdir,
        python=python.version,
        macos=oldest if subdir.is_osx else None,
        mirrors=mirrors,
        uv=workspace.uv,
        progress=workspace.progress,
    )
    minor = ".".join(python.version.split(".")[:2]) + ("t" if python.free_threaded else "")
    hosts = {plugin.folder: plugin.host for plugin in registry.gpu_plugins()}
    layout = Layout(found, python=minor, arch=subdir.machine, plugin_hosts=hosts)
    workspace.progress.update("prove", f"linking {len(found)} packages for {subdir}")
    with scratch("envbuild-prove-") as folder, _uncollected():
        write_skeleton(folder / "environment", found, python=minor)
        environment = SummarizedEnvironment(folder / "environment", layout, subdir=subdir)
        result = prove_environment(
            environment, macos=system if subdir.is_osx else None, glibc=None if subdir.is_osx else system
        )
    checks = {status.value: sum(one.status is status for one in result.findings) for status in Status}
    workspace.progress.done("prove", f"linked {len(found)} packages for {subdir}")
    proof = PlatformProof(
        packages=len(packages),
        digest=packages_digest(packages),
        proven=not checks["fail"] and checks["pass"] + checks["warn"] > 0,
        system="macos" if subdir.is_osx else "glibc",
        judged_for=judged,
        holds_from=".".join(map(str, result.lowest)) if result.lowest else None,
        counts={
            "binaries": result.binaries,
            "symbols": result.symbols,
            "system_symbols": result.system_symbols,
            "system_symbols_undecided": result.undecided,
        },
        checks=checks,
        findings=tuple(
            ProvenFinding(check=one.check, status=one.status.value, title=one.title, evidence=one.evidence)
            for one in result.findings
            if one.status is not Status.PASS
        ),
        facts=workspace.facts.newest_date,
    )
    return proof, not any(map(is_crash, result.findings))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage in circles: linking makes a million objects, none of it garbage until the end."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
