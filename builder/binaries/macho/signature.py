"""Embedded code signatures: what they claim, and whether the page hashes are right.

On Apple silicon the kernel kills a process that maps a page whose hash differs from the one in the image's
CodeDirectory, or an image with no signature (`zsh: killed`, `CODESIGNING, Code 0x2 Invalid Page`). Layout:
`kern/cs_blobs.h` of xnu. The certificates of a Developer ID signature are not examined.
"""

from __future__ import annotations

import functools
import hashlib
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Final

from builder.binaries.macho import constants as c
from builder.binaries.macho.file import open_mach_o
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: CS_HASHTYPE_*: number → (hashlib's name, bytes kept). In the kernel's order of preference, the best one last.
_HASHES: Final = {1: ("sha1", 20), 3: ("sha256", 20), 2: ("sha256", 32), 4: ("sha384", 48)}
_RANKS: Final = {kind: rank for rank, kind in enumerate(_HASHES)}
_HEADER: Final = struct.Struct(">9I4BI")
#: Signatures hold a few hashes per page of code and some certificates; the largest seen (620 MB of code) is 5 MB.
_MOST_BYTES: Final = 256 << 20
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class CodeDirectory:
    """One CodeDirectory. `offset` is from the start of the signature; `page_size` 0 means one hash over everything."""

    offset: int
    length: int
    version: int
    flags: int
    hash_kind: int
    page_size: int
    code_limit: int
    """Bytes of the image that the hashes cover, from its start up to the signature."""
    hashes_offset: int
    """From the start of the signature to the hash of page 0."""
    pages: int
    identifier: str
    team: str | None

    @property
    def hash_name(self) -> str:
        return _HASHES[self.hash_kind][0]

    @property
    def hash_size(self) -> int:
        return _HASHES[self.hash_kind][1]

    @property
    def adhoc(self) -> bool:
        return bool(self.flags & c.CS_ADHOC)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A parsed signature of one slice: its CodeDirectories, the one the kernel uses first."""

    offset: int
    """From the start of the file."""
    size: int
    directories: tuple[CodeDirectory, ...]
    cms_size: int
    """Bytes of the CMS blob's content; 0 for an ad-hoc signature."""

    @property
    def adhoc(self) -> bool:
        return self.cms_size == 0


@dataclass(frozen=True, kw_only=True)
class SliceVerdict:
    """What `verify_signature` says about one slice.

    `present` False: unsigned. `wrong_pages`: indices of pages whose hash differs, at most `LISTED_PAGES` of them;
    `wrong_count` all. `problem`: why the signature cannot be read or does not cover the image, None when it can.
    """

    LISTED_PAGES: ClassVar[int] = 5

    arch: str
    present: bool
    adhoc: bool = False
    identifier: str = ""
    hash_name: str = ""
    page_size: int = 0
    pages: int = 0
    wrong_pages: tuple[int, ...] = ()
    wrong_count: int = 0
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.present and self.problem is None and self.wrong_count == 0


def parse_signature(blob: bytes, *, offset: int, image_size: int, path: Path) -> Signature:
    """Parse the bytes LC_CODE_SIGNATURE points at; `offset` is where in the file they begin.

    `image_size` bounds what the CodeDirectories may claim to cover. Raises BinaryError for a damaged signature.
    """
    try:
        return _parse(blob, offset=offset, image_size=image_size)
    except (struct.error, ValueError, IndexError) as error:
        raise BinaryError(f"damaged code signature: {error}", file=path) from error


def _parse(blob: bytes, *, offset: int, image_size: int) -> Signature:
    magic, length, count = struct.unpack_from(">III", blob, 0)
    if magic != c.CSMAGIC_EMBEDDED_SIGNATURE:
        raise ValueError(f"its magic is {magic:#x}")
    if length > len(blob) or count > 64:
        raise ValueError(f"it claims {length} bytes and {count} blobs in a space of {len(blob)}")
    directories: list[CodeDirectory] = []
    cms_size = 0
    for index in range(count):
        slot, start = struct.unpack_from(">II", blob, 12 + 8 * index)
        blob_magic, blob_length = struct.unpack_from(">II", blob, start)
        if start + blob_length > length or blob_length < 8:
            raise ValueError(f"blob {index} does not fit")
        alternate = c.CSSLOT_ALTERNATE_CODEDIRECTORIES <= slot < c.CSSLOT_ALTERNATE_CODEDIRECTORY_LIMIT
        if slot == c.CSSLOT_CODEDIRECTORY or alternate:
            if blob_magic != c.CSMAGIC_CODEDIRECTORY:
                raise ValueError(f"blob {index} is no CodeDirectory")
            directories.append(_directory(blob, start, blob_length, image_size))
        elif slot == c.CSSLOT_SIGNATURESLOT:
            cms_size = blob_length - 8
    if not directories:
        raise ValueError("it holds no CodeDirectory")
    directories.sort(key=lambda directory: _RANKS[directory.hash_kind], reverse=True)
    return Signature(offset=offset, size=len(blob), directories=tuple(directories), cms_size=cms_size)


def _directory(blob: bytes, start: int, length: int, image_size: int) -> CodeDirectory:
    (_, _, version, flags, hashes, identifier, _, pages, limit, hash_size, kind, _, page_log, _) = _HEADER.unpack_from(
        blob, start
    )
    if kind not in _HASHES or _HASHES[kind][1] != hash_size:
        raise ValueError(f"a CodeDirectory of hash type {kind} with {hash_size} bytes a hash")
    if version >= 0x20100 and struct.unpack_from(">I", blob, start + 44)[0]:
        raise ValueError("a CodeDirectory with a scatter vector")
    team = None
    if version >= 0x20200 and (team_offset := struct.unpack_from(">I", blob, start + 48)[0]):
        team = _string(blob, start + team_offset, start + length)
    if version >= 0x20300 and (limit_64 := struct.unpack_from(">Q", blob, start + 56)[0]):
        limit = limit_64
    if page_log not in (0, *range(9, 21)):
        raise ValueError(f"pages of 2^{page_log} bytes")
    page_size = 1 << page_log if page_log else 0
    if limit > image_size:
        raise ValueError(f"it covers {limit} bytes, the image before it has {image_size}")
    needed = (1 if limit else 0) if page_size == 0 else -(-limit // page_size)
    if pages != needed:
        raise ValueError(f"{pages} page hashes where {limit} bytes need {needed}")
    if hashes + pages * hash_size > length:
        raise ValueError("the page hashes do not fit into the CodeDirectory")
    return CodeDirectory(
        offset=start,
        length=length,
        version=version,
        flags=flags,
        hash_kind=kind,
        page_size=page_size,
        code_limit=limit,
        hashes_offset=start + hashes,
        pages=pages,
        identifier=_string(blob, start + identifier, start + length),
        team=team,
    )


def _string(blob: bytes, start: int, end: int) -> str:
    return blob[start:end].partition(b"\0")[0].decode("utf-8", "replace")


@dataclass(frozen=True, kw_only=True)
class SliceSignature:
    """A slice of a file and its signature (None: unsigned; a string: why it cannot be read)."""

    arch: str
    offset: int
    size: int
    signature: Signature | str | None


def read_signatures(path: Path) -> tuple[SliceSignature, ...]:
    """The signature of every slice of `path`. Raises BinaryError for what is no Mach-O file or is damaged."""
    opened = open_mach_o(path)
    if opened is None:
        raise BinaryError("not a Mach-O file", file=path)
    found = []
    with opened as file:
        for part in file.slices:
            span = file.image_of(part).commands.signature
            signature: Signature | str | None = None
            if span and span.size > _MOST_BYTES:
                signature = f"a code signature of {span.size} bytes"
            elif span:
                start = part.offset + span.offset
                try:
                    signature = parse_signature(
                        file.data[start : start + span.size], offset=start, image_size=span.offset, path=path
                    )
                except BinaryError as error:
                    signature = error.plain
            found.append(SliceSignature(arch=part.arch.name, offset=part.offset, size=part.size, signature=signature))
    return tuple(found)


def page_digests(file: BinaryIO, directory: CodeDirectory, *, start: int) -> Iterator[bytes]:
    """The digests of all pages of the slice at `start`, joined for each large block read from `file`.

    Read, not mapped: 600 MB of mapped code would count as memory of this process.
    """
    name, kept = _HASHES[directory.hash_kind]
    # A keyword costs a tenth of the time of a page; only SHA-1 is refused without it, where FIPS rules.
    make = functools.partial(hashlib.sha1, usedforsecurity=False) if name == "sha1" else getattr(hashlib, name)
    descriptor, limit = file.fileno(), directory.code_limit
    if directory.page_size == 0:
        digest = make()
        for position in range(0, limit, _BLOCK):
            digest.update(os.pread(descriptor, min(_BLOCK, limit - position), start + position))
        if limit:
            yield digest.digest()[:kept]
        return
    size = directory.page_size
    for position in range(0, limit, max(_BLOCK, size)):
        block = memoryview(os.pread(descriptor, min(max(_BLOCK, size), limit - position), start + position))
        yield b"".join([make(block[at : at + size]).digest()[:kept] for at in range(0, len(block), size)])


def verify_signature(path: Path) -> tuple[SliceVerdict, ...]:
    """Whether every slice of `path` is signed and its pages hash to what the CodeDirectory says.

    As in the kernel, the best CodeDirectory (SHA-256 before SHA-1) decides. Raises BinaryError where `path` is no
    Mach-O file or a damaged one, OSError where it cannot be read.
    """
    verdicts = []
    for part in read_signatures(path):
        if part.signature is None:
            verdicts.append(SliceVerdict(arch=part.arch, present=False))
        elif isinstance(part.signature, str):
            verdicts.append(SliceVerdict(arch=part.arch, present=True, problem=part.signature))
        else:
            wrong = wrong_pages(path, part.signature.directories[0], signature=part.signature, start=part.offset)
            verdicts.append(verdict(part.arch, part.signature, wrong))
    return tuple(verdicts)


def wrong_pages(path: Path, directory: CodeDirectory, *, signature: Signature, start: int) -> list[int]:
    """Indices of the pages whose digest differs from the stored one (missing ones count)."""
    kept = directory.hash_size
    length = directory.pages * kept
    with path.open("rb") as file:
        stored = os.pread(file.fileno(), length, signature.offset + directory.hashes_offset)
        computed = b"".join(page_digests(file, directory, start=start))
    if stored == computed and len(stored) == length:
        return []
    pairs = ((stored[at : at + kept], computed[at : at + kept]) for at in range(0, length, kept))
    return [index for index, (said, found) in enumerate(pairs) if said != found or not said]


def verdict(arch: str, signature: Signature, wrong: list[int]) -> SliceVerdict:
    """The verdict about a readable signature, given its wrong pages."""
    best = signature.directories[0]
    return SliceVerdict(
        arch=arch,
        present=True,
        adhoc=signature.adhoc,
        identifier=best.identifier,
        hash_name=best.hash_name,
        page_size=best.page_size,
        pages=best.pages,
        wrong_pages=tuple(wrong[: SliceVerdict.LISTED_PAGES]),
        wrong_count=len(wrong),
    )
