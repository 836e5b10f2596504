"""Ad-hoc signing after an edit that keeps a file's size, on any machine (`/usr/bin/codesign` exists only on a Mac).

conda writes the prefix into binaries in place of a placeholder of the same length. That breaks the hashes of the
pages it touches, and Apple silicon kills the process that maps one. `resign_adhoc` repairs the signature in place.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from builder.binaries.macho import constants as c
from builder.binaries.macho.file import open_mach_o
from builder.binaries.macho.signature import CodeDirectory, Signature, SliceSignature, page_digests, read_signatures
from builder.errors import BinaryError

if TYPE_CHECKING:
    from pathlib import Path

_ARM64 = ("arm64", "arm64e")


@dataclass(frozen=True, kw_only=True)
class Resigned:
    """What `resign_adhoc` did to one slice.

    `rehashed`: the page hashes were recomputed, everything else of the ad-hoc signature kept. `replaced`: the slice
    had a certificate's signature, which no edit survives; an ad-hoc one now stands in its place. `unsigned`: an Intel
    slice without a signature, left as it is (Intel needs none).
    """

    arch: str
    action: Literal["rehashed", "replaced", "unsigned"]
    pages: int = 0
    """Pages whose stored hash changed."""


def resign_adhoc(path: Path) -> tuple[Resigned, ...]:
    """Make the signature of every slice of `path` right for the bytes that are there now; the size stays the same.

    An ad-hoc signature keeps its identifier, flags, requirements and entitlements: only the page hashes of each of its
    CodeDirectories (SHA-1 and SHA-256) are recomputed. A signature made with a certificate is replaced by an ad-hoc
    one with the same identifier; its entitlements and hardened runtime go, as with `codesign --force --sign -`.

    The file is written in place, so a caller that hard-links files must edit a copy; a second call changes nothing.
    Raises BinaryError for an arm64 slice without a signature, for a damaged one, and for a file that is not Mach-O;
    nothing is written then. Raises OSError where the file cannot be written.
    """
    parts = read_signatures(path)
    for part in parts:
        if isinstance(part.signature, str):
            raise BinaryError(f"the {part.arch} slice has {part.signature}", file=path)
        if part.signature is None and part.arch in _ARM64:
            raise BinaryError(
                f"the {part.arch} slice has no code signature, so there is none to repair",
                file=path,
                hint="sign it on a Mac: codesign --force --sign - FILE",
            )
    with path.open("r+b") as file:
        results = tuple(_resign(file, path, part) for part in parts)
        file.flush()
    return results


def _resign(file: BinaryIO, path: Path, part: SliceSignature) -> Resigned:
    match part.signature:
        case Signature() as signature if signature.adhoc:
            changed = sum(_rehash(file, signature, directory, part.offset) for directory in signature.directories)
            return Resigned(arch=part.arch, action="rehashed", pages=changed)
        case Signature() as signature:
            blob = _adhoc_blob(file, path, part, signature)
            os.pwrite(file.fileno(), blob, signature.offset)
            return Resigned(arch=part.arch, action="replaced", pages=signature.directories[0].pages)
        case _:
            return Resigned(arch=part.arch, action="unsigned")


def _rehash(file: BinaryIO, signature: Signature, directory: CodeDirectory, start: int) -> int:
    """Write the page hashes of `directory`; how many differed."""
    size = directory.hash_size
    at = signature.offset + directory.hashes_offset
    old = os.pread(file.fileno(), directory.pages * size, at)
    new = b"".join(page_digests(file, directory, start=start))
    if old != new:
        os.pwrite(file.fileno(), new, at)
    return sum(old[index : index + size] != new[index : index + size] for index in range(0, len(new), size))


def _adhoc_blob(file: BinaryIO, path: Path, part: SliceSignature, signature: Signature) -> bytes:
    """An ad-hoc signature (one SHA-256 CodeDirectory) of exactly the size of the one it replaces."""
    old = signature.directories[0]
    page_log = (old.page_size or 4096).bit_length() - 1  # the old one's: the hashes must fit where its hashes were
    pages = -(-old.code_limit // (1 << page_log))
    name = old.identifier.encode() + b"\0"
    header = 88
    hashes = header + len(name)
    length = hashes + 32 * pages
    if 20 + length > signature.size:
        raise BinaryError(
            f"the {part.arch} slice's certificate signature leaves no room for an ad-hoc one",
            file=path,
            hint="sign it on a Mac: codesign --force --sign - FILE",
        )
    text, main = _text_segment(path, part)
    # fmt: off
    packed = struct.pack(
        ">9I4BIIIIQQQQ",
        c.CSMAGIC_CODEDIRECTORY, length, 0x20400, c.CS_ADHOC, hashes, header, 0, pages, min(old.code_limit, 0xFFFFFFFF),
        32, 2, 0, page_log, 0,
        0, 0, 0, old.code_limit if old.code_limit > 0xFFFFFFFF else 0,
        text[0], text[1], c.CS_EXECSEG_MAIN_BINARY if main else 0,
    )
    # fmt: on
    fresh = CodeDirectory(
        offset=0,
        length=length,
        version=0x20400,
        flags=c.CS_ADHOC,
        hash_kind=2,
        page_size=1 << page_log,
        code_limit=old.code_limit,
        hashes_offset=hashes,
        pages=pages,
        identifier=old.identifier,
        team=None,
    )
    body = packed + name + b"".join(page_digests(file, fresh, start=part.offset))
    blob = struct.pack(">5I", c.CSMAGIC_EMBEDDED_SIGNATURE, 20 + length, 1, c.CSSLOT_CODEDIRECTORY, 20) + body
    return blob.ljust(signature.size, b"\0")


def _text_segment(path: Path, part: SliceSignature) -> tuple[tuple[int, int], bool]:
    """File offset and size of __TEXT in the slice, and whether it is a main executable."""
    opened = open_mach_o(path)
    if opened is None:
        raise BinaryError("not a Mach-O file", file=path)
    with opened as mapped:
        commands = next(mapped.image_of(found) for found in mapped.slices if found.offset == part.offset).commands
    text = next((found for found in commands.segments if found.name == "__TEXT"), None)
    place = (text.file_offset, text.file_size) if text else (0, 0)
    return place, commands.filetype == c.FileType.EXECUTE
