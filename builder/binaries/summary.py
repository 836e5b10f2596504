"""A package read once: everything that linking must know of it, the same whether read from archive, folder or prefix.

Paths are relative to the environment's root; as in conda's noarch packages, what a wheel puts into site-packages begins
with `site-packages/`, wherever that will be. The path of the environment itself, and the placeholder that stands for it
in conda's archives, are `{prefix}` in whatever a binary says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from builder.binaries.elf.file import ET_DYN, ET_EXEC, ElfFile, Needs, open_elf
from builder.binaries.elf.table import SymbolTable
from builder.binaries.inventory import may_be_binary
from builder.binaries.macho import Slice, SliceVerdict, is_mach_o_magic, open_mach_o, verify_signature
from builder.binaries.macho.constants import FileType
from builder.binaries.numpy_abi import CAPSULE, NumpyAbi, read_numpy_abi
from builder.binaries.summary_python import Generated, Metadata, PythonFiles, headers
from builder.binaries.tables import ExportTable, ImportTable
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from builder.binaries.macho import Commands, MachOFile
    from builder.binaries.summary_sources import Member, Source

SITE: Final = "site-packages/"
PREFIX: Final = "{prefix}"
_ELF: Final = b"\x7fELF"
_LOADABLE: Final = frozenset(FileType)
#: Sources longer than this are data in disguise; and names that are no modules of anybody's package.
_MOST_SOURCE: Final = 4 << 20
_MOST_METADATA: Final = 16 << 20
_WHEEL: Final = re.compile(r"site-packages/[^/]+\.dist-info/WHEEL")
#: What installers add or rewrite: no content of the package itself.
_INSTALLERS: Final = re.compile(
    r"site-packages/[^/]+\.(dist-info|egg-info)/(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)"
    r"|.*\.pyc|(.*/)?__pycache__/.*"
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which package it is. `requires` are requirement lines, as its metadata has them; `tags` those of a wheel."""

    kind: Literal["conda", "wheel"]
    name: str
    version: str
    build: str = ""
    subdir: str = ""
    tags: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MachOImage:
    """One slice of a Mach-O file: what `Binary` tells of it, without the file."""

    rel: str
    arch: str
    archs: tuple[str, ...]
    size: int
    commands: Commands
    """Names, dependencies, rpaths, versions; offsets into the file are left out."""
    imports: ImportTable
    exports: ExportTable
    signature: SliceVerdict
    """As far as it decides whether macOS runs the code. What an installer rewrites, it signs anew."""
    numpy_abi: NumpyAbi | None = None
    objc_classes: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ElfImage:
    """An ELF file: what `ElfBinary` tells of it, without the file. `search` has `$ORIGIN` in it."""

    rel: str
    machine: str
    size: int
    needed: tuple[str, ...]
    soname: str | None
    search: tuple[str, ...]
    needs: tuple[Needs, ...]
    defines: tuple[str, ...]
    symbols: SymbolTable
    numpy_abi: NumpyAbi | None = None


@dataclass(frozen=True, kw_only=True)
class PackageSummary:
    """Everything about one package.

    `mentions`: top-level module of its own → modules that its source imports. `digests`: for every path in `paths` that
    ends with `.py`, in their order, the beginning of its content's SHA-256 (`DIGEST_BYTES`).
    """

    identity: Identity
    paths: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links: path → what it says."""
    mach_o: tuple[MachOImage, ...] = ()
    elf: tuple[ElfImage, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    """Files that begin as a binary does and cannot be read: path → why."""
    mentions: tuple[tuple[str, tuple[str, ...]], ...] = ()
    digests: bytes = b""
    distributions: tuple[Metadata, ...] = ()
    generated: tuple[Generated, ...] = ()


@dataclass(kw_only=True)
class _Found:
    """What has been read so far."""

    paths: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    mach_o: list[MachOImage] = field(default_factory=list)
    elf: list[ElfImage] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    python: PythonFiles = field(default_factory=PythonFiles)
    tags: tuple[str, ...] = ()


def summarize(source: Source) -> PackageSummary:
    """Read every member of a package once. Raises BinaryError for an archive that is damaged, or lies about its paths,
    and OSError where it cannot be read; a damaged binary inside is noted in the summary.
    """
    found = _Found()
    for member in source.members():
        if _INSTALLERS.fullmatch(member.rel):
            continue
        found.paths.append(member.rel)
        if member.link is not None:
            found.links[member.rel] = _plain(member.link, source.prefixes)
        elif member.rel.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO")):
            found.python.add_metadata(member.rel, member.read(_MOST_METADATA))
        elif _WHEEL.fullmatch(member.rel):
            found.tags = tuple(sorted(headers(member.read(_MOST_METADATA)).get("tag", ())))
        elif member.rel.endswith(".py"):
            content = member.read(_MOST_SOURCE)
            found.python.add_source(member.rel, content, _plain_bytes(content, source.prefixes))
        elif may_be_binary(member.rel.rpartition("/")[2]):
            _read_binary(found, member, source)
    python = found.python
    return PackageSummary(
        identity=source.identity or _of_wheel(found),
        paths=tuple(sorted(found.paths)),
        links=tuple(sorted(found.links.items())),
        mach_o=tuple(sorted(found.mach_o, key=lambda image: (image.rel, image.arch))),
        elf=tuple(sorted(found.elf, key=lambda image: image.rel)),
        damaged=tuple(sorted(found.damaged.items())),
        mentions=tuple((top, tuple(sorted(names))) for top, names in sorted(python.mentions.items()) if names),
        digests=b"".join(digest for _, digest in sorted(python.digests.items())),
        distributions=tuple(sorted(python.distributions, key=lambda one: one.folder)),
        generated=tuple(sorted(python.generated, key=lambda one: one.rel)),
    )


def _of_wheel(found: _Found) -> Identity:
    """Name, version, requirements and tags from a wheel's own metadata."""
    if len(found.python.distributions) != 1:
        raise BinaryError("the wheel has no metadata with a name and a version, or more than one")
    (own,) = found.python.distributions
    return Identity(
        kind="wheel",
        name=re.sub(r"[-_.]+", "-", own.name).lower(),
        version=own.version,
        tags=found.tags,
        requires=own.requires,
    )


def _read_binary(found: _Found, member: Member, source: Source) -> None:
    head, prefixes = member.head(), source.prefixes
    if head != _ELF and not is_mach_o_magic(head):
        return
    with member.on_disk() as path:
        try:
            if head == _ELF:
                found.elf.extend(_elf_images(member.rel, path, prefixes))
            else:
                signed_anew = member.rel in source.rewritten
                found.mach_o.extend(_mach_o_images(member.rel, path, prefixes, signed_anew=signed_anew))
        except BinaryError as error:
            found.damaged[member.rel] = error.plain


def _plain(text: str, prefixes: Iterable[str]) -> str:
    """`text` with the environment's path, or its placeholder, as `{prefix}`."""
    for prefix in prefixes:
        text = text.replace(prefix, PREFIX)
    return text


def _plain_bytes(content: bytes, prefixes: Iterable[str]) -> bytes:
    """The same for the content of a file."""
    for prefix in prefixes:
        content = content.replace(prefix.encode(), PREFIX.encode())
    return content


def _mach_o_images(rel: str, path: Path, prefixes: tuple[str, ...], *, signed_anew: bool) -> list[MachOImage]:
    opened = open_mach_o(path)
    if opened is None:
        return []
    verdicts = {} if signed_anew else {verdict.arch: verdict for verdict in verify_signature(path)}
    with opened as file:
        return [
            _mach_o_image(
                rel,
                file,
                part,
                _signature(part.arch.name, verdicts.get(part.arch.name), signed_anew=signed_anew),
                lambda text: _plain(text, prefixes),
            )
            for part in file.slices
            if file.image_of(part).commands.filetype in _LOADABLE
        ]


def _mach_o_image(
    rel: str, file: MachOFile, part: Slice, signature: SliceVerdict, plain: Callable[[str], str]
) -> MachOImage:
    image = file.image_of(part)
    return MachOImage(
        rel=rel,
        arch=part.arch.name,
        archs=file.archs,
        size=file.size,
        commands=image.commands.for_linking(plain),
        imports=ImportTable.of(image.imports),
        exports=ExportTable.of(sorted(image.exports(), key=lambda export: export.name)),
        signature=signature,
        numpy_abi=image.numpy_abi,
        objc_classes=image.objc_classes,
    )


def _signature(arch: str, verdict: SliceVerdict | None, *, signed_anew: bool) -> SliceVerdict:
    """What decides, without who signed and how, which differs between the tools that sign."""
    if verdict is None:
        return SliceVerdict(arch=arch, present=signed_anew)
    return SliceVerdict(
        arch=arch,
        present=verdict.present,
        pages=verdict.pages,
        wrong_pages=verdict.wrong_pages,
        wrong_count=verdict.wrong_count,
        problem=verdict.problem,
    )


def _elf_images(rel: str, path: Path, prefixes: tuple[str, ...]) -> list[ElfImage]:
    opened = open_elf(path)
    if opened is None:
        return []
    with opened as file:
        return [_elf_image(rel, file, prefixes)] if file.kind in (ET_EXEC, ET_DYN) else []


def _elf_image(rel: str, file: ElfFile, prefixes: tuple[str, ...]) -> ElfImage:
    symbols = tuple(file.symbols())
    uses_numpy = any(symbol.name == CAPSULE and not symbol.defined for symbol in symbols)
    return ElfImage(
        rel=rel,
        machine=file.machine,
        size=len(file.data),
        needed=file.needed,
        soname=file.soname,
        search=tuple(_plain(folder, prefixes) for folder in file.search),
        needs=file.needs,
        defines=tuple(sorted(file.defines.values())),
        symbols=SymbolTable.of(symbols),
        numpy_abi=read_numpy_abi(file.data) if uses_numpy else None,
    )
