"""What the Python files of a package tell about linking: metadata, imports, generated code, digests of contents."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from email.errors import MessageError
from email.parser import HeaderParser
from typing import Final

#: `ValidateProtobufRuntimeVersion(_runtime_version.Domain.PUBLIC, 5, 27, 2, …)`, in code of protoc 5.26 and later.
_VALIDATED: Final = re.compile(rb"ValidateProtobufRuntimeVersion\(\s*[\w.]+,\s*(\d{1,4}),\s*(\d{1,4}),\s*(\d{1,4}),")
#: What protoc before 3.20 wrote for every field and enum, and protobuf 4 refuses to run.
_OLD_CODE: Final = re.compile(rb"_descriptor\.(?:FieldDescriptor|EnumValueDescriptor)\(")
#: Newer code has the like for the pure Python implementation alone.
_GUARD: Final = b"_USE_C_DESCRIPTORS"
_IMPORT: Final = re.compile(rb"^[ \t]*(?:import|from)[ \t]+([A-Za-z_][A-Za-z0-9_]*)", re.MULTILINE)
_INNER: Final = re.compile(r"(?:lib/python\d+\.\d+t?/)?site-packages/(.+)")
_METADATA: Final = re.compile(
    r"(?:lib/python\d+\.\d+t?/)?site-packages/(?P<folder>[^/]+\.(?:dist|egg)-info)/(?:METADATA|PKG-INFO)"
)
#: How the names of modules end that protoc generates for Python.
GENERATED_END: Final = "_pb2.py"
#: Stands for protobuf before 3.20.
OLD_STYLE: Final = (0, 0, 0)
#: Of a SHA-256: enough to tell two versions of one file apart, where nobody tries to deceive.
DIGEST_BYTES: Final = 8


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """An installed distribution, by its own metadata. `folder`: its `.dist-info`, in site-packages."""

    folder: str
    name: str
    version: str
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A file that protoc generated, and by which protobuf: `OLD_STYLE`, or None where it does not say."""

    rel: str
    protobuf: tuple[int, int, int] | None


@dataclass(kw_only=True)
class PythonFiles:
    """What was found so far."""

    mentions: dict[str, set[str]] = field(default_factory=dict)
    digests: dict[str, bytes] = field(default_factory=dict)
    generated: list[Generated] = field(default_factory=list)
    distributions: list[Metadata] = field(default_factory=list)

    def add_source(self, rel: str, content: bytes, plain: bytes) -> None:
        """Note a `.py` file. `plain` is its content without the environment's path."""
        self.digests[rel] = hashlib.sha256(plain, usedforsecurity=False).digest()[:DIGEST_BYTES]
        match = _INNER.fullmatch(rel)
        if match is None:
            return  # not importable by itself
        top = match[1].partition("/")[0].partition(".")[0]
        names = {name.decode() for name in _IMPORT.findall(content)}
        self.mentions.setdefault(top, set()).update(names - {top})
        if rel.endswith(GENERATED_END):
            self.generated.append(Generated(rel=rel, protobuf=generated_by(content)))

    def add_metadata(self, rel: str, content: bytes) -> None:
        """Note a METADATA or PKG-INFO of site-packages; one that cannot be read is none."""
        match = _METADATA.fullmatch(rel)
        if match is None:
            return
        head = headers(content)
        name, version = head.get("name"), head.get("version")
        if name and version:
            self.distributions.append(
                Metadata(
                    folder=match["folder"],
                    name=name[0],
                    version=version[0],
                    requires=tuple(" ".join(line.split()) for line in head.get("requires-dist", ())),
                )
            )


def generated_by(content: bytes) -> tuple[int, int, int] | None:
    """The protobuf of a `_pb2.py`; `OLD_STYLE` before 3.20, None for 3.20 to 5.25, which do not say."""
    match = _VALIDATED.search(content)
    if match is not None:
        return int(match[1]), int(match[2]), int(match[3])
    return OLD_STYLE if _OLD_CODE.search(content) and _GUARD not in content else None


def headers(content: bytes) -> dict[str, list[str]]:
    """The headers of a metadata file, by their names in lower case."""
    try:
        parsed = HeaderParser().parsestr(content.decode("utf-8", "replace"))
    except (MessageError, ValueError, RecursionError):
        return {}
    found: dict[str, list[str]] = {}
    for key, value in parsed.items():
        found.setdefault(key.lower(), []).append(str(value).strip())
    return found
