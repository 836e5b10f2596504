"""Finishing an environment that was laid out for another platform, whose interpreter and signer are not here."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from builder.install.records import written

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_SCRIPTS: Final = "../../../bin/"


def sign_replaced(prefix: Path, *, packages: Collection[str]) -> None:
    """Sign again every Mach-O file of `packages` whose prefix placeholder was replaced, and note its new hash."""
    from builder.binaries.macho import is_mach_o_magic, resign_adhoc

    for path in (prefix / "conda-meta").glob("*.json"):
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["name"] not in packages:
            continue
        changed = False
        for entry in (record.get("paths_data") or {}).get("paths", ()):
            if entry.get("file_mode") != "binary" or not entry.get("prefix_placeholder"):
                continue
            file = prefix / entry["_path"]
            if file.is_symlink() or not is_mach_o_magic(_magic(file)):
                continue
            resign_adhoc(file)
            entry["sha256_in_prefix"] = hashlib.sha256(file.read_bytes()).hexdigest()
            changed = True
        if changed:
            path.write_bytes(written(record))


def _magic(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4)


def settle_wheels(prefix: Path, *, minor: str, interpreter: Path) -> Path:
    """Put right what uv took from the interpreter it was run with: its version in the path, its place in scripts.

    uv lays wheels out below `lib/pythonX.Y` of that interpreter; they belong below that of the environment,
    which is Python `minor` (`3.12`) and whose interpreter is `interpreter`. Paths in RECORD are relative and stay true.
    Gives the folder that they are in then.
    """
    theirs = prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    ours = prefix / "lib" / f"python{minor}" / "site-packages"
    if theirs != ours:
        merge(theirs, ours)
        theirs.rmdir()
        theirs.parent.rmdir()
    for record in ours.glob("*.dist-info/RECORD"):
        _point_scripts(record, interpreter=interpreter)
    return ours


def merge(source: Path, target: Path) -> None:
    """Move what is in `source` into `target`, folder by folder where both have one (namespace packages).

    A file that is there is replaced by a rename: nothing is written into it.
    """
    target.mkdir(parents=True, exist_ok=True)
    for entry in list(source.iterdir()):
        place = target / entry.name
        if entry.is_dir() and not entry.is_symlink() and place.is_dir():
            merge(entry, place)
            entry.rmdir()
        else:
            entry.replace(place)


def _point_scripts(record: Path, *, interpreter: Path) -> None:
    """Let the scripts of one distribution start with the environment's interpreter, and keep RECORD true."""
    lines = record.read_text(encoding="utf-8").splitlines()
    changed = False
    for number, line in enumerate(lines):
        relative, _, rest = line.partition(",")
        script = record.parent.parent / relative
        if not relative.startswith(_SCRIPTS) or not rest or not script.is_file():
            continue
        content = script.read_bytes()
        first, newline, body = content.partition(b"\n")
        if first == b"#!" + sys.executable.encode():
            content = b"#!" + str(interpreter).encode() + newline + body
            # Not in place: uv may have linked the file into its cache.
            script.unlink()
            script.write_bytes(content)
            script.chmod(0o755)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines[number] = f"{relative},sha256={digest},{len(content)}"
            changed = True
    if changed:
        record.unlink()
        record.write_text("\n".join(lines) + "\n", encoding="utf-8")
