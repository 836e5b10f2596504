"""What identifies a lock: the digest of its bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from builder.errors import LockfileError
from builder.files import read_ordinary

if TYPE_CHECKING:
    from pathlib import Path

#: Some thirty thousand entries; the largest lock of a team that was seen has three thousand.
MAX_BYTES: Final = 16_000_000


def lock_digest(file: Path) -> str:
    """SHA-256 (hex) of the lock file's bytes, which identifies what is built from it. Raises LockfileError."""
    return hashlib.sha256(read_ordinary(file, limit=MAX_BYTES, error=LockfileError)).hexdigest()
