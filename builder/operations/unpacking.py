"""Unpack what `pack` wrote: read it strictly, lay it out whole or not at all, and build from it without any network."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from builder.errors import BuildError, PackError, UsageError
from builder.files import open_regular, read_ordinary
from builder.lock.audit import require_sound
from builder.lock.digest import MAX_BYTES
from builder.lock.proof import PROOF_NAME
from builder.lock.read import parse_lock
from builder.operations.creating import CreateRequest, create
from builder.operations.packing import FORMAT, MANIFEST, SUMS, archive_path
from builder.platforms import TARGETS, Subdir
from builder.project import LOCK_NAME, Project
from builder.published import UPGRADE
from builder.recipe.model import NAME_PATTERN
from builder.scratch import scratch
from builder.tarball import members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.lock.model import Lock
    from builder.operations.created import CreateResult
    from builder.tarball import Member
    from builder.workspace import Workspace

_TASK: Final = "unpack"
#: Where files may be; `NAME` stands for the recipe's name.
_PLACES: Final = re.compile(
    r"README\.txt|recipes/[\w.-]+\.yaml|environments/NAME/[\w.-]+\.(?:yml|json)"
    r"|channel/[a-z0-9-]+/(?:repodata\.json|[^/]+\.(?:conda|tar\.bz2))|wheels/[^/]+\.whl"
)
_SUM: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")
#: Variables that say where uv finds packages, which here is the archive alone.
_INDEXES: Final = re.compile(r"UV_(?:DEFAULT_|EXTRA_)?INDEX(?:_.*)?|UV_FIND_LINKS|UV_CONFIG_FILE|UV_NO_CONFIG")


@dataclass(frozen=True, kw_only=True)
class UnpackRequest:
    """The archive, and what to make of it."""

    file: Path
    into: Path | None = None
    """Lay its content out in this new folder, and build nothing."""
    sha256: str | None = None
    """What the archive's own SHA-256 must be, as `pack` said it."""
    name: str | None = None
    """The environment's name; default: the recipe's."""
    prefix: Path | None = None
    platform: Subdir | None = None
    groups: tuple[str, ...] = ()
    force: bool = False
    prove: bool = True


@dataclass(frozen=True, kw_only=True)
class UnpackResult:
    """What the archive holds, and the folder it was laid out in, or the environment that was built from it."""

    name: str
    platforms: tuple[Subdir, ...]
    folder: Path | None = None
    created: CreateResult | None = None


@dataclass(frozen=True, kw_only=True)
class _Laid:
    """An archive laid out in `folder`: a project with one recipe and its lock, a channel, and wheels."""

    folder: Path
    name: str
    platforms: tuple[Subdir, ...]
    lock: Lock


def unpack(workspace: Workspace, request: UnpackRequest) -> UnpackResult:
    """Build the environment that an archive holds, and verify it; or lay its content out in a folder.

    Nobody is asked for anything. The archive is read as a whole and compared with its own checksums and with its lock
    before anything is built or put into place. Raises PackError for one that is damaged or was altered, UsageError,
    and what `create` raises.
    """
    into = workspace.path(request.into) if request.into is not None else None
    if into is not None and (into.is_symlink() or (into.exists() and (not into.is_dir() or any(into.iterdir())))):
        raise UsageError(f"{into} is there already", hint="name a new folder with --into DIR")
    parent = into.parent if into is not None else workspace.project.state / "unpacked"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with scratch(".envbuild-unpack-", folder=parent) as work:
            laid = _lay_out(workspace, workspace.path(request.file), work / "pack", sha256=request.sha256)
            if into is not None:
                if into.is_dir():
                    into.rmdir()
                laid.folder.rename(into)
                return UnpackResult(name=laid.name, platforms=laid.platforms, folder=into)
            created = replace(_create(workspace, laid, request), lock=_keep_lock(workspace, laid))
    except OSError as error:
        raise BuildError(
            f"{parent} cannot be written: {error.strerror or error}", hint="free space there, or make it writable"
        ) from None
    return UnpackResult(name=laid.name, platforms=laid.platforms, created=created)


def _create(workspace: Workspace, laid: _Laid, request: UnpackRequest) -> CreateResult:
    target = request.platform or workspace.host
    if target is not None and target not in laid.platforms:
        raise UsageError(
            f"{request.file} holds {laid.name} for {', '.join(laid.platforms)}, not for {target}",
            hint=f"pack it anew where it was made: `envbuild pack {laid.name} --platform {target}`",
        )
    channel = str(laid.folder / "channel")
    settings = laid.folder / "uv.toml"
    settings.write_text(
        f"no-index = true\nfind-links = [{json.dumps(str(laid.folder / 'wheels'))}]\n", encoding="utf-8"
    )
    environ = {name: value for name, value in workspace.environ.items() if not _INDEXES.fullmatch(name)}
    inside = replace(
        workspace,
        project=Project(root=laid.folder, state=workspace.project.state, found=True),
        environ={**environ, "UV_OFFLINE": "1", "UV_CONFIG_FILE": str(settings)},
        mirror_places=dict.fromkeys(laid.lock.channels, channel),
        offline=True,
    )
    return create(
        inside,
        CreateRequest(
            recipe=laid.name,
            name=request.name,
            prefix=request.prefix,
            platform=request.platform,
            groups=request.groups,
            force=request.force,
            prove=request.prove,
        ),
    )


def _keep_lock(workspace: Workspace, laid: _Laid) -> Path:
    """Leave the lock where `status` finds it, since the folder that it was unpacked into goes."""
    from builder.files import write_atomically

    folder = workspace.project.local_environment(laid.name, source="pack")
    for name in (LOCK_NAME, PROOF_NAME):
        file = laid.folder / "environments" / laid.name / name
        if file.is_file():
            write_atomically(folder / name, file.read_bytes())
    return folder / LOCK_NAME


def _lay_out(workspace: Workspace, archive: Path, folder: Path, *, sha256: str | None) -> _Laid:
    """The archive's content, compared with its checksums and its lock. Raises PackError, UsageError, OSError."""
    try:
        stream = open_regular(archive)
    except OSError as error:
        raise UsageError(
            f"{archive} cannot be read: {error.strerror or error}", hint="name an archive that `envbuild pack` wrote"
        ) from None
    place = str(archive)
    with stream:
        if sha256 is not None and (digest := hashlib.file_digest(stream, "sha256").hexdigest()) != sha256.lower():
            raise PackError(
                f"is another archive than was meant: its sha256 is {digest}, not {sha256}",
                file=place,
                hint="copy or download it again",
            )
        stream.seek(0)
        found = members(stream, place=place)
        heads = {name: _small(found, name, place) for name in (MANIFEST, SUMS)}
        name, platforms, digest = _manifest(heads[MANIFEST], place)
        sums = _sums(heads[SUMS], name, place)
        folder.mkdir()
        for head, content in heads.items():
            (folder / head).write_bytes(content)
        written = _write(workspace, found, folder, sums, place)
    missing = sorted(sums.keys() - written)
    if missing:
        raise PackError(f"lacks {missing[0]}" + _more(missing), file=place, hint="copy or download it again")
    lock = _lock(folder, name, digest, place)
    _require_that_it_is_whole(lock, platforms, sums, place)
    workspace.progress.done(_TASK, f"unpacked {len(written)} files")
    return _Laid(folder=folder, name=name, platforms=platforms, lock=lock)


def _small(found: Iterator[Member], name: str, place: str) -> bytes:
    """The content of the next member, which must be this one."""
    member = next(found, None)
    if member is None or member.name != name:
        raise PackError(f"was not made by `envbuild pack`: it does not begin with {name}", file=place)
    if member.size > MAX_BYTES:
        raise PackError(f"holds a {name} of {member.size:,} bytes, which is too large for one", file=place)
    return b"".join(member.chunks())


def _manifest(content: bytes, place: str) -> tuple[str, tuple[Subdir, ...], str]:
    """The recipe's name, the platforms, and the lock's SHA-256."""
    try:
        data: dict[str, Any] = json.loads(content)
        version, name, platforms, digest = (data[key] for key in ("format", "name", "platforms", "lock"))
        if isinstance(version, int) and version > FORMAT:
            raise PackError(
                f"is of format {version}, and this envbuild reads up to {FORMAT}",
                file=place,
                hint=f"a newer envbuild reads it: {UPGRADE}",
            )
        subdirs = tuple(Subdir(platform) for platform in platforms)
        right = version == FORMAT and re.fullmatch(NAME_PATTERN, name) and re.fullmatch(r"[0-9a-f]{64}", digest)
        if not right or not subdirs or not set(subdirs) <= set(TARGETS):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise PackError(f"has a damaged {MANIFEST}", file=place, hint="copy or download it again") from None
    return name, subdirs, digest


def _sums(content: bytes, name: str, place: str) -> dict[str, str]:
    """The SHA-256 of every file by its path; only of files that belong into such an archive."""
    sums: dict[str, str] = {}
    try:
        for line in content.decode().splitlines():
            match = _SUM.fullmatch(line)
            if match is None:
                raise ValueError
            sums[match[2]] = match[1]
    except ValueError:
        raise PackError(f"has a damaged {SUMS}", file=place, hint="copy or download it again") from None
    for path in sums:
        if not _PLACES.fullmatch(path.replace(f"environments/{name}/", "environments/NAME/", 1)):
            raise PackError(f"holds {path!r:.100}, which has no place in such an archive", file=place)
    return sums


def _write(
    workspace: Workspace, found: Iterator[Member], folder: Path, sums: Mapping[str, str], place: str
) -> set[str]:
    """Write every member whose content is that of its checksum; raises PackError at the first that is not."""
    written: set[str] = set()
    for member in found:
        path = member.name
        if path not in sums:
            raise PackError(f"holds {path!r:.100}, which is not in its {SUMS}", file=place)
        workspace.progress.update(_TASK, f"unpacking {path}", completed=len(written), total=len(sums))
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("xb") as stream:
            for chunk in member.chunks():
                digest.update(chunk)
                stream.write(chunk)
        if digest.hexdigest() != sums[path]:
            raise PackError(f"was altered or damaged: {path} is not what its {SUMS} says", file=place)
        written.add(path)
    return written


def _lock(folder: Path, name: str, digest: str, place: str) -> Lock:
    file = folder / "environments" / name / LOCK_NAME
    shown = f"{place}: {file.relative_to(folder)}"
    if not file.is_file():
        raise PackError(f"holds no lock of {name}", file=place)
    content = read_ordinary(file, limit=MAX_BYTES, error=PackError)
    if hashlib.sha256(content).hexdigest() != digest:
        raise PackError("was altered: its lock is another one than it says", file=place)
    lock = parse_lock(content, place=shown)
    require_sound(lock, file)
    return lock


def _require_that_it_is_whole(lock: Lock, platforms: tuple[Subdir, ...], sums: Mapping[str, str], place: str) -> None:
    """Every package of the lock must be there with the locked hash, and no other."""
    wanted: dict[str, str | None] = {}
    for subdir in platforms:
        if subdir not in lock.platforms:
            raise PackError(f"says that it is for {subdir}, and its lock is not", file=place)
        wanted |= {archive_path(package): package.sha256 for package in lock.on(subdir)}
    packages = {path for path in sums if PurePosixPath(path).suffix in (".conda", ".bz2", ".whl")}
    for path, sha256 in wanted.items():
        if path not in packages:
            raise PackError(f"lacks {path}, which its lock names", file=place)
        if sums[path] != sha256:
            raise PackError(f"was altered: {path} is not the package that its lock names", file=place)
    more = sorted(packages - wanted.keys())
    if more:
        raise PackError(f"holds {more[0]}{_more(more)}, which its lock does not name", file=place)


def _more(names: list[str]) -> str:
    return f" and {len(names) - 1} more" if len(names) > 1 else ""
