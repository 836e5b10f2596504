"""Merge locks: solve the merged recipe again, staying at what both sides have; as git's merge driver, and after it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from builder import __version__
from builder.errors import EnvbuildError, LockfileError, RecipeError, StaleLockError, UsageError
from builder.files import write_atomically
from builder.git import Git
from builder.lock.digest import MAX_BYTES
from builder.lock.merge import pins_of_both, proofs_that_hold, sides_in
from builder.lock.proof import PROOF_NAME, dump_proofs, parse_proofs
from builder.lock.read import parse_lock
from builder.operations.locking import LockRequest, LockResult, lock, write_files
from builder.plan.terms import Source
from builder.project import LOCK_NAME, Project
from builder.recipe.load import ancestry
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.git import Sides
    from builder.lock.model import Lock
    from builder.lock.moves import Move
    from builder.lock.proof import PlatformProof
    from builder.workspace import Workspace

#: How long what one merge leads to is kept, in seconds: git asks about each file of it in a process of its own.
_KEPT: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """What git tells a merge driver (`%O %A %B %P`): three files, of which `ours` takes the result, and the path.

    The path is relative to the top of the working tree, which is where git starts a driver.
    """

    base: Path
    ours: Path
    theirs: Path
    path: str


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """What came of it: a merged file; or one with conflict marks, and the reason."""

    path: str
    moves: tuple[Move, ...] = ()
    """What the merged lock has that neither side had; empty where another file of the same merge led to it before."""
    problem: EnvbuildError | None = None


def merge_lock(workspace: Workspace, request: MergeRequest) -> MergeResult:
    """Merge one file of `environments/NAME/`, as git's merge driver.

    Conflict marks are written first, so that whoever is killed leaves these; then the merged recipe is solved,
    staying at what both sides have, and what it leads to takes their place. Raises UsageError where the files that git
    names are not there.
    """
    base, ours, theirs = (_content(workspace.path(file)) for file in (request.base, request.ours, request.theirs))
    git = Git(folder=workspace.cwd, environ=workspace.environ)
    target = workspace.path(request.ours)
    marked, _ = git.merged(base, ours, theirs)
    write_atomically(target, marked)
    try:
        files, moves = _merged(workspace, request.path, base=base, ours=ours, theirs=theirs)
    except EnvbuildError as error:
        return MergeResult(path=request.path, problem=error)
    write_atomically(target, files[PurePosixPath(request.path).name])
    return MergeResult(path=request.path, moves=moves)


def _content(file: Path) -> bytes:
    from builder.files import read_ordinary

    return read_ordinary(file, limit=MAX_BYTES, error=UsageError)


def _merged(
    workspace: Workspace, path: str, *, base: bytes, ours: bytes, theirs: bytes
) -> tuple[Mapping[str, bytes], tuple[Move, ...]]:
    """All files of the merged environment, and what moved. Raises what `lock` raises, and StaleLockError."""
    root, name = _place(workspace, path)
    again = f"once the recipe is merged, run `envbuild lock {name} --resolve`"
    git = Git(folder=root, environ=workspace.environ)
    file = PurePosixPath(path).name
    sides = git.sides(f"environments/{name}/{file}", base=base, ours=ours, theirs=theirs)
    if sides is None:
        raise StaleLockError(
            f"{path}: git does not tell which commits are being merged, so the merged recipe is not known", hint=again
        )
    kept = _folder_of(workspace, name, sides)
    moves: tuple[Move, ...] = ()
    if not kept.is_dir():
        moves = _make(workspace, git, name, sides, kept)
    files = {entry.name: entry.read_bytes() for entry in kept.iterdir()}
    if file not in files:
        raise StaleLockError(f"{path}: the merged recipe does not lead to such a file", hint=again)
    _require_that_git_agrees(git, name, sides, files)
    return files, moves


def _place(workspace: Workspace, path: str) -> tuple[Path, str]:
    """The project and the recipe that a file of the working tree belongs to."""
    parts = PurePosixPath(path).parts
    if len(parts) < 3 or parts[-3] != "environments" or ".." in parts:
        raise UsageError(
            f"{path} is no file of a lock: those are in environments/RECIPE/",
            hint="take the line out of .gitattributes that gives it to envbuild",
        )
    return workspace.cwd.joinpath(*parts[:-3]), parts[-2]


def _folder_of(workspace: Workspace, name: str, sides: Sides) -> Path:
    """Where the files that a merge leads to are kept, and none that are older than a day."""
    merges = workspace.project.state / "merges"
    for old in merges.glob("*"):
        with contextlib.suppress(OSError):
            if old.stat().st_mtime < workspace.clock().timestamp() - _KEPT:
                shutil.rmtree(old, ignore_errors=True)
    key = "\0".join((__version__, name, sides.base, sides.ours, sides.theirs))
    return merges / hashlib.sha256(key.encode()).hexdigest()[:24]


def _make(workspace: Workspace, git: Git, name: str, sides: Sides, kept: Path) -> tuple[Move, ...]:
    """Lock the merged recipe into the folder `kept`, which is there whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with scratch(".making-", folder=kept.parent) as work:
        recipes, made = work / "recipes", work / "made"
        _merge_recipes(git, name, sides, recipes)
        project = Project(root=git.folder, state=workspace.project.state, found=True, own_recipes=recipes)
        inside = replace(workspace, project=project)
        commits = (sides.base, sides.ours, sides.theirs)
        locks = [_lock_at(git, commit, name) for commit in commits]
        result = lock(inside, LockRequest(recipe=name, folder=made, previous=pins_of_both(*locks)))
        _write_proof(made, name, result.lock, [_proofs_at(git, commit, name) for commit in commits[1:]])
        try:
            made.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return result.moves


def _merge_recipes(git: Git, name: str, sides: Sides, folder: Path) -> None:
    """The project's recipes as the merge will leave them. Raises RecipeError where one that counts is in conflict."""
    commits = (sides.base, sides.ours, sides.theirs)
    names = sorted({file for commit in commits for file in git.names_at(commit, "recipes") if file.endswith(".yaml")})
    in_conflict = set()
    folder.mkdir()
    for file in names:
        base, ours, theirs = (git.file_at(commit, f"recipes/{file}") for commit in commits)
        content = theirs if ours == base else ours
        if base is not None and ours is not None and theirs is not None and base not in (ours, theirs):
            content, clean = git.merged(base, ours, theirs)
        else:
            # Changed on one side and deleted on the other, or added on both: git will ask.
            clean = ours == theirs or base in (ours, theirs)
        if not clean:
            in_conflict.add(file)
        if content is not None:
            (folder / file).write_bytes(content)

    def found(other: str) -> Path | None:
        if f"{other}.yaml" in in_conflict:
            raise RecipeError(
                f"both sides have changed recipes/{other}.yaml, and git cannot merge it",
                hint=f"merge it, then run `envbuild lock {name} --resolve`",
            )
        file = folder / f"{other}.yaml"
        return file if file.is_file() else None

    first = found(name)
    if first is not None:
        ancestry(first, find=found)


def _lock_at(git: Git, commit: str, name: str) -> Lock | None:
    path = f"environments/{name}/{LOCK_NAME}"
    content = git.file_at(commit, path)
    if content and (marked := sides_in(content)) is not None:
        content = marked[0]  # two common ancestors differ in it; either of them says what a side has moved since
    return _readable_lock(content, place=f"{commit[:12]}:{path}")


def _readable_lock(content: bytes | None, *, place: Path | str) -> Lock | None:
    """A side's lock; None for one that cannot be read, at whose versions nothing can stay."""
    try:
        return parse_lock(content, place=place) if content else None
    except LockfileError:
        return None


def _proofs_at(git: Git, commit: str, name: str) -> dict[str, PlatformProof]:
    return _readable_proofs(git.file_at(commit, f"environments/{name}/{PROOF_NAME}"))


def _readable_proofs(content: bytes | None) -> dict[str, PlatformProof]:
    try:
        return parse_proofs(content, place=PROOF_NAME) if content else {}
    except LockfileError:
        return {}


def _write_proof(folder: Path, name: str, made: Lock, sides: list[dict[str, PlatformProof]]) -> None:
    """The proof of a merged lock: what either side has proven of the very same packages. Nothing where neither has."""
    if any(sides):
        write_atomically(folder / PROOF_NAME, dump_proofs(name, proofs_that_hold(made, sides)))


def _require_that_git_agrees(git: Git, name: str, sides: Sides, files: Mapping[str, bytes]) -> None:
    """Raises StaleLockError where git, which asks about what both sides have changed only, will leave another file.

    A proof that is of another lock does no harm: its digest tells.
    """
    for file, content in files.items():
        path = f"environments/{name}/{file}"
        base, ours, theirs = (git.file_at(commit, path) for commit in (sides.base, sides.ours, sides.theirs))
        left = theirs if ours == base else ours
        asked = base not in (ours, theirs) and ours != theirs
        if file != PROOF_NAME and not asked and left != content:
            raise StaleLockError(
                f"{path}: only one side has changed it, and the merged recipe leads to something else",
                hint=f"run `envbuild lock {name} --resolve`, which writes all files of the lock",
            )


def resolve(workspace: Workspace, request: LockRequest) -> LockResult:
    """Lock a recipe whose lock is in conflict, staying at what both sides have; all files of the lock are written.

    The two sides come from git's index, or else from the conflict marks. The recipe itself must be merged by then.
    Raises UsageError where there is no conflict, and all that `lock` raises; then all is as it was.
    """
    name = request.recipe
    if request.options.source is not Source.CONDA_FORGE:
        raise UsageError("a lock of --source pypi is this machine's own, and nothing is merged into it")
    workspace.project.recipe_file(name)
    root, folder = workspace.project.root, workspace.project.environment(name)
    git = Git(folder=root, environ=workspace.environ)
    conflicts = {file.name: found for file in sorted(folder.glob("*")) if (found := _sides_of(git, root, file))}
    if not conflicts:
        raise UsageError(
            f"nothing in {folder} is in conflict: no file has conflict marks",
            hint=f"`envbuild lock {name}` locks the recipe as it is now",
        )
    locks = [_readable_lock(side, place=folder / LOCK_NAME) for side in conflicts.get(LOCK_NAME) or _both(folder)]
    if not any(locks[1:]):
        workspace.progress.warn(f"neither side of {folder / LOCK_NAME} can be read, so every package is taken anew")
    with scratch("envbuild-merge-") as work:
        result = lock(workspace, replace(request, folder=work / "made", previous=pins_of_both(*locks)))
        files = {file.name: file.read_text(encoding="utf-8") for file in (work / "made").iterdir()}
    if PROOF_NAME in conflicts and PROOF_NAME not in files:
        proofs = [_readable_proofs(side) for side in conflicts[PROOF_NAME][1:]]
        files[PROOF_NAME] = dump_proofs(name, proofs_that_hold(result.lock, proofs))
    # The lock last: whoever is stopped before that finds it still in conflict.
    write_files(folder, {file: files[file] for file in sorted(files, key=lambda file: file == LOCK_NAME)})
    return replace(result, file=folder / LOCK_NAME)


def _sides_of(git: Git, root: Path, file: Path) -> tuple[bytes | None, bytes | None, bytes | None] | None:
    """What both sides come from, ours and theirs, of a file that is in conflict; None for one that is not."""
    try:
        stages = git.stages(file.relative_to(root).as_posix())
    except UsageError:
        stages = {}  # no git here: the marks in the file say enough
    if 2 in stages or 3 in stages:
        return stages.get(1), stages.get(2), stages.get(3)
    marked = sides_in(_content(file)) if file.is_file() else None
    return (None, *marked) if marked is not None else None


def _both(folder: Path) -> tuple[bytes | None, bytes | None, bytes | None]:
    """A lock that is not in conflict itself stands for both sides."""
    file = folder / LOCK_NAME
    content = _content(file) if file.is_file() else None
    return None, content, content
