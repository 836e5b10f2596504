"""Answers kept between runs, each with the SHA-256 of every file that it was found from.

An answer is taken again only while all of this holds; otherwise the question is asked anew:

- the files that it was found from have the content that they had then, byte for byte: their times are not looked at. A
  file that was not there is still not there;
- the same questions lead to the same files: a recipe that a nearer one of the same name now hides is another file;
- envbuild is the same: its version, its own code and data, its Python, and the packages installed beside it;
- the user's own facts are the same, and no framework comes from outside envbuild.

Only good answers are kept: what was wrong is looked at each time, so that its message is about what is there now. A
file of answers that cannot be read, was cut short or altered is as if it were not there; one that cannot be written
costs time and nothing else. Whoever may write in the user's own data folder could put an answer there, and could as
well put other code in envbuild's place.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder import __version__
from builder.errors import BuildError
from builder.resources import shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from builder.workspace import Workspace

    Place = Callable[[str], "Path | None"]
    """Where the file of a role (`lock`, `recipe:ml-m1`) is now; None where there is no such file."""

#: Changes whenever what is kept, or what an answer depends on, does.
FORMAT: Final = 1
_FOLDER: Final = "answers"
#: What a digest stands for where there is no file.
_ABSENT: Final = "absent"
_MOST_BYTES: Final = 64 << 20


class Basis:
    """The files that an answer is being found from: each is hashed before it is read, and once more at the end."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._seen: dict[str, tuple[str, str]] = {}

    def see(self, role: str) -> Path | None:
        """Note the file of this role, which is about to be read."""
        path = self._place(role)
        self._seen.setdefault(role, (str(path), digest_of(path)))
        return path

    def steady(self) -> dict[str, tuple[str, str]] | None:
        """By role the files and their digests; None where one is another by now, or could not be read."""
        return self._seen if _unchanged(self._seen, self._place) else None


class Answers:
    """The answers about one project, by kind and name."""

    def __init__(self, workspace: Workspace) -> None:
        root = hashlib.sha256(os.fsencode(workspace.project.root)).hexdigest()
        self._file = workspace.project.state / _FOLDER / f"{root[:32]}.json"
        self._facts = workspace.facts_folder
        self._new: dict[str, dict[str, Any]] = {}

    def recall(self, kind: str, name: str, place: Place) -> Any | None:
        """The answer that was kept, where all that it was found from is as it was; else None."""
        entry = self._kept.get(f"{kind} {name}")
        if entry is None:
            return None
        try:
            return entry["answer"] if _unchanged(entry["basis"], place) else None
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def keep(self, kind: str, name: str, basis: Basis, answer: Any) -> None:
        """Have an answer ready for the next run, unless a file that it was found from has changed meanwhile."""
        from builder.frameworks import registry

        steady = basis.steady()
        # What a framework from outside is made of is not known here.
        if steady is not None and self._engine is not None and not registry.from_outside():
            self._new[f"{kind} {name}"] = {"basis": steady, "answer": answer}

    def save(self, *, only: frozenset[str] | None = None) -> None:
        """Write what is new; of what was kept before, `only` what is about these names."""
        from builder.files import write_atomically

        if not self._new:
            return
        kept = {key: entry for key, entry in self._kept.items() if only is None or key.partition(" ")[2] in only}
        body = json.dumps({"engine": self._engine, "answers": kept | self._new}, separators=(",", ":"))
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(self._file, f"{_seal(body)}\n{body}")
        except (BuildError, OSError):
            return

    @cached_property
    def _kept(self) -> dict[str, Any]:
        """What earlier runs of this same envbuild found; nothing where that cannot be read or is not whole."""
        try:
            seal, _, body = _read(self._file).decode().partition("\n")
            if seal != _seal(body):
                return {}
            data = json.loads(body)
            return dict(data["answers"]) if self._engine is not None and data["engine"] == self._engine else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    @cached_property
    def _engine(self) -> str | None:
        """By what code and data questions are answered, besides the project's files; None where that is not known."""
        found = hashlib.sha256()
        try:
            for line in _engine_lines(self._facts):
                found.update(line.encode(errors="surrogateescape") + b"\n")
        except OSError:
            return None
        return found.hexdigest()


def _unchanged(seen: Mapping[str, Sequence[str]], place: Place) -> bool:
    return all(
        digest != "" and (str(path := place(role)), digest_of(path)) == (where, digest)
        for role, (where, digest) in seen.items()
    )


def digest_of(path: Path | None) -> str:
    """SHA-256 (hex) of a file; `absent` where there is none, and empty where it cannot be read."""
    if path is None:
        return _ABSENT
    try:
        return hashlib.sha256(_read(path)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError:
        return ""


def _read(path: Path) -> bytes:
    from builder.files import open_regular

    with open_regular(path) as stream:
        if os.fstat(stream.fileno()).st_size > _MOST_BYTES:
            raise OSError("too large to be remembered")
        return stream.read(_MOST_BYTES)


def _seal(body: str) -> str:
    return f"envbuild answers {FORMAT} {hashlib.sha256(body.encode()).hexdigest()}"


def _engine_lines(facts: Path) -> Iterator[str]:
    """The code and data that answer: by size and times, which a package manager sets and an editor changes."""
    yield f"{FORMAT} {__version__} {sys.version} {sys.platform}"
    package = Path(__file__).parent.parent
    for folder in dict.fromkeys((package, shipped("templates"))):
        yield from sorted(_stats(folder))
    for path in sys.path:
        # Packages beside envbuild: their versions are in these names, and what is installed anew has a new time.
        yield from sorted(_installed(Path(path)))
    for file in sorted(facts.glob("*.yaml")):
        yield f"{file} {hashlib.sha256(_read(file)).hexdigest()}"


def _stats(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != "__pycache__":
                    yield from _stats(Path(entry.path))
            else:
                yield f"{entry.path} {_times(entry.stat())}"


def _installed(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".dist-info", ".egg-info", ".egg-link", ".pth")):
                yield f"{entry.path} {_times(entry.stat())}"


def _times(found: os.stat_result) -> str:
    size = found.st_size if stat.S_ISREG(found.st_mode) else 0
    return f"{size} {found.st_mtime_ns} {found.st_ctime_ns}"
