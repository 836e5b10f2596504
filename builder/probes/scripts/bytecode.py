"""Is each compiled file what its source compiles to? Python runs the compiled one, going by date and size alone."""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder

_HEADER = 16
_MOST_BYTES = 8 << 20


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`folders`: where to look. The files changed last come first, for `seconds` at most."""
    with probe.step("pkg.bytecode") as facts:
        files = sorted(_compiled(arguments["folders"]), reverse=True)
        facts.update(total=len(files), compared=0, different=[])
        deadline = time.monotonic() + arguments["seconds"]
        for _, path in files:
            if time.monotonic() > deadline:
                break
            source = _source_of(path)
            if source is not None:
                facts["compared"] += 1
                if not _is_compiled_from(path, source):
                    facts["different"].append([path, source])


def _compiled(folders: list[str]) -> list[tuple[float, str]]:
    """(time of the last change, path) of the compiled files that this interpreter would take."""
    suffix = f".{sys.implementation.cache_tag}.pyc"
    found = []
    for folder in folders:
        for top, _, names in os.walk(folder):
            if os.path.basename(top) == "__pycache__":
                for name in names:
                    path = os.path.join(top, name)
                    if name.endswith(suffix) and os.path.isfile(path):
                        found.append((os.stat(path).st_mtime, path))
    return found


def _source_of(path: str) -> str | None:
    """The source whose date and size the compiled file names, so that Python takes it; None where it would not."""
    source = os.path.join(os.path.dirname(os.path.dirname(path)), os.path.basename(path).partition(".")[0] + ".py")
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER)
        stat = os.stat(source)
    except OSError:
        return None
    if head[:4] != importlib.util.MAGIC_NUMBER or stat.st_size > _MOST_BYTES:
        return None
    if int.from_bytes(head[4:8], "little"):  # by the source's hash, and unchecked ones by nothing (PEP 552)
        return source
    stamp, size = int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little")
    fits = stamp == int(stat.st_mtime) & 0xFFFFFFFF and size == stat.st_size & 0xFFFFFFFF
    return source if fits else None


def _is_compiled_from(path: str, source: str) -> bool:
    """Whether the code is that of the source. A source that does not compile has no compiled file that is its own."""
    try:
        with open(source, "rb") as file:
            wanted = compile(file.read(), source, "exec", dont_inherit=True)
        with open(path, "rb") as file:
            return bool(marshal.loads(file.read()[_HEADER:]) == wanted)  # noqa: S302 - what Python itself does with it
    except OSError:
        return True
    except Exception:  # noqa: BLE001 - neither is a compiled form of the other
        return False
