"""Hashing in child processes gives what hashing here gives."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from builder.binaries import hashing
from builder.binaries.hashing import Hasher, Job, answer, digests, worker_command

DATA = Path(__file__).parents[2] / "data" / "macho"
#: Claimed, so that child processes are thought worth their while.
LARGE = 1 << 30


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_answers_do_not_depend_on_who_hashes(tmp_path: Path, workers: int) -> None:
    names = ["libgreet-arm64.dylib", "libgreet-universal2.dylib", "libgreet-x86_64.dylib", "absent.dylib", "README.md"]
    kinds: tuple[str, ...] = ("digest", "pages")
    jobs = [Job(kind=kind, path=str(DATA / name), size=LARGE) for name in names for kind in kinds]  # type: ignore[arg-type]
    with Hasher(jobs, workers=workers) as hasher:
        answers = hasher.answers()
    assert answers == {(job.kind, job.path): answer(job) for job in jobs}
    expected = hashlib.sha256((DATA / names[0]).read_bytes()).hexdigest()
    assert answers["digest", str(DATA / names[0])].digest == expected
    assert answers["digest", str(DATA / "absent.dylib")].missing
    assert answers["pages", str(DATA / "README.md")].error == "not a Mach-O file"


@pytest.mark.parametrize("workers", [1, 3])
def test_digests_do_not_depend_on_threads(tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on sizes being right, which a RECORD says: what is large may be claimed to be small, and the other way."""
    monkeypatch.setattr(hashing, "_workers", lambda: workers)
    sizes, contents = {}, {}
    for number in range(20):
        path = tmp_path / str(number)
        contents[str(path)] = bytes([number]) * (number % 5 * 200_000)
        path.write_bytes(contents[str(path)])
        sizes[str(path)] = number % 2 * LARGE
    lacking, folder = str(tmp_path / "lacking"), str(tmp_path)
    found = digests(sizes | {lacking: LARGE, folder: LARGE})
    assert found.pop(lacking).missing
    assert found.pop(folder).error == "Is a directory"
    assert {path: one.digest for path, one in found.items()} == {
        path: hashlib.sha256(content).hexdigest() for path, content in contents.items()
    }


def test_ctrl_c_does_not_wait_for_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_workers", lambda: 2)
    begun, go_on = threading.Event(), threading.Event()
    ended: list[str] = []
    before = set(threading.enumerate())

    def slow(job: Job, block: bytearray) -> hashing.Answer:
        if job.size < LARGE:
            begun.wait(5)
            raise KeyboardInterrupt
        begun.set()
        go_on.wait(5)
        ended.append(job.path)
        return hashing.Answer()

    monkeypatch.setattr(hashing, "_answer", slow)
    with pytest.raises(KeyboardInterrupt):
        digests({"first": LARGE, "second": LARGE + 1, "small": 0})
    assert not ended
    (helper,) = set(threading.enumerate()) - before
    go_on.set()
    helper.join(5)
    assert ended == ["second"]  # what it was at, and nothing after that


def test_leaving_early_ends_the_children() -> None:
    """Ctrl-C during a verification must not leave processes behind that go on hashing."""
    job = Job(kind="digest", path=str(DATA / "libgreet-arm64.dylib"), size=LARGE)
    with Hasher([job], workers=1) as hasher:
        children = hasher.children
    assert all(child.poll() is not None for child in children)


def test_a_worker_whose_parent_has_gone_ends_without_a_word(tmp_path: Path) -> None:
    """Its traceback would appear on the user's prompt, after `envbuild` was interrupted."""
    (tmp_path / "file").write_bytes(b"content")
    command = worker_command()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        assert worker.stdin
        assert worker.stdout
        assert worker.stderr
        worker.stdout.close()
        worker.stdin.write(json.dumps([("digest", str(tmp_path / "file"), 7)] * 2000).encode())
        worker.stdin.close()
        assert worker.stderr.read() == b""
    assert worker.returncode == -signal.SIGPIPE


@pytest.mark.parametrize("strange", ["pipe", "device"])
def test_what_would_never_end_is_not_read(tmp_path: Path, strange: str) -> None:
    """Put in the place of an installed file, it must not stop a verification for ever."""
    place = tmp_path / "six.py"
    if strange == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    found = answer(Job(kind="digest", path=str(place), size=10))
    assert found.error == f"a {strange}, not a regular file"
