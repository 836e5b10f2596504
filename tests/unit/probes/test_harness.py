"""The harness: whatever a library does, the result is what the probe found out, or how it died."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.probes import harness

if TYPE_CHECKING:
    from builder.probes.harness import Outcome

PYTHON = Path(sys.executable)


def run(tmp_path: Path, body: str, *further: str, limit: float = 20) -> Outcome:
    """Run `main(probe, arguments)` with `body` (indented by four spaces here), and `further` ones after it."""
    for number, one in enumerate((body, *further)):
        lines = "\n".join(f"    {line}" for line in one.splitlines())
        script = f"import os, sys, time\n\n\ndef main(probe, arguments):\n{lines}\n"
        (tmp_path / f"case{number}.py").write_text(script)
    then = [harness.Script(probe=f"case{number + 1}", arguments={}, folder=tmp_path) for number in range(len(further))]
    environ = harness.clean_environment(os.environ, prefix=Path(sys.prefix), scratch=tmp_path)
    return harness.run(PYTHON, "case0", environ=environ, cwd=tmp_path, limit=limit, folder=tmp_path, then=then)


def test_facts_arrive_and_a_failed_step_does_not_end_the_probe(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        "with probe.step('a', 'one') as facts:\n    facts['x'] = 1\n"
        "with probe.step('b'):\n    raise ValueError('no')\n"
        "with probe.step('c') as facts:\n    facts['y'] = [2.5]",
    )
    assert outcome.finished
    assert outcome.returncode == 0
    assert [(step.check, step.subject, step.how) for step in outcome.steps] == [
        ("a", "one", "done"),
        ("b", "", "raised"),
        ("c", "", "done"),
    ]
    assert outcome.steps[0].facts == {"x": 1}
    assert "ValueError: no" in outcome.steps[1].error
    assert outcome.peak_mib > 1


def test_a_library_cannot_fake_a_result(tmp_path: Path) -> None:
    """Whatever is printed, and whatever is written to the descriptor without the token, is no result."""
    outcome = run(
        tmp_path,
        "print('{\"end\": {}}', flush=True)\n"
        "for descriptor in range(3, 20):\n"
        '    try:\n        os.write(descriptor, b\'{"end": {"check": "fake", "subject": ""}}\\n\')\n'
        "    except OSError:\n        pass",
    )
    assert outcome.steps == ()
    assert "end" in outcome.stdout


@pytest.mark.parametrize("body", ["os._exit(0)", "sys.exit(0)", "os._exit(3)"])
def test_an_exit_inside_a_step_is_not_success(tmp_path: Path, body: str) -> None:
    outcome = run(tmp_path, f"with probe.step('a'):\n    {body}\nos._exit(0)")
    assert [step.how for step in outcome.steps] == ["exited" if "sys" in body else "unfinished"]
    assert not outcome.finished
    if "os._exit" in body:
        assert body in outcome.exit_stack or "os._exit" in outcome.exit_stack


def test_death_by_signal_keeps_what_was_found_before(tmp_path: Path) -> None:
    outcome = run(
        tmp_path,
        "with probe.step('a') as facts:\n    facts['x'] = 1\nwith probe.step('b'):\n    os.kill(os.getpid(), 11)",
    )
    assert outcome.returncode == -signal.SIGSEGV
    assert outcome.steps[0].facts == {"x": 1}
    unfinished = outcome.unfinished
    assert unfinished is not None
    assert unfinished.check == "b"
    assert "Segmentation fault" in outcome.stderr


def test_a_hang_ends_at_the_limit_and_says_where(tmp_path: Path) -> None:
    outcome = run(tmp_path, "with probe.step('a'):\n    time.sleep(600)", limit=1)
    assert outcome.timed_out
    assert outcome.seconds < 8
    assert "case0.py" in outcome.stderr


def test_a_hang_that_ignores_sigabrt_ends_too(tmp_path: Path) -> None:
    body = "import signal\nsignal.signal(signal.SIGABRT, signal.SIG_IGN)\ntime.sleep(600)"
    outcome = run(tmp_path, body, limit=1)
    assert outcome.timed_out
    assert outcome.seconds < 12


def test_children_left_behind_cannot_hold_the_harness(tmp_path: Path) -> None:
    outcome = run(tmp_path, "if os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)")
    assert outcome.finished
    assert outcome.seconds < 8


@pytest.mark.parametrize("waits", [False, True], ids=["the probe ends", "the probe hangs"])
def test_no_descendant_outlives_a_probe(tmp_path: Path, *, waits: bool) -> None:
    """A data loader's workers, or what a library started, would go on computing beside the next probe."""
    body = f"with open({str(tmp_path / 'child')!r}, 'w') as file:\n    child = os.fork()\n"
    body += "    if child == 0:\n        time.sleep(600)\n        os._exit(0)\n    file.write(str(child))\n"
    run(tmp_path, body + ("time.sleep(600)" if waits else "pass"), limit=2)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(process: int) -> bool:
    """Whether it runs; one that ended and that nobody has waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not stat.is_file() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_endless_output_is_cut(tmp_path: Path) -> None:
    outcome = run(tmp_path, "for _ in range(200):\n    sys.stderr.write('x' * 10_000)\nsys.stderr.write('end')")
    assert outcome.finished
    assert len(outcome.stderr) < 200_000
    assert outcome.stderr.endswith("end")


def test_the_environment_is_clean(tmp_path: Path) -> None:
    """A PYTHONPATH or KMP_DUPLICATE_LIB_OK of the user would make every check judge something else."""
    dirty = {
        "HOME": "/h",
        "PYTHONPATH": "/x",
        "KMP_DUPLICATE_LIB_OK": "TRUE",
        "LD_PRELOAD": "/y",
        "KERAS_BACKEND": "jax",
    }
    environ = harness.clean_environment(dirty, prefix=Path("/env"), scratch=tmp_path)
    assert environ["HOME"] == "/h"
    assert environ["PATH"].startswith("/env/bin")
    assert not {"PYTHONPATH", "KMP_DUPLICATE_LIB_OK", "LD_PRELOAD", "KERAS_BACKEND"} & set(environ)


def test_probes_that_share_a_process(tmp_path: Path) -> None:
    """What the second imports is not imported alone, and is not said to be."""
    outcome = run(
        tmp_path,
        "sys.shared = True\nwith probe.step('import.alone', 'one'):\n    pass",
        "with probe.step('import.alone', 'two') as facts:\n    facts['shared'] = sys.shared",
    )
    assert outcome.finished
    assert outcome.begun == 2
    assert [(step.check, step.subject) for step in outcome.steps] == [
        ("import.alone", "one"),
        ("import.together", "two"),
    ]
    assert outcome.steps[1].facts == {"shared": True}


@pytest.mark.parametrize(
    "body",
    [
        "with probe.step('a'):\n    raise ImportError('half of it')",
        "with probe.step('a'):\n    os._exit(0)",
        "with probe.step('a'):\n    os.kill(os.getpid(), 11)",
        "raise RuntimeError",
    ],
)
def test_after_a_failure_no_probe_follows_in_that_process(tmp_path: Path, body: str) -> None:
    outcome = run(tmp_path, body, "with probe.step('b'):\n    pass")
    assert outcome.begun == 1
    assert "b" not in {step.check for step in outcome.steps}


def test_a_hang_in_a_probe_that_follows_ends_too(tmp_path: Path) -> None:
    outcome = run(tmp_path, "with probe.step('a'):\n    pass", "with probe.step('b'):\n    time.sleep(600)", limit=0.5)
    assert outcome.timed_out
    assert outcome.begun == 2
    assert outcome.unfinished is not None
    assert outcome.unfinished.check == "b"


def test_what_workers_load_first_is_imported_alone(tmp_path: Path) -> None:
    """Its first import is that of a fresh process, so no other process need ask that of it."""
    environ = harness.clean_environment(os.environ, prefix=Path(sys.prefix), scratch=tmp_path)
    arguments = {"modules": ["json", "no_such_module"], "seconds": 5}
    outcome = harness.run(PYTHON, "workers", environ=environ, cwd=tmp_path, limit=20, arguments=arguments)
    (step,) = outcome.steps
    assert (step.check, step.subject, step.how) == ("import.alone", "json", "done")
    assert step.facts.keys() == {"file", "version"}
    assert "no_such_module" in outcome.stderr


@pytest.mark.parametrize(
    ("ends", "begun", "ended"),
    [
        ([True], [], True),
        ([False, True], [2], True),
        ([False, False, True], [2, 3], True),
        ([False], [1], False),
        ([False, False], [2, 2], False),
    ],
)
def test_each_probe_has_the_whole_time(ends: list[bool], begun: list[int], *, ended: bool) -> None:
    """Waiting goes on while a further one has been begun since, and ends where the same one still runs."""
    ends, begun = list(ends), list(begun)
    assert harness._wait_for_each(lambda: ends.pop(0), begun=lambda: begun.pop(0)) is ended
    assert not ends
    assert not begun


def test_an_interpreter_that_cannot_start_raises_oserror(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_bytes(b"\xcf\xfa\xed\xfe" + b"\0" * 100)
    broken.chmod(0o755)
    with pytest.raises(OSError, match="Exec format"):
        harness.run(broken, "process", environ={}, cwd=tmp_path, limit=5)


def test_a_cancelled_probe_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C must not wait for the limit of whatever runs."""
    (tmp_path / "case.py").write_text("import time\n\n\ndef main(probe, arguments):\n    time.sleep(600)\n")
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    begun = time.monotonic()
    outcome = harness.run(PYTHON, "case", environ={}, cwd=tmp_path, limit=300, folder=tmp_path, cancelled=cancelled)
    assert time.monotonic() - begun < 8
    assert not outcome.timed_out
    assert not outcome.finished
