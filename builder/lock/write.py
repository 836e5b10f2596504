"""The text of `conda-lock.yml`, as conda-lock's models and PyYAML would write it, byte for byte, without either.

What conda-lock and pydantic need to write a lock takes longer than solving it. Its entries always have the same
fields in the same order, and nearly all of their values are plain words; those are written here. A lock with a value
of which that is not certain is written by PyYAML from the same fields. The tests compare the three.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from builder.credentials import named_credentials
from builder.errors import LockfileError
from builder.lock.lines import is_text
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from builder.lock.model import Lock, LockedPackage

_HEADER: Final = """\
# The lock of {name}, in conda-lock's format: made by `envbuild lock {name}`, checked by `envbuild check {name}`.
# Install it with `envbuild create {name}`, or with conda-lock or micromamba:
#     conda-lock install -n {name} conda-lock.yml
"""
#: What YAML writes as it is, unless it would be read as something else than text (`1.5`, `yes`).
_PLAIN: Final = re.compile(r"(?!\.\.\.)[A-Za-z0-9_=<~./][A-Za-z0-9_.+!*<>=,~|/-]{0,99}")
#: What it writes in quotation marks, for how it begins.
_QUOTED: Final = re.compile(r"[>!*|][A-Za-z0-9_.+!*<>=,~|/-]{0,70}")
_URL: Final = re.compile(r"[a-z]+://[A-Za-z0-9_.+!*=~/%@-]+")
#: A hash with a letter cannot be read as a number.
_HASH: Final = re.compile(r"(?=[0-9]*[a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})")


class _UnusualError(Exception):
    """A value that PyYAML is to write."""


def dumps(lock: Lock, *, name: str) -> str:
    """The lock in conda-lock's v1 format: its packages sorted, below a header that says what it is.

    Raises LockfileError for what the format has no room for.
    """
    for package in lock.packages:
        if package.manager == "conda" and not package.md5:
            raise LockfileError(
                f"{package.name} ({package.subdir}) has no MD5, which conda-lock's format asks of conda packages",
                hint="use a channel that publishes both hashes (conda-forge does)",
            )
    head = _yaml({"version": 1, "metadata": _metadata(lock)})
    packages = sorted(lock.packages, key=lambda package: (package.manager, package.name, package.subdir))
    # The format has one group an entry: a package of several groups is written once for each.
    entries = [(package, group) for package in packages for group in package.groups]
    try:
        body = "".join(["package:\n", *_lines(entries)]) if entries else "package: []\n"
    except _UnusualError:
        body = _yaml({"package": [_entry(package, group) for package, group in entries]})
    return _HEADER.format(name=name) + head + body


def _metadata(lock: Lock) -> dict[str, Any]:
    told: dict[str, Any] = {
        "content_hash": {subdir.value: digest for subdir, digest in lock.content_hash.items()},
        "channels": [
            {"url": channel, "used_env_vars": sorted(named_credentials(channel))} for channel in lock.channels
        ],
        "platforms": [subdir.value for subdir in lock.platforms],
        "sources": list(lock.sources),
    }
    if lock.inputs:
        told["inputs_metadata"] = {
            file: {"md5": digest.md5, "sha256": digest.sha256} for file, digest in lock.inputs.items()
        }
    if lock.notes:
        told["custom_metadata"] = dict(lock.notes)
    return told


def _entry(package: LockedPackage, group: str) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "manager": package.manager,
        "platform": package.subdir.value,
        "dependencies": dict(sorted(package.dependencies.items())),
        "url": package.url,
        "hash": {kind: digest for kind, digest in (("md5", package.md5), ("sha256", package.sha256)) if digest},
        "category": group,
        "optional": group != MAIN_GROUP,
    }


def _yaml(data: dict[str, Any]) -> str:
    """As conda-lock has it written, by libyaml where PyYAML has that; the text is the same."""
    import yaml

    dumper: Any = getattr(yaml, "CDumper", yaml.Dumper)
    text: str = yaml.dump(data, Dumper=dumper, sort_keys=False)
    return text


def _lines(entries: Iterable[tuple[LockedPackage, str]]) -> Iterator[str]:
    for package, group in entries:
        if not package.sha256 or "" in package.dependencies or not _URL.fullmatch(package.url):
            raise _UnusualError
        yield (
            f"- name: {_scalar(package.name)}\n"
            f"  version: {_scalar(package.version)}\n"
            f"  manager: {package.manager}\n"
            f"  platform: {package.subdir.value}\n"
        )
        if package.dependencies:
            yield "  dependencies:\n"
            yield from (
                f"    {_scalar(name)}: {_scalar(asked)}\n" for name, asked in sorted(package.dependencies.items())
            )
        else:
            yield "  dependencies: {}\n"
        yield f"  url: {package.url}\n  hash:\n"
        yield f"    md5: {_hash(package.md5)}\n" if package.md5 else ""
        yield (
            f"    sha256: {_hash(package.sha256)}\n"
            f"  category: {_scalar(group)}\n"
            f"  optional: {'true' if group != MAIN_GROUP else 'false'}\n"
        )


def _hash(digest: str) -> str:
    if not _HASH.fullmatch(digest):
        raise _UnusualError
    return digest


@cache
def _scalar(text: str) -> str:
    """As libyaml writes it within a line. Raises _UnusualError for what is not known here."""
    if not text or _QUOTED.fullmatch(text):
        return f"'{text}'"
    if not _PLAIN.fullmatch(text):
        raise _UnusualError
    return text if is_text(text) else f"'{text}'"
