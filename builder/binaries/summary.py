"""A package read once: everything that linking must know of it, the same whether read from archive, folder or prefix.

Paths are relative to the environment's root; as in conda's noarch packages, what a wheel puts into site-packages begins
with `site-packages/`, wherever that will be. The path of the environment itself, and the placeholder that stands for it
in conda's archives, are `{prefix}` in whatever a binary says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import TYPE_CHECKING, Final, Literal

from builder.binaries.elf.file import ET_DYN, ET_EXEC, ElfFile, Needs, open_elf
from builder.binaries.inventory import may_be_binary
from builder.binaries.macho import Slice, is_mach_o_magic, open_mach_o, verify_signature
from builder.binaries.macho.constants import FileType
from builder.binaries.numpy_abi import CAPSULE, NumpyAbi, read_numpy_abi
from builder.binaries.tables import ExportTable, ImportTable, SymbolTable
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from builder.binaries.macho import Commands, MachOFile, SliceVerdict
    from builder.binaries.summary_sources import Member, Source

SITE: Final = "site-packages/"
PREFIX: Final = "{prefix}"
_ELF: Final = b"\x7fELF"
_LOADABLE: Final = frozenset(FileType)
#: Sources longer than this are data in disguise; and names that are no modules of anybody's package.
_MOST_SOURCE: Final = 4 << 20
_MOST_METADATA: Final = 16 << 20
_INNER: Final = re.compile(r"(?:lib/python\d+\.\d+t?/)?site-packages/(.+)")
_IMPORT: Final = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
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
    signature: str
    """`ok`, `unsigned`, or what is wrong with it."""
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
    """Everything about one package. `mentions`: top-level module of its own → modules that its source imports."""

    identity: Identity
    paths: tuple[str, ...]
    links: tuple[tuple[str, str], ...] = ()
    """Symbolic links: path → what it says."""
    mach_o: tuple[MachOImage, ...] = ()
    elf: tuple[ElfImage, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    """Files that begin as a binary does and cannot be read: path → why."""
    mentions: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(kw_only=True)
class _Found:
    """What has been read so far."""

    paths: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    mach_o: list[MachOImage] = field(default_factory=list)
    elf: list[ElfImage] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, set[str]] = field(default_factory=dict)
    metadata: dict[str, bytes] = field(default_factory=dict)


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
        elif member.rel.endswith((".dist-info/METADATA", ".dist-info/WHEEL")):
            found.metadata[member.rel] = member.read(_MOST_METADATA)
        elif member.rel.endswith(".py"):
            _note_imports(found, member)
        elif may_be_binary(member.rel.rpartition("/")[2]):
            _read_binary(found, member, source.prefixes)
    return PackageSummary(
        identity=source.identity or _of_wheel(found.metadata),
        paths=tuple(sorted(found.paths)),
        links=tuple(sorted(found.links.items())),
        mach_o=tuple(sorted(found.mach_o, key=lambda image: (image.rel, image.arch))),
        elf=tuple(sorted(found.elf, key=lambda image: image.rel)),
        damaged=tuple(sorted(found.damaged.items())),
        mentions=tuple((top, tuple(sorted(names))) for top, names in sorted(found.mentions.items()) if names),
    )


def _of_wheel(metadata: dict[str, bytes]) -> Identity:
    """Name, version, requirements and tags from a wheel's own metadata."""
    heads = {
        path.rpartition("/")[2]: HeaderParser().parsestr(content.decode("utf-8", "replace"))
        for path, content in sorted(metadata.items())
    }
    head = heads.get("METADATA")
    if head is None or not head["Name"] or not head["Version"]:
        raise BinaryError("the wheel has no metadata with a name and a version")
    wheel = heads.get("WHEEL")
    return Identity(
        kind="wheel",
        name=re.sub(r"[-_.]+", "-", str(head["Name"]).strip()).lower(),
        version=str(head["Version"]).strip(),
        tags=tuple(sorted(str(tag).strip() for tag in wheel.get_all("Tag", ()))) if wheel is not None else (),
        requires=tuple(" ".join(str(line).split()) for line in head.get_all("Requires-Dist", ())),
    )


def _note_imports(found: _Found, member: Member) -> None:
    match = _INNER.fullmatch(member.rel)
    if match is None:
        return  # not importable by itself
    top = match[1].partition("/")[0].partition(".")[0]
    names = {name.decode() for name in _IMPORT.findall(member.read(_MOST_SOURCE))}
    found.mentions.setdefault(top, set()).update(names - {top})


def _read_binary(found: _Found, member: Member, prefixes: tuple[str, ...]) -> None:
    head = member.head()
    if head != _ELF and not is_mach_o_magic(head):
        return
    with member.on_disk() as path:
        try:
            if head == _ELF:
                found.elf.extend(_elf_images(member.rel, path, prefixes))
            else:
                found.mach_o.extend(_mach_o_images(member.rel, path, prefixes))
        except BinaryError as error:
            found.damaged[member.rel] = error.plain


def _plain(text: str, prefixes: Iterable[str]) -> str:
    """`text` with the environment's path, or its placeholder, as `{prefix}`."""
    for prefix in prefixes:
        text = text.replace(prefix, PREFIX)
    return text


def _mach_o_images(rel: str, path: Path, prefixes: tuple[str, ...]) -> list[MachOImage]:
    opened = open_mach_o(path)
    if opened is None:
        return []
    verdicts = {verdict.arch: verdict for verdict in verify_signature(path)}
    with opened as file:
        return [
            _mach_o_image(rel, file, part, verdicts.get(part.arch.name), lambda text: _plain(text, prefixes))
            for part in file.slices
            if file.image_of(part).commands.filetype in _LOADABLE
        ]


def _mach_o_image(
    rel: str, file: MachOFile, part: Slice, verdict: SliceVerdict | None, plain: Callable[[str], str]
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
        signature=_signature(verdict),
        numpy_abi=image.numpy_abi,
        objc_classes=image.objc_classes,
    )


def _signature(verdict: SliceVerdict | None) -> str:
    if verdict is None or not verdict.present:
        return "unsigned"
    if verdict.ok:
        return "ok"
    return verdict.problem or f"{verdict.wrong_count} of {verdict.pages} pages changed since it was signed"


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
