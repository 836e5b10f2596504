"""Is a lock still the lock of its recipe? Answered from hashes, without solving and without the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.lock.make import input_hashes

if TYPE_CHECKING:
    from pathlib import Path

    from builder.lock.model import Lock
    from builder.render.model import Rendered


def stale_reasons(lock: Lock, rendered: Rendered, folder: Path) -> tuple[str, ...]:
    """Why `lock`, kept in `folder`, is not the lock of `rendered`; empty when it is.

    `rendered` is what the recipe renders to now. The files in the folder are compared with it, and the
    hashes in the lock with both. A lock that stock conda-lock has written over records no input hashes; it is judged
    by conda-lock's content hashes, which needs the slow import of conda-lock.
    """
    reasons: list[str] = []
    for file, text in rendered.files.items():
        try:
            written = (folder / file).read_text(encoding="utf-8")
        except FileNotFoundError:
            reasons.append(f"{file} is missing")
            continue
        except (OSError, UnicodeDecodeError):
            reasons.append(f"{file} cannot be read")
            continue
        if written != text:
            reasons.append(f"{file} is out of date: the recipe renders to something else now")
    if set(lock.platforms) != {specs.subdir for specs in rendered.platforms}:
        reasons.append("the lock is for other platforms: " + ", ".join(lock.platforms))
    elif lock.inputs:
        now = input_hashes(rendered.files)
        changed = sorted(file for file in now.keys() | lock.inputs.keys() if now.get(file) != lock.inputs.get(file))
        reasons += [f"the lock was made from a different {file}" for file in changed]
    elif _content_hashes(rendered) != dict(lock.content_hash):
        reasons.append("conda-lock's content hash differs")
    return tuple(reasons)


def _content_hashes(rendered: Rendered) -> dict[str, str]:
    from builder.lock import condalock

    return {subdir.value: digest for subdir, digest in condalock.content_hashes(rendered).items()}
