"""Pack a lock with all that it names into one archive, from which it is built where there is no network."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from builder.channel.locked import repodata
from builder.errors import BuildError, LockfileError, StaleLockError, UsageError
from builder.files import atomically, read_ordinary
from builder.install.archives import Archives, Wanted
from builder.lock.audit import require_sound
from builder.lock.digest import MAX_BYTES
from builder.lock.proof import PROOF_NAME
from builder.lock.read import parse_lock
from builder.operations.fetching import mirrors_of
from builder.operations.outputs import require_writable
from builder.operations.warnings import Warnings
from builder.project import LOCK_NAME
from builder.recipe.load import ancestry
from builder.tarball import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.workspace import Workspace

FORMAT: Final = 1
#: The first two members: what the archive is, and the SHA-256 of everything after them, as `sha256sum -c` reads it.
MANIFEST: Final = "envbuild-pack.json"
SUMS: Final = "SHA256SUMS"
_TASK: Final = "pack"

_README: Final = """\
The environment {name} for {platforms}, with all its packages; made by envbuild.

    envbuild unpack THIS-ARCHIVE.tar          # builds and verifies it, without any network

Without envbuild, in the folder that the archive was unpacked into (`tar -xf`):

    sha256sum -c SHA256SUMS
    conda create -n {name} --offline --override-channels -c "file://$PWD/channel" python ...
    uv pip install --offline --no-index --find-links wheels ...

What exactly is in it for which platform says environments/{name}/conda-lock.yml.
"""


@dataclass(frozen=True, kw_only=True)
class PackRequest:
    """Which lock to pack, for which of its platforms (none: all), and the archive to write."""

    recipe: str
    output: Path
    platforms: tuple[Subdir, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PackResult:
    """The archive: its size in bytes, its SHA-256, and how many packages it holds and had to be fetched."""

    name: str
    file: Path
    platforms: tuple[Subdir, ...]
    size: int
    sha256: str
    packages: int
    fetched: int
    warnings: tuple[str, ...]


def pack(workspace: Workspace, request: PackRequest) -> PackResult:
    """Write the lock of a recipe, its proof, recipe and packages into one archive: the same bytes for the same lock.

    What was fetched is kept, so that a run that was stopped goes on where it was; the archive is there whole or
    not at all. Raises UsageError, StaleLockError where there is no lock, LockfileError, SourceUnreachableError,
    BuildError.
    """
    warn = Warnings(workspace.progress)
    output = workspace.path(request.output)
    require_writable(output)
    name = request.recipe
    recipe = workspace.project.recipe_file(name)
    file = workspace.project.committed_lock(name)
    if file is None:
        raise StaleLockError(f"{name} has no lock to pack", hint=f"run `envbuild lock {name}`")
    warn(*_out_of_date(workspace, name))
    content = read_ordinary(file, limit=MAX_BYTES, error=LockfileError)
    lock = parse_lock(content, place=file)
    require_sound(lock, file)
    platforms = _platforms(lock, request.platforms, name)
    packages = [package for subdir in platforms for package in lock.on(subdir)]
    places = {archive_path(package): package for package in packages}
    _refuse_collisions(packages, places)
    kept = {
        path: workspace.project.state / "archives" / (places[path].sha256 or "") / PurePosixPath(path).name
        for path in places
    }
    mirrors = mirrors_of(workspace, lock.channels, recipes=[name])
    archives = Archives(mirrors=mirrors, uv=workspace.uv, progress=workspace.progress)
    fetched = archives.fetch(Wanted(package=places[path], file=kept[path]) for path in places)
    workspace.progress.update(_TASK, "indexing the channel")
    texts = _texts(workspace, name, recipe, file, lock, content) | _channel(kept, packages)
    texts["README.txt"] = _README.format(name=name, platforms=", ".join(platforms)).encode()
    try:
        digest, size = _write(workspace, output, _manifest(name, platforms, content), texts, kept, places)
    except OSError as error:
        raise BuildError(
            f"{output} cannot be written: {error.strerror or error}",
            hint="free space there, or name another file with -o",
        ) from None
    return PackResult(
        name=name,
        file=output,
        platforms=platforms,
        size=size,
        sha256=digest,
        packages=len(places),
        fetched=fetched,
        warnings=warn.given,
    )


def archive_path(package: LockedPackage) -> str:
    """Where a package is in an archive: in the channel, or among the wheels."""
    if package.manager == "pip":
        return f"wheels/{package.file_name}"
    return f"channel/{package.url_subdir}/{package.file_name}"


def _refuse_collisions(packages: Iterable[LockedPackage], places: Mapping[str, LockedPackage]) -> None:
    for package in packages:
        other = places[archive_path(package)]
        if other.sha256 != package.sha256:
            raise UsageError(
                f"{package.file_name} is locked from two places with different content: {package.url}, {other.url}",
                hint="pack one platform at a time with --platform",
            )


def _out_of_date(workspace: Workspace, name: str) -> Iterable[str]:
    """That the lock is not its recipe's any more. It is what the team agreed on, and is packed all the same."""
    from builder.operations.checking import CheckRequest, check

    for entry in check(workspace, CheckRequest(recipes=(name,))).locks:
        if isinstance(entry.problem, StaleLockError):
            yield f"{entry.problem.message}; packing what it says all the same"


def _platforms(lock: Lock, asked: tuple[Subdir, ...], name: str) -> tuple[Subdir, ...]:
    for subdir in asked:
        if subdir not in lock.platforms:
            raise UsageError(
                f"{name} is not locked for {subdir}",
                hint=f"it is for {', '.join(lock.platforms)}; add the platform to the recipe and lock again",
            )
    return tuple(subdir for subdir in lock.platforms if subdir in asked or not asked)


def _texts(workspace: Workspace, name: str, recipe: Path, file: Path, lock: Lock, content: bytes) -> dict[str, bytes]:
    """The recipe with what it builds on, and the files of its lock."""
    find = workspace.project.recipe_files().get
    found = {f"recipes/{recipe.name}": recipe}
    for ancestor in ancestry(recipe, find=find):
        parent = find(ancestor)
        if parent is not None:
            found[f"recipes/{parent.name}"] = parent
    folder = f"environments/{name}"
    for beside in (*lock.sources, *lock.inputs, PROOF_NAME):
        # A lock may name files elsewhere; those that envbuild makes are beside it.
        if PurePosixPath(beside).name == beside and (file.parent / beside).is_file():
            found[f"{folder}/{beside}"] = file.parent / beside
    texts = {path: read_ordinary(source, limit=MAX_BYTES, error=UsageError) for path, source in found.items()}
    return {**texts, f"{folder}/{LOCK_NAME}": content}


def _channel(kept: Mapping[str, Path], packages: Iterable[LockedPackage]) -> dict[str, bytes]:
    """The metadata of the channel."""
    archives: dict[str, list[Path]] = {}
    for path, file in kept.items():
        place = PurePosixPath(path)
        if place.parts[0] == "channel":
            archives.setdefault(place.parts[1], []).append(file)
    texts = repodata(archives, [package for package in packages if package.manager == "conda"])
    return {f"channel/{subdir}/repodata.json": text.encode() for subdir, text in texts.items()}


def _manifest(name: str, platforms: Iterable[Subdir], lock: bytes) -> bytes:
    data = {
        "format": FORMAT,
        "name": name,
        "platforms": [subdir.value for subdir in platforms],
        "lock": hashlib.sha256(lock).hexdigest(),
    }
    return (json.dumps(data, indent=1) + "\n").encode()


def _write(
    workspace: Workspace,
    output: Path,
    manifest: bytes,
    texts: Mapping[str, bytes],
    kept: Mapping[str, Path],
    places: Mapping[str, LockedPackage],
) -> tuple[str, int]:
    """The archive's SHA-256 and size in bytes."""
    sums = {path: hashlib.sha256(text).hexdigest() for path, text in texts.items()}
    sums |= {path: package.sha256 or "" for path, package in places.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomically(output) as stream:
        writer = Writer(stream)
        writer.add(MANIFEST, manifest)
        writer.add(SUMS, "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode())
        for number, path in enumerate(sorted(sums), 1):
            workspace.progress.update(_TASK, f"packing {path}", completed=number, total=len(sums))
            writer.add(path, texts[path] if path in texts else kept[path])
        writer.close()
        size = stream.tell()
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    workspace.progress.done(_TASK, f"packed {len(sums)} files")
    return digest, size
