"""Hashing in child processes gives what hashing here gives."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from builder.binaries.hashing import Hasher, Job, answer, worker_command

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
