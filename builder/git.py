"""What a git repository holds and is merging just now, through the user's own git; never through a shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.scratch import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECONDS: Final = 60.0
#: How many commits that changed a file are looked through for the one that is being merged.
_COMMITS: Final = "1000"
#: A line of `git log --raw`: the file's blob before and after a commit.
_RAW: Final = re.compile(rb":\d+ \d+ ([0-9a-f]+) ([0-9a-f]+) [A-Z]\d*\t")
#: git's own sign of an object that is not there.
_NOTHING: Final = re.compile(r"0+")


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The three commits of a merge: what both sides come from, and the two sides."""

    base: str
    """Of a criss-cross merge, whose sides come from two commits: a tree, which git merges of those."""
    ours: str
    theirs: str
    is_virtual: bool = False
    """Whether `base` is such a tree. Files that it cannot merge have conflict marks in it, other ones each time."""


@dataclass(frozen=True, kw_only=True)
class Git:
    """git, run in `folder`, which may be anywhere inside a working tree."""

    folder: Path
    environ: Mapping[str, str]

    def commit(self, revision: str) -> str:
        """The hash of the commit that `revision` (a branch, a tag, `HEAD~2`, a hash) means. Raises UsageError."""
        # What begins with a dash would be an option of git's.
        asked = (
            None
            if revision.startswith("-")
            else self._run("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        )
        if asked is None:
            if self._run("rev-parse", "--is-inside-work-tree") is None:
                raise UsageError(
                    f"{self.folder} is not in a git repository, so {revision!r} is no revision of anything",
                    hint="go to the repository, or name it with --project DIR",
                )
            raise UsageError(
                f"{revision!r} is neither a file nor a revision of the repository around {self.folder}",
                hint="`git log --oneline` shows revisions; one of another clone must be fetched first",
            )
        return asked.decode().strip()

    def file_at(self, commit: str, path: str) -> bytes | None:
        """The content of `path` (relative to `folder`) at a commit, byte for byte; None where it was not there."""
        # `git show` would pass it through the filters that people configure for reading diffs.
        return self._run("cat-file", "blob", f"{commit}:./{path}")

    def names_at(self, commit: str, folder: str) -> tuple[str, ...]:
        """The names of what lies in `folder` (relative to this one) at a commit; nothing where it was not there."""
        listed = self._run("ls-tree", "-z", "--name-only", commit, f"./{folder}/") or b""
        return tuple(Path(path.decode(errors="surrogateescape")).name for path in listed.split(b"\0") if path)

    def stages(self, path: str) -> dict[int, bytes]:
        """The contents of a file in conflict, as far as there: 1 what both sides come from, 2 ours, 3 theirs."""
        found = {stage: self._run("cat-file", "blob", f":{stage}:./{path}") for stage in (1, 2, 3)}
        return {stage: content for stage, content in found.items() if content is not None}

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bool]:
        """git's own merge of a text, and whether it is clean; otherwise it has conflict marks.

        Raises UsageError for what is no text.
        """
        with scratch("envbuild-merge-") as folder:
            names = ("ours", "base", "theirs")
            for name, content in zip(names, (ours, base, theirs), strict=True):
                (folder / name).write_bytes(content)
            labels = [part for name in names for part in ("-L", name)]
            ended = self._ended("merge-file", "-p", *labels, *(str(folder / name) for name in names))
        # Its exit code is the number of conflicts.
        if ended.returncode not in range(128):
            raise UsageError(f"git cannot merge it: {ended.stderr.decode(errors='replace').strip()}")
        return ended.stdout, ended.returncode == 0

    def sides(self, path: str, *, base: bytes, ours: bytes, theirs: bytes) -> Sides | None:
        """The commits that are being merged, where `path` has these contents; None where they cannot be told.

        git does not tell a merge driver, which it starts before anything else of the merge is on the disk. `git merge`
        names the other side in a variable, a rebase in a file of its own; of a cherry-pick, a revert or a stash
        there is nothing but the history, in which the step from `base` to `theirs` is found. Whatever was found counts
        only if `path` has there just what is being merged.
        """
        # What is empty is what git gives for a file that was not there.
        wanted = [content or None for content in (base, ours, theirs)]
        for sides in self._candidates(path, base=base, theirs=theirs):
            there = [self.file_at(commit, path) or None for commit in (sides.base, sides.ours, sides.theirs)]
            if there[sides.is_virtual :] == wanted[sides.is_virtual :]:
                return sides
        return None

    def _candidates(self, path: str, *, base: bytes, theirs: bytes) -> Iterator[Sides]:
        ours = self._line("rev-parse", "--verify", "--quiet", "HEAD")
        if ours is None:
            return
        for name in self.environ:
            other = name.removeprefix("GITHEAD_")
            common = (self._line("merge-base", "--all", ours, other) or "").split() if other != name else []
            if len(common) == 1:
                yield Sides(base=common[0], ours=ours, theirs=other)
            elif len(common) == 2 and (tree := self._merged_tree(*common)) is not None:
                yield Sides(base=tree, ours=ours, theirs=other, is_virtual=True)
        steps = [self._picked_by_rebase(), *self._changing(path, before=base, after=theirs)]
        for before, after in filter(None, steps):
            yield Sides(base=before, ours=ours, theirs=after)

    def _merged_tree(self, one: str, other: str) -> str | None:
        """The tree that git merges of two commits as text, conflict marks included; None by a git older than 2.38."""
        as_text = "merge.envbuild.driver=git merge-file %A %O %B"
        ended = self._ended("-c", as_text, "merge-tree", "--write-tree", one, other)
        lines = ended.stdout.split()
        return lines[0].decode() if ended.returncode in (0, 1) and lines else None

    def _picked_by_rebase(self) -> tuple[str, str] | None:
        """The step that a rebase is taking: the commit before, and the commit."""
        done = self._line("rev-parse", "--git-path", "rebase-merge/done")
        try:
            last = (self.folder / (done or "")).read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError):
            return None
        words = next((line.split() for line in reversed(last) if line.strip()), [])
        commit = self._line("rev-parse", "--verify", "--quiet", f"{words[1]}^{{commit}}") if len(words) > 1 else None
        before = self._line("rev-parse", "--verify", "--quiet", f"{commit}^1") if commit else None
        return (before, commit) if before and commit else None

    def _changing(self, path: str, *, before: bytes, after: bytes) -> Iterator[tuple[str, str]]:
        """The steps of the history, the newest first, that take a file from one content to the other, or back."""
        blobs = [self._blob(content) for content in (before, after)]
        commit = ""
        log = (
            "log",
            "--all",
            "--reflog",
            "--raw",
            "--no-abbrev",
            "--no-renames",
            "--format=%H",
            "-m",
            "--first-parent",
        )
        for line in (self._run(*log, "-n", _COMMITS, "--", f"./{path}") or b"").splitlines():
            raw = _RAW.match(line)
            if raw is None:
                commit = line.decode(errors="replace") or commit
                continue
            changed = [None if _NOTHING.fullmatch(blob) else blob for blob in (raw[1].decode(), raw[2].decode())]
            if changed == blobs:
                yield f"{commit}^1", commit
            elif changed == blobs[::-1]:
                yield commit, f"{commit}^1"

    def _blob(self, content: bytes) -> str | None:
        """The name that git gives to a content; None for nothing."""
        if not content:
            return None
        ended = self._ended("hash-object", "--stdin", given=content)
        return ended.stdout.decode().strip()

    def set(self, name: str, value: str) -> None:
        """Write a setting of this repository. Raises UsageError where git refuses."""
        ended = self._ended("config", "--local", name, value)
        if ended.returncode:
            raise UsageError(f"git cannot set {name}: {ended.stderr.decode(errors='replace').strip()}")

    def top(self) -> Path:
        """The working tree's topmost folder. Raises UsageError outside of a repository."""
        found = self._line("rev-parse", "--show-toplevel")
        if found is None:
            raise UsageError(
                f"{self.folder} is not in the working tree of a git repository", hint="run `git init` first"
            )
        return Path(found)

    def _line(self, *arguments: str) -> str | None:
        answer = self._run(*arguments)
        return answer.decode(errors="surrogateescape").strip() if answer is not None else None

    def _run(self, *arguments: str) -> bytes | None:
        ended = self._ended(*arguments)
        return ended.stdout if ended.returncode == 0 else None

    def _ended(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        program = shutil.which("git", path=self.environ.get("PATH"))
        if program is None:
            raise UsageError("git is not installed, so the repository cannot be read", hint="install git")
        environ = dict(self.environ)
        if "GIT_WORK_TREE" not in environ:
            # git sets it alone for what it starts in a linked working tree, and takes every folder for the top then.
            environ.pop("GIT_DIR", None)
        try:
            ended = subprocess.run(
                [program, "-C", str(self.folder), *arguments],
                env={**environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
                input=given,
                capture_output=True,
                timeout=_SECONDS,
                check=False,
            )
        except (subprocess.TimeoutExpired, OSError, ValueError) as error:
            raise UsageError(f"git could not be asked: {error}") from None
        if b"dubious ownership" in ended.stderr:
            raise UsageError(
                f"git refuses to read the repository around {self.folder}: it belongs to somebody else",
                hint="see `git status` there, which says how to allow it",
            )
        return ended
