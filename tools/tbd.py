"""Apple's text-based stubs (`.tbd`): what a library of an SDK exports for arm64 Macs.

Versions 2 to 4 are YAML, version 5 is JSON. Formats: LLVM's `TextAPI` (llvm/lib/TextAPI/TextStub.cpp, TextStubV5.cpp).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: The system's own libraries are arm64e; the stubs of older SDKs list both for both.
_TARGETS = frozenset({"arm64-macos", "arm64e-macos"})
_ARCHS = frozenset({"arm64", "arm64e"})
_OBJC = {
    "objc-classes": ("_OBJC_CLASS_$_", "_OBJC_METACLASS_$_"),
    "objc-eh-types": ("_OBJC_EHTYPE_$_",),
    "objc-ivars": ("_OBJC_IVAR_$_",),
}
_OBJC_5 = {
    "objc_class": _OBJC["objc-classes"],
    "objc_eh_type": _OBJC["objc-eh-types"],
    "objc_ivar": _OBJC["objc-ivars"],
}
_PLAIN = ("symbols", "weak-symbols", "thread-local-symbols", "weak-def-symbols")


@dataclass(frozen=True)
class Stub:
    """One library: its install name, what it exports itself, and the libraries that it re-exports whole."""

    name: str
    symbols: frozenset[str]
    reexports: frozenset[str]


class _Loader(yaml.CSafeLoader):
    """YAML with the document tags of stubs, and every scalar a string (`_y` and `1.0` stay what they are)."""


def _document(loader: yaml.CSafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    del suffix
    assert isinstance(node, yaml.MappingNode)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


_Loader.add_multi_constructor("!tapi-tbd", _document)
_Loader.yaml_implicit_resolvers = {}


def read_stubs(path: Path) -> Iterator[Stub]:
    """Every library for arm64 Macs that the file describes; raises ValueError where it is no stub."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if text.lstrip().startswith("{"):
        yield from _version_5(json.loads(text))
        return
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not a stub ({error})") from error
    for document in documents:
        if isinstance(document, dict) and "install-name" in document and _concerns(document):
            yield _stub(document)


def _concerns(part: dict[str, Any]) -> bool:
    """Whether a document or a section is for arm64 Macs."""
    if "targets" in part:
        return not _TARGETS.isdisjoint(part["targets"])
    platform = str(part.get("platform", "macosx"))
    return not _ARCHS.isdisjoint(part.get("archs", ())) and platform in ("macosx", "zippered")


def _stub(document: dict[str, Any]) -> Stub:
    symbols: set[str] = set()
    reexports: set[str] = set()
    versioned = "targets" in document
    for kind in ("exports", "reexports"):
        for section in document.get(kind) or ():
            if _concerns(section | ({} if versioned else {"platform": document.get("platform", "macosx")})):
                symbols.update(_names(section))
                reexports.update(section.get("re-exports") or ())  # version 3 and before
    for section in document.get("reexported-libraries") or ():
        if _concerns(section):
            reexports.update(section.get("libraries") or ())
    return Stub(name=str(document["install-name"]), symbols=frozenset(symbols), reexports=frozenset(reexports))


def _names(section: dict[str, Any]) -> Iterator[str]:
    for kind in _PLAIN:
        yield from (str(name) for name in section.get(kind) or () if not str(name).startswith("$ld$"))
    for kind, prefixes in _OBJC.items():
        for name in section.get(kind) or ():
            yield from (prefix + str(name) for prefix in prefixes)


def _version_5(data: dict[str, Any]) -> Iterator[Stub]:
    for library in (data.get("main_library") or {}, *(data.get("libraries") or ())):
        names = library.get("install_names") or ()
        if names:
            symbols: set[str] = set()
            for section in (*library.get("exported_symbols", ()), *library.get("reexported_symbols", ())):
                if _for_mac(section, data):
                    symbols.update(_names_5(section))
            reexports = {
                name
                for section in library.get("reexported_libraries") or ()
                if _for_mac(section, data)
                for name in section.get("names", ())
            }
            yield Stub(name=str(names[0]["name"]), symbols=frozenset(symbols), reexports=frozenset(reexports))


def _for_mac(section: dict[str, Any], data: dict[str, Any]) -> bool:
    """Whether a section, or by default the whole file, is for arm64 Macs."""
    default = [item.get("target") for item in (data.get("main_library") or {}).get("target_info", ())]
    return not _TARGETS.isdisjoint(section.get("targets") or default)


def _names_5(section: dict[str, Any]) -> Iterator[str]:
    for part in (section.get("text") or {}, section.get("data") or {}):
        for kind in ("global", "weak", "thread_local"):
            yield from (str(name) for name in part.get(kind) or () if not str(name).startswith("$ld$"))
        for kind, before in _OBJC_5.items():
            yield from (prefix + str(name) for name in part.get(kind) or () for prefix in before)
