"""Match specs, requirements and version ranges as people write them, read strictly: understood, or refused with the
right spelling.

What comes out can be solved: py-rattler's strict parser takes every match spec (tests/unit/recipe/test_specs.py).
Sources: conda's `MatchSpec` (conda/models/match_spec.py), rattler's `version_spec` and PEP 508.
"""

from __future__ import annotations

import re
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

#: What no match spec may hold: it would end a YAML scalar, a line or a selector.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029#{}\"'`$\\]")
_UNSAFE_IN_REQUIREMENT: Final = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029#{}`$\\]")
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*?"
_SPEC: Final = re.compile(rf"(?P<name>{_NAME})(?P<rest>\s*[=<>!~].*|\s+[\d*].*)?")
_TRIPLE: Final = re.compile(r"={1,2}(?P<version>[^=\s,|<>!~]+)=(?P<build>[^=\s]+)")
#: Epoch, numbers and letters parted by `.` or `_`, local version: `1!2.0rc1+cpu`. A point at the end is let pass.
_VERSION: Final = r"(?:\d+!)?\d[A-Za-z0-9]*?(?:[._][A-Za-z0-9]+?)*?(?:\+[A-Za-z0-9]+?(?:[._][A-Za-z0-9]+?)*?)?\.?"
_PART: Final = re.compile(rf"(?P<operator>==|!=|<=|>=|~=|=|<|>)?(?P<version>{_VERSION})(?P<star>\.?\*)?")
_BUILD: Final = re.compile(r"[A-Za-z0-9_*]+")


def conda_spec(text: str) -> str:
    """`text` as a match spec that every solver reads alike: `numpy >=1.26,<3`, `libblas * *accelerate`.

    A bare version means its series, as for `python:` (`pandas 2.2` is `pandas 2.2.*`), and so does conda's fuzzy `=`;
    with a build the version is exact (`numpy=1.26.4=py312*`). Raises ValueError with the right spelling.
    """
    if _UNSAFE.search(text):
        raise ValueError(f"{text!r} holds a character that no match spec may hold")
    stripped = " ".join(text.split())
    found = _SPEC.fullmatch(stripped)
    if found is None:
        raise ValueError(_no_spec(stripped))
    name, rest = found["name"], re.sub(r"\s*([<>=!~|,]+)\s*", r"\1", found["rest"] or "").strip()
    if not rest:
        return name
    exact = _TRIPLE.fullmatch(rest)
    if exact:
        version = exact["version"]
        written = version if "*" in version else f"=={version}"
        return f"{name} {_versions(written, text)} {_build(exact['build'], text)}"
    version, _, build = rest.partition(" ")
    read = _versions(version, text)
    read = f"{read} {_build(build, text)}" if build else read
    # As it was written where that says the same: what is rendered from it, and with it a lock, stays as it is.
    return stripped if read == rest else f"{name} {read}"


def _versions(text: str, whole: str) -> str:
    """Alternatives by `|` of ranges by `,`, each part with its operator."""
    return "|".join(",".join(_part(part, whole) for part in alternative.split(",")) for alternative in text.split("|"))


def _part(text: str, whole: str) -> str:
    if text == "*":
        return text
    found = _PART.fullmatch(text)
    if found is None:
        raise ValueError(f"{whole!r}: {text or 'nothing'!r} is not a version range; write for instance '>=1.26,<3'")
    operator, version, star = found["operator"] or "", found["version"].rstrip("."), found["star"]
    if operator in ("", "=", "=="):
        if star or not operator:
            return f"{version}.*"
        return f"{operator}{version}"
    if operator == "~=":
        if star or "." not in version:
            raise ValueError(f"{whole!r}: {text!r} has no meaning; write for instance '~=1.26' or '>=1.26,<2'")
        return f"~={version}"
    # conda takes `>=1.26.*` for `>=1.26`; `!=1.26.*` means the whole series.
    return f"!={version}.*" if operator == "!=" and star else f"{operator}{version}"


def _build(text: str, whole: str) -> str:
    if not _BUILD.fullmatch(text):
        raise ValueError(f"{whole!r}: {text!r} is not a build; write for instance 'libblas * *accelerate'")
    return text


def _no_spec(text: str) -> str:
    """Why `text` is no match spec, for what people write most."""
    if "::" in text:
        channel, _, spec = text.partition("::")
        return f"{text!r} names a channel; write {spec!r}, and {channel} under `channels:`"
    if ";" in text:
        spec = text.partition(";")[0].strip()
        return (
            f"{text!r} holds a marker; write `{{conda: {spec}, platforms: [osx-arm64]}}`, with the platforms it is for"
        )
    if "://" in text or "@" in text:
        return f"{text!r} names a URL; only packages of a channel can be locked by hash"
    if found := re.fullmatch(rf"({_NAME})\[version=(.*?)\]", text):
        return f"{text!r} holds brackets; write '{found[1]} {found[2]}'"
    if re.match(rf"{_NAME}\[", text):
        return f"{text!r} holds brackets; extras belong under `pypi:`, a build stands behind the version"
    if re.match(r"(-e|-r|git\+|\.{0,2}/)", text):
        return f"{text!r} is an option or a path of pip; packages are named here, those of PyPI under `pypi:`"
    return f"{text!r} is not a match spec; write for instance 'numpy >=1.26,<3'"


def requirement(text: str) -> str:
    """`text` as a requirement of PyPI (PEP 508). Raises ValueError with the right spelling."""
    if _UNSAFE_IN_REQUIREMENT.search(text):
        raise ValueError(f"{text!r} holds a character that no requirement may hold")
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(_no_requirement(text.strip(), str(error).splitlines()[0])) from None
    if found.url:
        raise ValueError(f"{text!r} names a URL; only packages of an index can be locked by hash")
    return text


def _no_requirement(text: str, reason: str) -> str:
    name = r"[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?"
    if "::" in text:
        return f"{text!r} names a channel, which PyPI has none of; write {text.partition('::')[2]!r}"
    if found := re.fullmatch(rf"({name})(?:\s*=\s*|\s+)(\d[\w.]*?)(?:\.?\*)?", text):
        return f"{text!r} is conda's spelling; write '{found[1]}=={found[2]}' or '{found[1]}=={found[2]}.*' for PyPI"
    if found := re.fullmatch(rf"({name})\s*([<>]=?)\s*(\d[\w.]*?)\.\*", text):
        return f"{text!r}: `.*` goes with == only; write '{found[1]}{found[2]}{found[3]}'"
    return f"{text!r} is not a requirement ({reason}); write for instance 'keras>=3.5'"


def specifier_set(text: str) -> SpecifierSet:
    """A version range of a recipe: `3.12`, `3.12.*` and `=3.12` mean that series, `>=3.11,<3.12.5` what it says.

    Raises ValueError with the right spelling.
    """
    parts = [_specifier(part.strip()) for part in text.split(",")] if text.strip() else [""]
    try:
        if not any(parts):
            raise InvalidSpecifier
        return SpecifierSet(",".join(parts))
    except InvalidSpecifier:
        if "|" in text:
            raise ValueError(f"{text!r}: alternatives (`|`) are not supported here; write one range") from None
        raise ValueError(f"{text!r} is not a version range; write for instance '3.12' or '>=3.11,<3.13'") from None


def _specifier(text: str) -> str:
    series = re.fullmatch(r"=?\s*(\d+(?:\.\d+)*)(?:\.\*)?", text)
    return f"=={series[1]}.*" if series else text
