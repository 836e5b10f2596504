"""Killed, interrupted, out of space: the next `create` finds a whole environment, the previous one, or nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.environment.stamp import Verdict
from tests.integration.create.world import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


#: Runs envbuild and kills it right after an operation on the file system that the arguments name.
_KILLED_AFTER = """
import os, signal, sys
event, part = sys.argv[1:3]
del sys.argv[1:3]
reached = fired = False
def watch(name, arguments):
    global reached, fired
    if reached and not fired:
        fired = True
        os.kill(os.getpid(), signal.{signal})
    reached = reached or (name == event and part in " ".join(str(argument) for argument in arguments[:2]))
sys.addaudithook(watch)
from builder.cli import main
main()
"""


def _changed_lock(world: World) -> None:
    """Make the lock another one, so that an environment of the present lock is no longer current."""
    lock = world.project / "environments/tiny/conda-lock.yml"
    lock.write_text(f"{lock.read_text()}# another\n")


def _linked(prefix: Path) -> bool:
    return any((prefix / "conda-meta").glob("*.json"))


# Moments told by what the process does to the file system: (event of sys.audit, part of its arguments).
MOMENTS = {
    "before the previous one is moved aside": ("os.mkdir", "envbuild-trash"),
    "previous one moved aside, new one not begun": ("os.rename", "envbuild-old"),
    "new one begun, nothing linked": ("os.rename", "envbuild-trash"),
    "records being completed": ("open", "conda-meta/words"),
    "stamp written": ("os.rename", "envbuild.stamp"),
    "mark taken away, previous one still there": ("os.remove", "envbuild.building"),
    "previous one being deleted": ("shutil.rmtree", "envbuild-trash"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_over_an_environment(world: World, moment: str) -> None:
    """kill -9: the state is the old environment or the new one, and `create` again makes it the new one, alone."""
    world.create("tiny").ended(0)
    old = world.whole().lock_sha256
    _changed_lock(world)
    program = ("-c", _KILLED_AFTER.format(signal="SIGKILL"), *MOMENTS[moment])
    killed = world.run_program(program, "create", "tiny", "--no-verify", "--force")
    assert killed.code == -signal.SIGKILL, f"the moment never came\n{killed.stderr}"
    world.create("tiny").ended(0)
    assert world.whole().lock_sha256 != old
    assert world.beside() == []


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("previous one moved aside, new one not begun", signal.SIGTERM),
        ("new one begun, nothing linked", signal.SIGINT),
        ("records being completed", signal.SIGTERM),
        ("stamp written", signal.SIGINT),
    ],
)
def test_interrupted_over_an_environment(world: World, moment: str, number: signal.Signals) -> None:
    """Ctrl-C: exit code 130, and the previous environment is back at once, without another `create`."""
    world.create("tiny").ended(0)
    before = world.whole()
    _changed_lock(world)
    program = ("-c", _KILLED_AFTER.format(signal=number.name), *MOMENTS[moment])
    interrupted = world.run_program(program, "create", "tiny", "--no-verify", "--force").ended(130)
    assert "interrupted" in interrupted.stderr
    assert world.whole() == before
    assert world.beside() == []


@pytest.fixture
def slow(world: World, serve: Callable[[Path], Server]) -> Server:
    """The channel over HTTP, which stops in the middle of the package `filler`."""
    server = serve(world.channel)
    server.stall("filler")
    return server


def test_killed_while_downloading(world: World, slow: Server) -> None:
    """Half a package in the cache and half an environment on the disk must not be taken for whole ones."""
    process = world.start("create", "tiny", "--no-verify", *world.mirror(slow.url))
    assert slow.reached.wait(30)
    _until(lambda: _linked(world.prefix()), "nothing was linked while the download stalled")
    process.kill()
    wait(process)
    assert (world.prefix() / "conda-meta" / "envbuild.building").is_file()
    slow.release()
    world.create("tiny", *world.mirror(slow.url)).ended(0)
    world.whole()
    assert world.beside() == []


@pytest.fixture
def hears_hangups() -> Iterator[None]:
    """Whoever was started by nohup is deaf to SIGHUP, and so are all that it starts."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
def test_interrupted_while_downloading(world: World, slow: Server, number: signal.Signals) -> None:
    process = world.start("create", "tiny", "--no-verify", *world.mirror(slow.url))
    assert slow.reached.wait(30)
    _until(lambda: _linked(world.prefix()), "nothing was linked while the download stalled")
    os.killpg(process.pid, number)
    began = time.monotonic()
    wait(process).ended(130)
    assert time.monotonic() - began < 10
    slow.release()
    time.sleep(0.3)
    assert not world.prefix().exists()
    assert world.beside() == []
    world.create("tiny", *world.mirror(slow.url)).ended(0)
    world.whole()


def test_killed_while_linking(world: World) -> None:
    """At a random moment after the first package is there; several of them."""
    for delay in (0.0, 0.05, 0.15):
        process = world.start("create", "tiny", "--no-verify")
        _until(lambda: _linked(world.prefix()), "nothing was linked")
        time.sleep(delay)
        process.kill()
        wait(process)
    world.create("tiny").ended(0)
    world.whole()
    assert world.beside() == []


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.005)


@pytest.fixture
def slow_index(world: World, serve: Callable[[Path], Server]) -> Server:
    """An index that stops in the middle of the wheel."""
    server = serve(world.index)
    server.stall(".whl")
    return server


def _mixed(world: World, index: Server) -> subprocess.Popen[str]:
    process = world.start("create", "mixed", "--no-verify", UV_DEFAULT_INDEX=f"{index.url}/simple")
    assert index.reached.wait(30), wait(process)
    return process


def test_killed_while_uv_installs(world: World, slow_index: Server) -> None:
    """uv ends with us, so that the next `create` need not wait for a download that nobody wants any more."""
    process = _mixed(world, slow_index)
    process.kill()
    process.wait()
    assert (world.prefix("mixed") / "conda-meta" / "envbuild.building").is_file()
    _until(lambda: not _running_below(world.root), "uv goes on without us")
    slow_index.release()
    wait(world.start("create", "mixed", "--no-verify", UV_DEFAULT_INDEX=f"{slow_index.url}/simple")).ended(0)
    wait(process)
    world.whole("mixed")
    assert world.beside("mixed") == []
    python = world.prefix("mixed") / "bin" / "python"
    run = subprocess.run([python, "-c", "import tinywheel; print(tinywheel.VALUE)"], capture_output=True, text=True)
    assert run.stdout == "42\n"


def _running_below(folder: Path) -> list[str]:
    """The command lines of processes that name `folder`, or work in an environment below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in line:
                found.append(line)
    return found


def test_killed_while_proving(world: World) -> None:
    """A new environment is whole by then: it is kept, unproven, its probes end with us, and the next one proves it."""
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(f"{recipe.read_text()}verify:\n  snippets: ['import time; time.sleep(50)']\n")
    process = world.start("create", "tiny", "--force")
    _until(lambda: any("snippet" in line for line in _running_below(world.prefix())), "it was not proven")
    process.kill()
    process.communicate()
    _until(lambda: not _running_below(world.prefix()), "a probe goes on without us")
    assert world.whole().verdict is None
    assert world.beside() == []
    recipe.write_text(recipe.read_text().replace("time.sleep(50)", "raise SystemExit(1)"))
    world.run("create", "tiny").ended(1)
    assert world.whole().verdict is Verdict.FAILED
    again = world.run("create", "tiny", "--json").ended(1)
    assert again.result["changed"] is False
    assert world.whole().verdict is Verdict.FAILED


def test_killed_while_proving_over_an_environment(world: World) -> None:
    """Not proven, it does not take the place of the one before; and nothing goes on writing into it."""
    world.create("tiny").ended(0)
    before = world.whole()
    _changed_lock(world)
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(f"{recipe.read_text()}verify:\n  snippets: ['import time; time.sleep(50)']\n")
    process = world.start("create", "tiny", "--force")
    _until(lambda: any("snippet" in line for line in _running_below(world.prefix())), "it was not proven")
    process.kill()
    process.communicate()
    _until(lambda: not _running_below(world.prefix()), "a probe goes on without us")
    recipe.write_text(recipe.read_text().replace("time.sleep(50)", "raise SystemExit(1)"))
    world.run("create", "tiny", "--force").ended(1)
    assert world.whole() == before
    assert world.beside() == []


def test_killed_at_any_moment(world: World) -> None:
    """From the first import to the last probe, again and again: the next one always finds its way."""
    temporary = world.root / "tmp"
    temporary.mkdir()
    for delay in (0.3, 0.9, 1.4, 1.9, 2.4, 3.0, 3.7, 4.5):
        process = world.start("create", "tiny", "--force", program=("-m", "builder"), TMPDIR=str(temporary))
        time.sleep(delay)
        process.kill()
        process.communicate()
        _until(lambda: not _running_below(world.prefix()), f"something goes on without us, after {delay} s")
    world.run_program(("-m", "builder"), "create", "tiny", TMPDIR=str(temporary)).ended(0)
    assert world.whole().verdict is Verdict.PASSED
    assert world.beside() == []
    assert [path.name for path in temporary.iterdir() if "envbuild" in path.name] == []


@pytest.mark.parametrize("whole_group", [True, False], ids=["Ctrl-C", "SIGTERM to envbuild alone"])
def test_interrupted_while_uv_installs(world: World, slow_index: Server, whole_group: bool) -> None:
    """A terminal interrupts uv as well, `kill` only us; either way uv has ended and nothing is left."""
    process = _mixed(world, slow_index)
    if whole_group:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.terminate()
    wait(process).ended(130)
    slow_index.release()
    assert not world.prefix("mixed").exists()
    assert world.beside("mixed") == []


def test_two_at_once(world: World, slow: Server) -> None:
    """Both succeed: the second waits for the first and has nothing to do."""
    first = world.start("create", "tiny", "--no-verify", "--json", *world.mirror(slow.url))
    assert slow.reached.wait(30)
    second = world.start("create", "tiny", "--no-verify", "--json", *world.mirror(slow.url))
    time.sleep(1.5)
    assert second.poll() is None
    slow.release()
    answers = [wait(first).ended(0), wait(second).ended(0)]
    assert [answer.result["changed"] for answer in answers] == [True, False]
    world.whole()
    assert world.beside() == []
    assert (world.home / ".conda/environments.txt").read_text() == f"{world.prefix()}\n"


def test_interrupted_while_waiting(world: World, slow: Server) -> None:
    """Ctrl-C ends the one that waits at once, and does not touch what the other one is building."""
    first = world.start("create", "tiny", "--no-verify", *world.mirror(slow.url))
    assert slow.reached.wait(30)
    second = world.start("create", "tiny", "--no-verify", *world.mirror(slow.url))
    assert second.stderr is not None
    assert "waiting for it" in second.stderr.readline()
    os.killpg(second.pid, signal.SIGINT)
    wait(second, seconds=10).ended(130)
    assert (world.prefix() / "conda-meta" / "envbuild.building").is_file()
    slow.release()
    wait(first).ended(0)
    world.whole()


@pytest.fixture
def small_disk(world: World) -> Iterator[Path]:
    """A file system of 8 MB, of which an environment here takes more."""
    folder = world.root / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder],  # noqa: S607
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)  # noqa: S607


def test_disk_full_at_the_prefix(world: World, small_disk: Path) -> None:
    """Exit code 5, saying so; what was there before is there again and the space is free."""
    prefix = small_disk / "env"
    answer = world.create("tiny", "-p", str(prefix)).ended(5)
    assert "disk is full" in answer.stderr or "No space left" in answer.stderr, answer.stderr
    assert "free space" in answer.stderr
    assert sorted(path.name for path in small_disk.iterdir()) == [".env.envbuild-lock"]
    world.create("tiny").ended(0)


def test_mount_point(world: World, small_disk: Path) -> None:
    """It cannot be moved aside; a folder in it can."""
    answer = world.create("tiny", "-p", str(small_disk)).ended(2)
    assert "is a mount point" in answer.stderr
    assert f"-p {small_disk}/env" in answer.stderr


def test_disk_full_at_the_cache(world: World, small_disk: Path) -> None:
    answer = world.create("tiny", RATTLER_CACHE_DIR=str(small_disk)).ended(5)
    assert f"the disk is full at {small_disk}" in answer.stderr, answer.stderr
    assert "RATTLER_CACHE_DIR" in answer.stderr
    assert not world.prefix().exists()
    assert world.beside() == []
    world.create("tiny").ended(0)
    world.whole()


def test_disk_full_for_uv(world: World, small_disk: Path, serve: Callable[[Path], Server]) -> None:
    """The disk may fill up while uv is at work, too."""
    index = serve(world.index)
    (small_disk / "filling").write_bytes(b"\0" * 7_900_000)
    environ = {"UV_DEFAULT_INDEX": f"{index.url}/simple", "UV_CACHE_DIR": str(small_disk / "uv")}
    with (small_disk / "rest").open("wb") as stream:
        while True:
            try:
                os.write(stream.fileno(), b"\0" * 4096)
            except OSError:
                break
    answer = world.create("mixed", **environ).ended(5)
    assert f"the disk is full at {small_disk}" in answer.stderr, answer.stderr
    assert "UV_CACHE_DIR" in answer.stderr
    assert not world.prefix("mixed").exists()


_LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from builder.cli import main
main()
"""


@pytest.mark.parametrize("limit", [2_000_000, 2_000, 100])
def test_no_file_larger_than(world: World, limit: int) -> None:
    """The quota of a shared machine hits at other places: the library of Python, a record, our own mark."""
    world.create("tiny").ended(0)
    before = world.whole()
    _changed_lock(world)
    environ = {"RATTLER_CACHE_DIR": str(world.root / "empty-cache")} if limit > 1_000_000 else {}
    answer = world.run_program(
        ("-c", _LIMITED, str(limit)), "create", "tiny", "--no-verify", "--force", **environ
    ).ended(5)
    assert "large" in answer.stderr, answer.stderr
    assert world.whole() == before
    assert world.beside() == []


_FULL_AT = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
part = sys.argv.pop(1)
def watch(name, arguments):
    if name == "open" and part in str(arguments[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
sys.addaudithook(watch)
from builder.cli import main
main()
"""


@pytest.mark.parametrize("part", ["conda-meta/words", ".condarc", ".envbuild.stamp."])
def test_full_while_we_write_ourselves(world: World, part: str) -> None:
    """Records, settings and the stamp are written by us, after the installers are through."""
    answer = world.run_program(("-c", _FULL_AT, part), "create", "tiny", "--no-verify").ended(5)
    assert "cannot be written" in answer.stderr
    assert not world.prefix().exists()
    assert world.beside() == []


def test_host_channel_killed_while_it_is_made(tmp_path: Path) -> None:
    """Packaging Python takes seconds: a half-made channel must not be used, nor pile up."""
    code = (
        "import sys; from pathlib import Path; from builder.channel.host import host_channel;"
        "from builder.channel.interpreters import inspect; from builder.platforms import Subdir;"
        "from builder.uv import Uv; here = inspect(Path(sys.executable)); cache = Path(sys.argv[1]);"
        "print(host_channel(here, subdir=Subdir.LINUX_64, cache=cache, uv=Uv(environ={})).url)"
    )
    from tests.integration.create.world import REPOSITORY

    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environ)
    _until(lambda: any(tmp_path.glob(".making-*/python/lib")), "the channel was not begun")
    process.kill()
    process.wait()
    assert not list(tmp_path.glob("python-*"))
    (left,) = tmp_path.glob(".making-*")
    made = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environ, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert len(list(tmp_path.glob("python-*/linux-64/repodata.json"))) == 1
    assert not left.exists()
