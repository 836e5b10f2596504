"""conda-meta as conda would have written it: completed from the package's own metadata, and free of credentials."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, Final

import msgspec

from builder.credentials import without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from builder.lock.model import LockedPackage

#: Fields that the lock does not keep and the package itself has; conda reads them from conda-meta.
_FROM_INDEX: Final = (
    "noarch",
    "build_number",
    "license",
    "license_family",
    "timestamp",
    "constrains",
    "arch",
    "platform",
)


def complete_records(
    prefix: Path, packages: Sequence[LockedPackage], *, folders: Mapping[str, Path], requested: Sequence[str]
) -> None:
    """Complete the records of `packages` in `prefix`; those of others stay as they are.

    With what its own index.json says (`folders`: name → extracted package, of those linked just now), what was asked
    for, and the URL of the lock in place of the one that it was fetched from: a mirror is where it came from today, and
    may hold a password.
    """
    contents = {path: path.read_bytes() for path in sorted((prefix / "conda-meta").glob("*.json"))}
    records = {path: json.loads(content) for path, content in contents.items()}
    hashes = _hashes(records.values())
    specs = {spec.split()[0]: spec for spec in requested}
    locked = {package.name: package for package in packages}
    for path, record in records.items():
        name = record["name"]
        if (package := locked.get(name)) is None:
            continue
        index = _index(folders.get(name))
        record |= {key: index[key] for key in _FROM_INDEX if index.get(key) is not None}
        if not package.dependencies and index.get("depends"):
            record["depends"] = index["depends"]  # put back from a stamp, which has no dependencies
        url = without_credentials(package.url)
        record |= {"url": url, "channel": url.rsplit("/", 2)[0], "fn": package.file_name}
        if name in specs:
            # conda's key and rattler's. `conda update` and `pixi` tell by them what the user chose.
            record |= {"requested_spec": specs[name], "requested_specs": [specs[name]]}
        _hash_links(prefix, record, hashes)
        content = written(record)
        if content == contents[path]:
            continue
        path.write_bytes(content)
        # py-rattler leaves 0600, which hides the environment from everybody else on a shared machine.
        path.chmod(0o644)


def written(record: Mapping[str, Any]) -> bytes:
    """A record as its file has it: `json.dumps(record, indent=1)`, in a third of the time.

    Indented, Python's encoder is not the one in C, and a large environment's records have tens of thousands of entries.
    """
    text = json.dumps(record)
    try:
        return msgspec.json.format(text.encode(), indent=1) + b"\n"
    except msgspec.DecodeError:  # half a surrogate pair, which Python lets pass
        return f"{json.dumps(record, indent=1)}\n".encode()


def _index(folder: Path | None) -> dict[str, Any]:
    try:
        index: dict[str, Any] = json.loads((folder / "info" / "index.json").read_bytes()) if folder is not None else {}
    except (OSError, ValueError):
        return {}
    return index


def _paths(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (record.get("paths_data") or {}).get("paths") or []


def _hashes(records: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """File → its SHA-256 in the prefix, as recorded."""
    found: dict[str, str] = {}
    for record in records:
        for entry in _paths(record):
            digest = entry.get("sha256_in_prefix") or (None if entry.get("prefix_placeholder") else entry.get("sha256"))
            if entry.get("path_type") != "softlink" and digest:
                found[entry["_path"]] = digest
    return found


def _hash_links(prefix: Path, record: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
    """Record of a link the hash of the file it leads to, as conda does and its doctor compares it.

    py-rattler records the hash of the link's text instead, by which `conda doctor` calls every link altered. A link to
    a folder, or out of the prefix, has none. Source: conda/plugins/subcommands/doctor/health_checks/altered_files.py.
    """
    root = os.path.realpath(prefix)
    for entry in _paths(record):
        if entry.get("path_type") != "softlink":
            continue
        entry.pop("sha256_in_prefix", None)
        real = os.path.realpath(prefix / entry["_path"])
        if real.startswith(f"{root}/") and os.path.isfile(real):  # noqa: PTH113 - a string already
            known = hashes.get(os.path.relpath(real, root))
            entry["sha256_in_prefix"] = known or _sha256(real)


def _sha256(path: str) -> str:
    with open(path, "rb") as stream:  # noqa: PTH123 - a string already
        return hashlib.file_digest(stream, "sha256").hexdigest()
