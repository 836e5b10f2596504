"""Summaries on disk: one file a package, named by the package's own hash, checked when it is read back.

A file is a magic, the SHA-256 of the rest, and the rest: msgpack, compressed with zstandard. Long lists of symbols are
compressed by themselves, and only opened when somebody looks a symbol up. Files are written whole and never changed, so
that several processes, and machines that share a folder, may fill it at once. What is cut short, altered, or written by
another version is as if it were not there: the package is read again.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING, Any, Final

from builder.binaries.elf.file import Needs
from builder.binaries.elf.table import SymbolTable
from builder.binaries.macho import Commands, Dylib, SliceVerdict
from builder.binaries.numpy_abi import NumpyAbi
from builder.binaries.summary import ElfImage, Identity, MachOImage, PackageSummary, summarize
from builder.binaries.summary_python import Generated, Metadata
from builder.binaries.tables import ExportTable, ImportTable, Names
from builder.errors import BuildError
from builder.files import open_regular, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.summary_sources import Source

#: Changes whenever what is read, or how it is written, does: older files are then read anew.
FORMAT: Final = 3
_MAGIC: Final = b"envbuild summary %d\n" % FORMAT
_HEAD: Final = len(_MAGIC) + 32
_MOST_BYTES: Final = 256 << 20
_MOST_PLAIN: Final = 512 << 20
_LEVEL: Final = 6
#: A name in an archive may be no UTF-8; tarfile then gives it with surrogates.
_ODD: Final = "surrogatepass"
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_DYLIB_FLAGS: Final = ("weak", "reexport", "lazy", "upward")


class DamagedSummaryError(ValueError):
    """Bytes that are no summary of this version."""


class SummaryStore:
    """A folder of summaries. `reads` counts the packages that had to be read because it had none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.reads = 0

    def path(self, sha256: str) -> Path:
        """Where the summary of the package with that hash is, or would be. Raises ValueError for what is no hash."""
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256 in hexadecimal digits")
        return self._folder / sha256[:2] / f"{sha256}.summary"

    def digest(self, sha256: str) -> str | None:
        """The SHA-256 (hex) of the summary's content as its head has it, unread; None where there is no such head."""
        try:
            with open_regular(self.path(sha256)) as stream:
                head = stream.read(_HEAD)
        except OSError:
            return None
        return head[len(_MAGIC) :].hex() if len(head) == _HEAD and head.startswith(_MAGIC) else None

    def get(self, sha256: str) -> PackageSummary | None:
        """The summary, or None where there is none that is whole."""
        try:
            with open_regular(self.path(sha256)) as stream:
                # Not `read(_MOST_BYTES)`, which would ask for that much memory first.
                return loads(stream.read()) if os.fstat(stream.fileno()).st_size <= _MOST_BYTES else None
        except (OSError, DamagedSummaryError):
            return None

    def put(self, sha256: str, summary: PackageSummary) -> bool:
        """Keep a summary; False where it cannot be written (a full disk): nothing is lost but time."""
        try:
            write_atomically(self.path(sha256), dumps(summary))
        except (OSError, BuildError):
            return False
        return True

    def summary(self, sha256: str, source: Source) -> PackageSummary:
        """The summary of the package with that hash: kept, or read from `source` and kept. Raises like `summarize`."""
        found = self.get(sha256)
        if found is None:
            found = summarize(source)
            self.reads += 1
            self.put(sha256, found)
        return found


def dumps(summary: PackageSummary) -> bytes:
    """The same bytes for the same summary."""
    import msgpack

    return framed(msgpack.packb(_packed(summary), use_bin_type=True, unicode_errors=_ODD))


def framed(packed: bytes) -> bytes:
    """A summary's content as it is kept: compressed, behind its hash."""
    import zstandard

    body = zstandard.ZstdCompressor(level=_LEVEL).compress(packed)
    return _MAGIC + hashlib.sha256(body).digest() + body


def loads(data: bytes) -> PackageSummary:
    """The summary that `dumps` wrote. Raises DamagedSummaryError for anything else."""
    import msgpack

    packed = unframed(data)
    try:
        return _summary(msgpack.unpackb(packed, raw=False, strict_map_key=False, unicode_errors=_ODD))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, msgpack.UnpackException) as error:
        raise DamagedSummaryError(f"a summary that makes no sense: {error}") from error


def unframed(data: bytes) -> bytes:
    """What `framed` was given. Raises DamagedSummaryError for anything else than its bytes."""
    import zstandard

    body = memoryview(data)[_HEAD:]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[len(_MAGIC) : _HEAD]:
        raise DamagedSummaryError("not a summary of this version, or not a whole one")
    try:
        # A size that the frame states is believed without regard to `max_output_size`.
        if zstandard.frame_content_size(body) > _MOST_PLAIN:
            raise DamagedSummaryError("a summary that claims to be larger than any")
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_PLAIN)
    except zstandard.ZstdError as error:
        raise DamagedSummaryError(f"a summary that makes no sense: {error}") from error


def _packed(summary: PackageSummary) -> dict[str, Any]:
    one = summary.identity
    return {
        "identity": [one.kind, one.name, one.version, one.build, one.subdir, list(one.tags), list(one.requires)],
        "paths": "\0".join(summary.paths),
        "links": [list(pair) for pair in summary.links],
        "mach_o": [_packed_mach_o(image) for image in summary.mach_o],
        "elf": [_packed_elf(image) for image in summary.elf],
        "damaged": [list(pair) for pair in summary.damaged],
        "mentions": [[top, " ".join(names)] for top, names in summary.mentions],
        "digests": summary.digests,
        "distributions": [[own.folder, own.name, own.version, list(own.requires)] for own in summary.distributions],
        "generated": [[item.rel, list(item.protobuf) if item.protobuf else None] for item in summary.generated],
    }


def _summary(data: dict[str, Any]) -> PackageSummary:
    kind, name, version, build, subdir, tags, requires = data["identity"]
    return PackageSummary(
        identity=Identity(
            kind=kind,
            name=name,
            version=version,
            build=build,
            subdir=subdir,
            tags=tuple(tags),
            requires=tuple(requires),
        ),
        paths=tuple(data["paths"].split("\0")) if data["paths"] else (),
        links=tuple((path, target) for path, target in data["links"]),
        mach_o=tuple(map(_mach_o, data["mach_o"])),
        elf=tuple(map(_elf, data["elf"])),
        damaged=tuple((path, why) for path, why in data["damaged"]),
        mentions=tuple((top, tuple(names.split(" "))) for top, names in data["mentions"]),
        digests=_octets(data["digests"]),
        distributions=tuple(
            Metadata(folder=folder, name=name, version=version, requires=tuple(requires))
            for folder, name, version, requires in data["distributions"]
        ),
        generated=tuple(
            Generated(rel=rel, protobuf=_triple(protobuf) if protobuf else None) for rel, protobuf in data["generated"]
        ),
    )


def _names(stored: object, packed: object) -> Names:
    if not isinstance(stored, bytes) or not isinstance(packed, bool):
        raise TypeError("names are no bytes")
    return Names(stored=stored, packed=packed)


def _octets(value: object) -> bytes:
    """Bytes as they are: of a number, `bytes` would make as many zeros."""
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} where bytes belong")
    return value


def _packed_abi(abi: NumpyAbi | None) -> list[Any] | None:
    return None if abi is None else [abi.headers, list(abi.oldest) if abi.oldest else None, abi.sure]


def _abi(data: list[Any] | None) -> NumpyAbi | None:
    if data is None:
        return None
    headers, oldest, sure = data
    return NumpyAbi(headers=headers, oldest=(oldest[0], oldest[1]) if oldest else None, sure=sure)


def _packed_mach_o(image: MachOImage) -> dict[str, Any]:
    commands = image.commands
    return {
        "file": [image.rel, image.arch, list(image.archs), image.size],
        "signature": [
            image.signature.present,
            image.signature.pages,
            list(image.signature.wrong_pages),
            image.signature.wrong_count,
            image.signature.problem,
        ],
        "kind": [commands.filetype, commands.two_level, commands.is_64, commands.little_endian, commands.platform],
        "name": commands.install_name,
        "versions": [commands.version, commands.compatibility_version, commands.minos, commands.sdk],
        "dylibs": [
            [
                dylib.name,
                dylib.current_version,
                dylib.compatibility_version,
                [flag for flag in _DYLIB_FLAGS if getattr(dylib, flag)],
            ]
            for dylib in commands.dylibs
        ],
        "rpaths": list(commands.rpaths),
        "imports": [*image.imports.names.store(), list(image.imports.ordinals), image.imports.marks],
        "exports": [
            *image.exports.names.store(),
            image.exports.flags,
            [list(item) for item in image.exports.handed_on],
        ],
        "numpy": _packed_abi(image.numpy_abi),
        "classes": list(image.objc_classes),
    }


def _mach_o(data: dict[str, Any]) -> MachOImage:
    rel, arch, archs, size = data["file"]
    present, pages, wrong_pages, wrong_count, problem = data["signature"]
    filetype, two_level, is_64, little_endian, platform = data["kind"]
    version, compatibility, minos, sdk = (None if item is None else _triple(item) for item in data["versions"])
    names, packed, ordinals, marks = data["imports"]
    exported, exported_packed, flags, handed_on = data["exports"]
    return MachOImage(
        rel=rel,
        arch=arch,
        archs=tuple(archs),
        size=size,
        signature=SliceVerdict(
            arch=arch,
            present=present,
            pages=pages,
            wrong_pages=tuple(wrong_pages),
            wrong_count=wrong_count,
            problem=problem,
        ),
        commands=Commands(
            filetype=filetype,
            two_level=two_level,
            is_64=is_64,
            little_endian=little_endian,
            platform=platform,
            install_name=data["name"],
            version=version,
            compatibility_version=compatibility,
            minos=minos,
            sdk=sdk,
            dylibs=tuple(
                Dylib(
                    name=name,
                    current_version=_triple(current),
                    compatibility_version=_triple(compatible),
                    **dict.fromkeys(set(marked) & set(_DYLIB_FLAGS), True),
                )
                for name, current, compatible, marked in data["dylibs"]
            ),
            rpaths=tuple(data["rpaths"]),
        ),
        imports=ImportTable(_names(names, packed), tuple(ordinals), _octets(marks)),
        exports=ExportTable(
            _names(exported, exported_packed),
            _octets(flags),
            tuple((place, ordinal, target) for place, ordinal, target in handed_on),
        ),
        numpy_abi=_abi(data["numpy"]),
        objc_classes=tuple(data["classes"]),
    )


def _triple(data: list[int]) -> tuple[int, int, int]:
    major, minor, patch = data
    return major, minor, patch


def _packed_elf(image: ElfImage) -> dict[str, Any]:
    table = image.symbols
    return {
        "file": [image.rel, image.machine, image.size, image.soname],
        "needed": list(image.needed),
        "search": list(image.search),
        "needs": [[need.library, list(need.versions)] for need in image.needs],
        "defines": list(image.defines),
        "versions": [list(pair) for pair in table.versions],
        "symbols": [*table.names.store(), table.marks, list(table.places)],
        "numpy": _packed_abi(image.numpy_abi),
    }


def _elf(data: dict[str, Any]) -> ElfImage:
    rel, machine, size, soname = data["file"]
    names, packed, marks, places = data["symbols"]
    versions = tuple((version, library) for version, library in data["versions"])
    return ElfImage(
        rel=rel,
        machine=machine,
        size=size,
        soname=soname,
        needed=tuple(data["needed"]),
        search=tuple(data["search"]),
        needs=tuple(Needs(library=library, versions=tuple(wanted)) for library, wanted in data["needs"]),
        defines=tuple(data["defines"]),
        symbols=SymbolTable(_names(names, packed), _octets(marks), versions, tuple(places)),
        numpy_abi=_abi(data["numpy"]),
    )
