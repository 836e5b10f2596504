"""Reading and writing files: written whole or not at all, and read only where they are ordinary and small enough."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from builder.errors import BuildError

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from builder.errors import EnvbuildError


#: What is added to the name of a file that was in the way; it counts as gone.
SET_ASIDE: Final = ".set-aside"


def write_atomically(path: Path, content: str | bytes, *, follow_links: bool = False) -> None:
    """Write `content` (text as UTF-8) to `path` so that a reader sees the old content or the new, never a part.

    By a temporary file beside it, fsync and rename. Raises BuildError naming the path when the disk is full, the place
    is not writable, or `path` is something else than an ordinary file; then it is as it was. A symbolic link is
    refused, since what it leads to may be anybody's, unless `follow_links` (for the user's own settings, which some
    keep elsewhere): then the file that it leads to is replaced.
    """
    try:
        if follow_links:
            path = path.resolve()
        data = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        if path.is_char_device() and not path.is_symlink():
            path.write_bytes(data)  # /dev/null: written to, and never replaced
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomically(path) as stream:
            stream.write(data)
    except OSError as error:
        raise BuildError(
            f"cannot write {path}: {error.strerror}", hint="free space there, or make the folder writable"
        ) from None


@contextlib.contextmanager
def atomically(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to fill, which takes the place of `path` once the block has ended well.

    For what is too large for `write_atomically`. Raises OSError, and BuildError where `path` is no ordinary file.
    """
    _refuse_strange(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_ordinary(path: Path, *, limit: int, error: type[EnvbuildError]) -> bytes:
    """The content of an ordinary file of at most `limit` bytes.

    Raises `error` for a device or a FIFO (which might never end), for what is larger, and for what cannot be read.
    """
    try:
        with open_regular(path) as stream:
            content = stream.read(limit + 1)
    except OSError as problem:
        strange = problem.errno == errno.EINVAL
        raise error(f"{'' if strange else 'cannot be read: '}{problem.strerror}", file=path) from None
    if len(content) > limit:
        raise error(f"larger than {limit:,} bytes, which is too large for such a file", file=path)
    return content


def open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file, or a link to one. Raises OSError as `regular`."""
    return os.fdopen(regular(path), "rb")


def regular(path: str | Path) -> int:
    """The descriptor of a regular file, opened to be read. Raises OSError for anything else, without waiting for a
    FIFO's writer.

    The kind is asked of what was opened, so that nothing can be put in its place between the two.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, f"{_kind(mode)}, not a regular file", str(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_strange(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except OSError:
        # Not there yet; or the place will say itself why it cannot be written to.
        return
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise BuildError(
            f"cannot write {path}: it is {_kind(mode)}",
            hint=f"name another file, or remove this one first: rm {path}"
            if stat.S_ISLNK(mode)
            else "name a regular file",
        )


def _kind(mode: int) -> str:
    kinds: dict[Any, str] = {
        stat.S_ISDIR: "a folder",
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }
    return next((kind for test, kind in kinds.items() if test(mode)), "a device")


def _umask() -> int:
    """The process's umask, which can only be read by setting it."""
    current = os.umask(0o077)
    os.umask(current)
    return current
