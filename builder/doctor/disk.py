"""Reading somebody's files safely: bounded, regular files only, never blocking, and every refusal noted.

One `Disk` is one machine's file system as seen from here. For another machine (`--machine`) only its home, its project
and what lies in the same folder tree are known; everything else is neither there nor gone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import threading
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Presence, Skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Most bytes of a configuration file; no IDE's is larger.
CONFIG_LIMIT: Final = 2_000_000
#: Most entries of one folder that are looked at.
_ENTRIES: Final = 5000
_LINKS: Final = 40
#: Where network and removable volumes are mounted: the first touch of one may take for ever.
_REMOTE: Final = re.compile(r"/(?:Volumes|net|mnt|media|nfs)/[^/]+")
_HOME_IN_TEXT: Final = re.compile(r"/(?:Users|home)/[^/:;,\s\"'<>]+")
_USER_HOME: Final = re.compile(r"(/(?:Users|home)/[^/]+)(/.*)?")


class Asked(StrEnum):
    """What was wanted of a path."""

    PRESENCE = "presence"
    ENTRIES = "entries"
    HEAD = "head"
    CONTENT = "content"


class Disk:
    """`home` and `project` are real folders here. `foreign`: they belong to another machine, whose user's home was
    called one of `aliases` there (`/Users/anna`). `clock` counts seconds; after `seconds` of them nothing more is read.
    """

    def __init__(
        self,
        *,
        home: Path,
        project: Path | None,
        clock: Callable[[], float],
        foreign: bool = False,
        aliases: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        seconds: float = 20.0,
    ) -> None:
        self.home = home
        self.project = project
        self.foreign = foreign
        self.aliases = aliases
        self.environ = environ or {}
        self._clock = clock
        self._deadline = clock() + seconds
        self._skips: dict[Path, str] = {}
        self._mounts: dict[str, bool] = {}
        #: Every path that was asked about → what was wanted of it, the most telling: for a bundle of exactly that.
        self.asked: dict[Path, Asked] = {}
        self.root = _root_above(home) if foreign else None
        #: Nothing says what the home was called there: a path counts as in it when it is there under this home.
        self.guesses = foreign and not aliases

    # -- names ---------------------------------------------------------------------------------------------------

    def place(self, written: str | os.PathLike[str], *, base: Path | None = None) -> Path:
        """The path on this disk that is written `~/x`, `$HOME/x`, `/Users/anna/x`, or relative to `base`."""
        text = os.fspath(written)
        text = text.replace("${HOME}", "$HOME").replace("$USER_HOME$", "$HOME")
        if text == "~" or text.startswith("~/"):
            return Path(os.path.normpath(f"{self.home}{text[1:]}"))
        if text.startswith("$HOME"):
            return Path(os.path.normpath(f"{self.home}{text[5:]}"))
        if not text.startswith("/"):
            return Path(os.path.normpath((base or self.project or self.home) / text)) if "\0" not in text else self.home
        path = os.path.normpath(text)
        if self.foreign and path != "/" and not self._inside(path):
            for alias in self.aliases:
                if path == alias or path.startswith(alias + "/"):
                    return Path(f"{self.home}{path[len(alias) :]}")
            if self.guesses and (found := _USER_HOME.fullmatch(path)) and self._is_this_home(found[1], found[2]):
                self.aliases = (*self.aliases, found[1])
                return Path(f"{self.home}{found[2]}")
            if self.root is not None and (self.root / Path(path).parts[1]).is_dir():
                return Path(f"{self.root}{path}")
        return Path(path)

    def _is_this_home(self, named: str, rest: str | None) -> bool:
        return Path(named).name == self.home.name or (bool(rest) and Path(f"{self.home}{rest}").exists())

    def show(self, path: Path | str) -> str:
        """The path for people: the home as `~`, and a foreign root left out."""
        text = str(path)
        home = str(self.home)
        if text == home or text.startswith(home + "/"):
            return "~" + text[len(home) :]
        if self.root is not None and text.startswith(f"{self.root}/"):
            return text[len(str(self.root)) :]
        return text

    def known(self, path: Path) -> bool:
        """Whether this machine's answer about `path` is that of the machine that is judged."""
        return not self.foreign or self._inside(str(path)) or _USER_HOME.match(str(path)) is not None

    def _inside(self, path: str) -> bool:
        roots = [str(root) for root in (self.home, self.project, self.root) if root is not None]
        return any(path == root or path.startswith(root + "/") for root in roots)

    # -- presence ------------------------------------------------------------------------------------------------

    def presence(self, path: Path) -> Presence:
        """Whether `path`, its links followed as that machine would, leads to something."""
        return self.follow(path)[1]

    def follow(self, path: Path) -> tuple[Path, Presence]:
        """Where the links of `path` end, and whether something is there."""
        current = path
        for _ in range(_LINKS):
            self.asked.setdefault(current, Asked.PRESENCE)
            if not self.known(current):
                return current, Presence.UNKNOWN
            if not self._answers(current):
                return current, Presence.UNKNOWN
            try:
                status = current.lstat()
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                    return current, Presence.UNKNOWN
                elsewhere = self._through_folder_links(current)
                if elsewhere is None:
                    return current, Presence.GONE
                current = elsewhere
                continue
            except ValueError:
                return current, Presence.GONE  # a NUL in it: no file has such a name
            if not stat.S_ISLNK(status.st_mode):
                return current, Presence.PRESENT
            current = self.place(current.readlink(), base=current.parent)
        self._skips.setdefault(path, "its links lead round in a circle")
        return path, Presence.UNKNOWN

    def _through_folder_links(self, path: Path) -> Path | None:
        """`path` with its first link that leads to the other machine's home replaced; None where there is none."""
        if not self.foreign:
            return None
        for folder in reversed(path.parents):
            if folder.is_symlink():
                target = self.place(folder.readlink(), base=folder.parent)
                if target != folder and not folder.exists():
                    return target / path.relative_to(folder)
        return None

    def is_file(self, path: Path) -> bool:
        real, presence = self.follow(path)
        return presence is Presence.PRESENT and real.is_file()

    def is_dir(self, path: Path) -> bool:
        real, presence = self.follow(path)
        try:
            return presence is Presence.PRESENT and real.is_dir()
        except OSError:
            return False

    def same(self, one: Path, other: Path) -> bool:
        """Whether two names are the same file or folder (macOS ignores case; /tmp and /var are links)."""
        if one == other:
            return True
        try:
            return self.follow(one)[0].samefile(self.follow(other)[0])
        except (OSError, ValueError):
            return False

    def size(self, path: Path) -> int:
        """Bytes of a file; 0 where that cannot be told."""
        try:
            return path.lstat().st_size
        except (OSError, ValueError):
            return 0

    def modified(self, path: Path) -> float:
        """Seconds since the epoch of the last write; 0 where that cannot be told."""
        try:
            return path.stat().st_mtime
        except (OSError, ValueError):
            return 0.0

    # -- content -------------------------------------------------------------------------------------------------

    def read(self, path: Path, *, limit: int = CONFIG_LIMIT) -> bytes | None:
        """The content; None where there is no such file, or where it must not be read (then a skip is noted)."""
        real, presence = self.follow(path)
        if presence is not Presence.PRESENT:
            return None
        if self.late():
            self.skip(path, "not looked at: time is up")
            return None
        self.asked[real] = Asked.CONTENT
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError as error:
            self.skip(path, error.strerror or str(error))
            return None
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                return None
            if not stat.S_ISREG(status.st_mode):
                self.skip(path, "not a regular file")
                return None
            if status.st_size > limit:
                self.skip(path, f"{status.st_size:,} bytes, more than the {limit:,} that are read of such a file")
                return None
            with os.fdopen(descriptor, "rb", closefd=False) as stream:
                return stream.read(limit)
        except OSError as error:
            self.skip(path, error.strerror or str(error))
            return None
        finally:
            os.close(descriptor)

    def head(self, path: Path, count: int) -> bytes:
        """The first bytes of a file of any size; empty where it cannot be read."""
        real, presence = self.follow(path)
        self.asked[real] = Asked.HEAD
        if presence is not Presence.PRESENT:
            return b""
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
        except OSError:
            return b""
        try:
            return os.read(descriptor, count) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
        except OSError:
            return b""
        finally:
            os.close(descriptor)

    def text(self, path: Path, *, limit: int = CONFIG_LIMIT) -> str | None:
        content = self.read(path, limit=limit)
        return content.decode("utf-8-sig", errors="replace") if content is not None else None

    def entries(self, folder: Path) -> list[str]:
        """The names in a folder, sorted; none where it is no folder or cannot be listed."""
        real, presence = self.follow(folder)
        if presence is not Presence.PRESENT or self.late():
            return []
        self.asked[real] = Asked.ENTRIES
        names: list[str] = []
        try:
            with os.scandir(real) as found:
                for entry in found:
                    if len(names) == _ENTRIES:
                        self.skip(folder, f"more than {_ENTRIES} entries; the rest was not looked at")
                        break
                    names.append(entry.name)
        except NotADirectoryError:
            return []
        except OSError as error:
            self.skip(folder, error.strerror or str(error))
        return sorted(names)

    # -- refusals ------------------------------------------------------------------------------------------------

    def late(self) -> bool:
        return self._clock() > self._deadline

    def skip(self, path: Path, reason: str) -> None:
        """Note that `path` could not be looked at; the first reason stays."""
        self._skips.setdefault(path, reason)

    @property
    def skips(self) -> tuple[Skip, ...]:
        return tuple(Skip(path=path, reason=reason) for path, reason in self._skips.items())

    def _answers(self, path: Path) -> bool:
        """False for a path on a volume that does not answer within a second: a dead network drive never does."""
        found = _REMOTE.match(str(path))
        if found is None:
            return True
        mount = found[0]
        if mount not in self._mounts:
            done = threading.Event()

            def touch() -> None:
                with contextlib.suppress(OSError):
                    Path(mount).stat()
                done.set()

            threading.Thread(target=touch, daemon=True).start()
            self._mounts[mount] = done.wait(1.0)
            if not self._mounts[mount]:
                self.skip(Path(mount), "this volume does not answer")
        return self._mounts[mount]


def _root_above(home: Path) -> Path | None:
    """The folder that stands for `/` where a home lies in a copy of a whole tree (`/tmp/case/Users/anna`)."""
    if home.parent.name in ("Users", "home") and home.parent.parent != Path("/"):
        return home.parent.parent
    return None


def home_aliases(home: Path, environ: Mapping[str, str], mentioned: Iterable[str] = ()) -> tuple[str, ...]:
    """What the home of another machine's user is called there: from its variables, else from what its files mention.

    Of the paths in `mentioned` only the most frequent home counts: one colleague's path in a shared file is no alias.
    """
    given = environ.get("HOME")
    if given and given != str(home):
        return (given.rstrip("/"),)
    for texts in (environ.values(), mentioned):
        counts = Counter(
            found[0]
            for text in texts
            for found in _HOME_IN_TEXT.finditer(text)
            if found[0] not in ("/Users/Shared", "/home/linuxbrew") and not f"{home}/".startswith(f"{found[0]}/")
        )
        if counts:
            namesake = [alias for alias in counts if Path(alias).name == home.name]
            return tuple(namesake) or (counts.most_common(1)[0][0],)
    return ()
