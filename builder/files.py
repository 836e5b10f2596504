"""Writing files so that a reader sees the old content or the new, and never a part of either."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from builder.errors import BuildError


def write_atomically(path: Path, text: str) -> None:
    """Write UTF-8 `text` to `path` by a temporary file beside it, fsync and rename.

    Raises BuildError naming the path when the disk is full or the place is not writable; then `path` is
    as it was. Where `path` is a symbolic link (dotfiles kept elsewhere), the file it leads to is replaced.
    """
    try:
        path = path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise BuildError(
            f"cannot write {path}: {error.strerror}", hint="free space there, or make the folder writable"
        ) from None


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    current = os.umask(0o077)
    os.umask(current)
    return current
