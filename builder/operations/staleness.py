"""Is a lock still that of its recipe? The quick answer first: reading a lock takes longer than all else here."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from builder.errors import LockfileError
from builder.operations.records import read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from builder.operations.preparing import Prepared
    from builder.render.model import Rendered


def stale(lock_file: Path, prepared: Prepared) -> tuple[str, ...]:
    """Why the lock in `lock_file` is not that of the recipe as it is now; empty where it is.

    Raises LockfileError where the lock must be read and cannot be.
    """
    from builder.lock.freshness import stale_reasons
    from builder.lock.read import read_lock

    if _plainly_fresh(lock_file, prepared.rendered):
        return ()
    return stale_reasons(read_lock(lock_file), prepared.rendered, lock_file.parent)


def _plainly_fresh(lock_file: Path, rendered: Rendered) -> bool:
    """Whether the files beside the lock are what the recipe renders to, and the lock notes the SHA-256 of each."""
    try:
        lock = read_bytes(lock_file)
        for name, text in rendered.files.items():
            content = text.encode()
            if read_bytes(lock_file.parent / name) != content or _digest(content) not in lock:
                return False
    except OSError as error:
        if error.filename == str(lock_file):
            raise LockfileError(f"cannot be read: {error.strerror}", file=lock_file) from None
        return False
    # A file that is no longer rendered (a group that is gone) is noted as well, and needs the lock to be read.
    return lock.count(b"\n      sha256: ") == len(rendered.files)


def _digest(content: bytes) -> bytes:
    return b"sha256: " + hashlib.sha256(content).hexdigest().encode()
