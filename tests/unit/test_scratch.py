"""Scratch folders go when their process ends, by whatever way, and not before."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from builder.scratch import scratch, sweep

if TYPE_CHECKING:
    import pytest

REPOSITORY = Path(__file__).parents[1].parent
_PROGRAM = """
import sys, time
from pathlib import Path
from builder.scratch import scratch
with scratch("envbuild-x-", folder=Path(sys.argv[1])) as folder:
    (folder / "file").touch()
    print(folder, flush=True)
    time.sleep(60)
"""


def test_deleted_in_the_end(tmp_path: Path) -> None:
    with scratch("envbuild-x-", folder=tmp_path) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_swept_when_its_process_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(REPOSITORY)}) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        sweep("envbuild-x-", folder=tmp_path)
        assert folder.is_dir(), "somebody is at work there"
        process.send_signal(signal.SIGKILL)
        process.wait()
        with scratch("envbuild-x-", folder=tmp_path):
            assert not folder.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Links, files, folders of another name, and one that is just being made."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "envbuild-x-link").symlink_to("precious")
    (tmp_path / "envbuild-x-file").touch()
    (tmp_path / "envbuild-y-other").mkdir()
    (tmp_path / "envbuild-x-new").mkdir()
    (tmp_path / "envbuild-x-old").mkdir()
    os.utime(tmp_path / "envbuild-x-old", (0, 0))
    sweep("envbuild-x-", folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "envbuild-x-file",
        "envbuild-x-link",
        "envbuild-x-new",
        "envbuild-y-other",
        "precious",
    ]


def test_another_sweeps_while_a_folder_is_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def locking(held: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        sweep("made-", folder=tmp_path)
        flock(held, operation)

    monkeypatch.setattr(fcntl, "flock", locking)
    with scratch("made-", folder=tmp_path) as folder:
        (folder / "file").write_text("")
