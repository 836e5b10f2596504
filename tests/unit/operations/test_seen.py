"""Files that are as they were when they were right are not read again, and only those."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.finding import Finding, Remedy, Status
from builder.operations import VerifyRequest, seen, verify, verifying
from builder.operations.seen import Seen
from builder.platforms import Subdir
from builder.probes.level import Level
from tests.workspaces import Heard, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.workspace import Workspace

GOOD = [
    Finding(check="pkg.integrity", status=Status.PASS, title="All right.", about=frozenset(("a", "b"))),
    Finding(check="link.symbols", status=Status.WARN, title="Hm.", evidence=("x",), remedy=Remedy("Do", ("it",))),
]


def _later() -> datetime:
    """Files of a test were just made: by this clock that was long ago."""
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    folder = tmp_path / "env"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "module.py").write_text("value = 1\n")
    (folder / "lib" / "link").symlink_to("module.py")
    stamp = Stamp(name="ml", subdir=Subdir.LINUX_64, lock_sha256="", envbuild_version="", packages=())
    (folder / RELATIVE_PATH).parent.mkdir()
    (folder / RELATIVE_PATH).write_text(stamp.dumps())
    return folder


class _Reader:
    """Counts how often the files are read."""

    def __init__(self, here: Workspace, prefix: Path) -> None:
        self.here, self.prefix, self.times = here, prefix, 0
        self.meanwhile: Callable[[], object] = lambda: None

    def ask(self, found: list[Finding] = GOOD, question: str = "static") -> list[Finding]:
        def work() -> list[Finding]:
            self.times += 1
            self.meanwhile()
            return list(found)

        self.seen = Seen(self.here, self.prefix, question=question)
        return self.seen.read(work)


@pytest.fixture
def reader(tmp_path: Path, prefix: Path) -> _Reader:
    return _Reader(workspace(tmp_path, clock=_later), prefix)


def test_the_same_files_are_read_once(reader: _Reader) -> None:
    first = reader.ask()
    again = reader.ask()
    assert reader.times == 1
    assert [finding.about for finding in again] == [finding.about for finding in first]
    # What is told is told as what was read then.
    assert again[1] == first[1]
    assert again[0] == replace(first[0], evidence=again[0].evidence)
    assert "since then no file has another size, inode or time" in again[0].evidence[-1]
    unread = reader.seen.unread
    assert unread is not None
    assert unread.files == 2
    assert "2 files were not read again" in unread.told
    assert "--full" in unread.told


def _edited(prefix: Path) -> None:
    """The size and the time of the content are as they were."""
    file = prefix / "lib" / "module.py"
    before = file.stat()
    file.write_text("value = 2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(prefix: Path) -> None:
    file = prefix / "lib" / "module.py"
    shutil.copy2(file, prefix / "lib" / "other")
    (prefix / "lib" / "other").replace(file)


def _folder_time(prefix: Path) -> None:
    (prefix / "lib" / "new").touch()
    (prefix / "lib" / "new").unlink()


@pytest.mark.parametrize(
    "change",
    [
        _edited,
        _replaced,
        _folder_time,
        lambda prefix: (prefix / "lib" / "module.py").chmod(0o600),
        lambda prefix: (prefix / "lib" / "more.py").touch(),
        lambda prefix: (prefix / "lib" / "module.py").unlink(),
        lambda prefix: (prefix / "lib" / "module.py").rename(prefix / "lib" / "other.py"),
        lambda prefix: (prefix / "lib" / "link").unlink() or (prefix / "lib" / "link").symlink_to("nowhere"),
        lambda prefix: os.utime(prefix / "lib" / "module.py"),
        lambda prefix: (prefix / "lib" / "twin").hardlink_to(prefix / "lib" / "module.py"),
        lambda prefix: (prefix / "empty").mkdir(),
    ],
)
def test_whatever_changes_is_seen(reader: _Reader, prefix: Path, change: Callable[[Path], Any]) -> None:
    reader.ask()
    time.sleep(0.02)  # a tick of the file system's clock
    change(prefix)
    reader.ask()
    assert reader.times == 2


def test_another_question_is_another_matter(reader: _Reader) -> None:
    reader.ask()
    reader.ask(question="another")
    assert (reader.times, reader.seen.unread) == (2, None)
    for question in ("static", "another"):
        reader.ask(question=question)
    assert reader.times == 2


def test_a_place_of_its_own(reader: _Reader, prefix: Path, tmp_path: Path) -> None:
    reader.ask()
    prefix.rename(tmp_path / "moved")
    reader.prefix = tmp_path / "moved"
    reader.ask()
    assert reader.times == 2


@pytest.mark.parametrize(
    "found",
    [
        [],
        [Finding(check="pkg.integrity", status=Status.FAIL, title="Changed.")],
        [
            *GOOD,
            Finding(check="x", status=Status.SKIP, title="The check itself failed (MemoryError: ); this is a defect"),
        ],
    ],
)
def test_what_is_not_right_is_read_again(reader: _Reader, found: list[Finding]) -> None:
    for times in (1, 2):
        assert reader.ask(found) == found
        assert reader.times == times


def test_what_has_just_changed_is_not_kept(tmp_path: Path, prefix: Path) -> None:
    """A second change in the same tick of the clock would not show."""
    reader = _Reader(workspace(tmp_path), prefix)
    reader.ask()
    reader.ask()
    assert reader.times == 2


def test_what_changes_while_it_is_read_is_not_kept(reader: _Reader, prefix: Path) -> None:
    reader.meanwhile = lambda: (prefix / "lib" / f"{reader.times}").touch()
    reader.ask()
    reader.ask()
    assert reader.times == 2


@pytest.mark.parametrize("to", ["/usr", "../../other", "loop"])
def test_what_leads_out_is_not_kept(reader: _Reader, prefix: Path, tmp_path: Path, to: str) -> None:
    (tmp_path / "other").mkdir()
    (prefix / "lib" / "out").symlink_to(to)
    reader.ask()
    reader.ask()
    assert reader.times == (1 if to == "loop" else 2)


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text.replace("pass", "warn"), lambda _: "{}"])
def test_a_damaged_record_is_none(reader: _Reader, tmp_path: Path, damage: Callable[[str], str]) -> None:
    reader.ask()
    (file,) = (tmp_path / "state" / "verified").iterdir()
    file.write_text(damage(file.read_text()))
    assert reader.ask() == GOOD
    assert reader.times == 2


def test_a_place_that_cannot_be_written_to(reader: _Reader, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    assert reader.ask() == GOOD


def test_verify_uses_it_where_nothing_says_otherwise(
    tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []

    def read(self: Seen, work: Callable[[], list[Finding]]) -> list[Finding]:
        used.append("used")
        self.unread = seen.Unread(files=3, of="then")
        return [replace(finding, check="env.moved") for finding in GOOD]

    monkeypatch.setattr(Seen, "read", read)
    heard = Heard()
    here = workspace(tmp_path, host=Subdir.LINUX_64, progress=heard)
    result = verify(here, VerifyRequest(environment=str(prefix), only_static=True))
    assert (used, result.unread) == (["used"], seen.Unread(files=3, of="then"))
    assert "3 files were not read again" in heard.notes[-1]
    used.clear()
    assert verify(here, VerifyRequest(environment=str(prefix), only_static=True, level=Level.FULL)).unread is None
    # What `create` asks after it has built, and what --fix does, read everything.
    verifying.verify_prefix(here, prefix, runtime=False)
    assert used == []


def test_files_that_nobody_stamped_are_read(tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (prefix / RELATIVE_PATH).unlink()
    (prefix / "conda-meta" / "history").touch()
    monkeypatch.setattr(Seen, "read", lambda *_: pytest.fail("used"))
    verify(workspace(tmp_path), VerifyRequest(environment=str(prefix), only_static=True))
