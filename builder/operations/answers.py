"""Answers kept between runs, each with the SHA-256 of every file that it was found from.

An answer is taken again only while all of this holds; otherwise the question is asked anew:

- the files that it was found from have the content that they had then, byte for byte: their times are not looked at. A
  file that was not there is still not there;
- the same questions lead to the same files: a recipe that a nearer one of the same name now hides is another file;
- envbuild is the same: its version, its own code and data, its Python, and the packages installed beside it;
- the user's own facts are the same, and no framework comes from outside envbuild (both: `operations.records`).

Only good answers are kept: what was wrong is looked at each time, so that its message is about what is there now.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from builder.operations.records import Record, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from builder.workspace import Workspace

    Place = Callable[[str], "Path | None"]
    """Where the file of a role (`lock`, `recipe:ml-m1`) is now; None where there is no such file."""

_FOLDER: Final = "answers"
#: What a digest stands for where there is no file.
_ABSENT: Final = "absent"


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
        file = workspace.project.state / _FOLDER / f"{root[:32]}.json"
        self._record = Record(file, facts=workspace.facts_folder)
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
        if steady is not None and not registry.from_outside():
            self._new[f"{kind} {name}"] = {"basis": steady, "answer": answer}

    def save(self, *, only: frozenset[str] | None = None) -> None:
        """Write what is new; of what was kept before, `only` what is about these names."""
        if self._new:
            kept = {key: entry for key, entry in self._kept.items() if only is None or key.partition(" ")[2] in only}
            self._record.write(kept | self._new)

    @cached_property
    def _kept(self) -> dict[str, Any]:
        return self._record.read()


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
        return hashlib.sha256(read_bytes(path)).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError:
        return ""
