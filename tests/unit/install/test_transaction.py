"""The transaction, killed at every single operation on the file system that it makes."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.environment.place import Place, hold
from builder.environment.stamp import Stamp, StampedPackage, read_stamp
from builder.errors import BuildError, UsageError
from builder.install import transaction
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Operations that change something, and so leave another state behind when the process dies after them.
_CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "shutil.rmtree")


def _stamp(version: str) -> Stamp:
    package = StampedPackage(name="thing", version=version, manager="conda")
    return Stamp(name="env", subdir=Subdir.LINUX_64, lock_sha256=version, envbuild_version="1", packages=(package,))


def _never_waiting() -> None:
    raise AssertionError("nobody else is at work here")


def _build(place: Place, version: str) -> None:
    """What an installer does, in small: folders, files, and the stamp."""
    (place.prefix / "lib" / "deep").mkdir(parents=True)
    (place.prefix / "lib" / "thing").write_text(version)
    (place.prefix / "lib" / "deep" / "other").write_text(version)
    transaction.write_stamp(place, _stamp(version))


def _create(prefix: Path, version: str) -> None:
    with transaction.exclusive(prefix, waiting=_never_waiting) as place:
        transaction.current(place)
        with transaction.replacing(place):
            _build(place, version)


def _killed_at(prefix: Path, step: int) -> bool:
    """Run a `create` of version 2 in a child that dies at its `step`th change; whether it got that far."""
    with warnings.catch_warnings():
        # Python 3.12 warns where there are threads; the child runs Python code only, and takes no lock of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in _CHANGES or writes:
                seen += 1
                if seen == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            _create(prefix, "2")
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("previous", [True, False], ids=["over an environment", "new"])
def test_killed_anywhere(tmp_path: Path, previous: bool) -> None:
    """Whatever the moment: the next run finds version 1 or version 2 whole (or nothing, if nothing was there)."""
    outcomes = set()
    for step in range(1, 200):
        folder = tmp_path / str(step)
        prefix = folder / "env"
        folder.mkdir()
        if previous:
            _create(prefix, "1")
        died = _killed_at(prefix, step)
        with transaction.exclusive(prefix, waiting=_never_waiting) as place:
            stamp = transaction.current(place)
            left = sorted(path.name for path in folder.iterdir())
        if stamp is None:
            assert not previous, f"the environment that was there is lost (killed at step {step})"
            assert left == [".env.envbuild-lock"]
            outcomes.add("nothing")
        else:
            version = stamp.packages[0].version
            outcomes.add(version)
            assert left == [".env.envbuild-lock", "env"]
            assert transaction.finished(prefix) == stamp
            assert sorted(str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()) == [
                "conda-meta/envbuild.stamp",
                "lib/deep/other",
                "lib/thing",
            ]
            assert (prefix / "lib" / "thing").read_text() == version
            assert (prefix / "lib" / "deep" / "other").read_text() == version
        _create(prefix, "3")
        assert (prefix / "lib" / "thing").read_text() == "3"
        if not died:
            break
    else:
        pytest.fail("the transaction never ran to its end")
    assert step > 10
    assert outcomes == ({"1", "2"} if previous else {"nothing", "2"})


@pytest.mark.parametrize("error", [BuildError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_failure_brings_the_previous_one_back(tmp_path: Path, error: BaseException) -> None:
    prefix = tmp_path / "env"
    _create(prefix, "1")
    with (  # noqa: PT012 - it is what is built before the error that matters
        pytest.raises(type(error)),
        transaction.exclusive(prefix, waiting=_never_waiting) as place,
        transaction.replacing(place),
    ):
        _build(place, "2")
        raise error
    assert transaction.finished(prefix) == _stamp("1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env.envbuild-lock", "env"]


def test_failure_leaves_nothing_new(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    with (  # noqa: PT012 - it is what is built before the error that matters
        pytest.raises(BuildError),
        transaction.exclusive(prefix, waiting=_never_waiting) as place,
        transaction.replacing(place),
    ):
        _build(place, "2")
        raise BuildError("no")
    assert [path.name for path in tmp_path.iterdir()] == [".env.envbuild-lock"]


def test_interrupt_before_anything_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A roll-back that deletes whatever is at the prefix would delete the very environment it is to keep."""
    prefix = tmp_path / "env"
    _create(prefix, "1")

    def interrupted(*_of: object) -> None:
        raise KeyboardInterrupt

    with transaction.exclusive(prefix, waiting=_never_waiting) as place:
        monkeypatch.setattr(transaction, "_begin", interrupted)
        with pytest.raises(KeyboardInterrupt), transaction.replacing(place):
            pass
    assert transaction.finished(prefix) == _stamp("1")


def test_impatient_second_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice: the second one must not stop the previous environment from coming back."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    undo = transaction._undo

    def pressed_again(place: Place) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        undo(place)

    monkeypatch.setattr(transaction, "_undo", pressed_again)
    with (
        pytest.raises(BuildError),
        transaction.exclusive(prefix, waiting=_never_waiting) as place,
        transaction.replacing(place),
    ):
        raise BuildError("no")
    assert transaction.finished(prefix) == _stamp("1")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_threads_that_still_write(tmp_path: Path) -> None:
    """An interrupted installation has workers that link on for a moment; what they leave is no environment."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    stop = threading.Event()

    def link_on() -> None:
        for number in range(8):
            # The folder may be moved away between the two.
            with suppress(OSError):
                (prefix / "lib" / "late").mkdir(parents=True, exist_ok=True)
                (prefix / "lib" / "late" / str(number)).write_text("late")
            if stop.wait(0.05):
                return

    worker = threading.Thread(target=link_on)
    with (  # noqa: PT012 - it is what is built before the error that matters
        pytest.raises(BuildError),
        transaction.exclusive(prefix, waiting=_never_waiting) as place,
        transaction.replacing(place),
    ):
        worker.start()
        time.sleep(0.02)
        raise BuildError("no")
    stop.set()
    worker.join()
    assert not (prefix / "lib" / "late").exists()
    assert transaction.finished(prefix) == _stamp("1")


def test_a_folder_that_comes_back_while_the_old_one_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker makes its folder again in the moment after the half-built prefix was moved away: that goes, too."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    rename = Path.rename

    def rename_and_link_on(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        if self == prefix and not (tmp_path / "linked").exists() and transaction.finished(prefix) is None:
            (tmp_path / "linked").touch()
            (prefix / "lib").mkdir(parents=True)
            (prefix / "lib" / "late").write_text("late")
        return moved

    with (  # noqa: PT012 - it is what is built before the error that matters
        pytest.raises(BuildError),
        transaction.exclusive(prefix, waiting=_never_waiting) as place,
        transaction.replacing(place),
    ):
        monkeypatch.setattr(Path, "rename", rename_and_link_on)
        raise BuildError("no")
    assert (tmp_path / "linked").exists()
    assert transaction.finished(prefix) == _stamp("1")


@pytest.mark.parametrize("kind", ["file", "symlink", "dangling", "conda", "folder"])
def test_what_is_not_ours_stays(tmp_path: Path, kind: str) -> None:
    prefix = tmp_path / "env"
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").write_text("data")
    match kind:
        case "file":
            prefix.write_text("data")
        case "symlink":
            prefix.symlink_to(other)
        case "dangling":
            prefix.symlink_to(tmp_path / "nowhere")
        case "conda":
            (prefix / "conda-meta").mkdir(parents=True)
            (prefix / "conda-meta" / "history").write_text("")
        case _:
            prefix.mkdir()
            (prefix / "precious").write_text("data")
    before = _state(tmp_path)
    with pytest.raises(UsageError, match=r"not a folder|did not make"):
        _create(prefix, "2")
    assert _state(tmp_path) == before


def _state(folder: Path) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
        if not path.name.endswith("envbuild-lock")
    }


def test_symlink_to_a_half_built_environment_is_left_alone(tmp_path: Path) -> None:
    """The mark of being built is looked for in the prefix itself, not in what a link of the user's leads to."""
    (tmp_path / "elsewhere" / "conda-meta").mkdir(parents=True)
    (tmp_path / "elsewhere" / "conda-meta" / "envbuild.building").write_text("1")
    (tmp_path / "env").symlink_to("elsewhere")
    with pytest.raises(UsageError):
        _create(tmp_path / "env", "2")
    assert (tmp_path / "env").is_symlink()
    assert (tmp_path / "elsewhere" / "conda-meta" / "envbuild.building").is_file()


def test_what_somebody_made_after_a_crash_stays(tmp_path: Path) -> None:
    """Killed between the two renames, then `conda create` at the prefix: both environments are kept."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    prefix.rename(Place(prefix).old)
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").write_text("")
    with pytest.raises(UsageError):
        _create(prefix, "2")
    assert (prefix / "conda-meta" / "history").is_file()
    assert read_stamp(Place(prefix).old) == _stamp("1")


def test_what_a_dying_process_wrote_after_a_crash_is_no_environment(tmp_path: Path) -> None:
    """Bytecode of a probe that outlived the `create` that was killed: the former environment comes back."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    prefix.rename(Place(prefix).old)
    cache = prefix / "lib" / "python3.12" / "__pycache__"
    cache.mkdir(parents=True)
    (cache / "os.cpython-312.pyc").write_bytes(b"")
    transaction.require_replaceable(prefix)
    with transaction.exclusive(prefix, waiting=_never_waiting) as place:
        assert transaction.current(place) == _stamp("1")
    shutil.rmtree(prefix)
    cache.mkdir(parents=True)
    (cache / "os.cpython-312.pyc").write_bytes(b"")
    _create(prefix, "2")
    assert transaction.finished(prefix) == _stamp("2")


@pytest.mark.parametrize("kept", ["lib/module.py", "x.pyc", "__pycache__/notes.txt"])
def test_a_single_file_of_somebodys_is_no_debris(tmp_path: Path, kept: str) -> None:
    prefix = tmp_path / "env"
    (prefix / "lib" / "__pycache__").mkdir(parents=True)
    (prefix / kept).parent.mkdir(exist_ok=True)
    (prefix / kept).write_text("data")
    with pytest.raises(UsageError):
        _create(prefix, "2")
    assert (prefix / kept).read_text() == "data"


@pytest.mark.parametrize(
    ("content", "told"),
    [('{"format": 99}', "a newer envbuild made it"), ("{", "made by envbuild, but"), ("[]", "made by envbuild, but")],
)
def test_a_stamp_of_another_version_is_no_strangers_environment(tmp_path: Path, content: str, told: str) -> None:
    prefix = tmp_path / "env"
    _create(prefix, "1")
    (prefix / "conda-meta" / "envbuild.stamp").write_text(content)
    with pytest.raises(UsageError, match=told):
        _create(prefix, "2")
    assert (prefix / "lib" / "thing").read_text() == "1"


def test_an_environment_hidden_behind_a_folder_is_named(tmp_path: Path) -> None:
    """And doing what is said puts it back."""
    prefix = tmp_path / "env"
    _create(prefix, "1")
    prefix.rename(Place(prefix).old)
    prefix.mkdir()
    (prefix / "precious").write_text("data")
    with pytest.raises(UsageError, match=r"\.env\.envbuild-old") as caught:
        _create(prefix, "2")
    assert "move" in (caught.value.hint or "")
    prefix.rename(tmp_path / "moved")
    with transaction.exclusive(prefix, waiting=_never_waiting) as place:
        assert transaction.current(place) == _stamp("1")


def test_interrupted_while_the_former_one_is_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new one is in place by then, and what is left of the former is deleted by the next."""
    prefix = tmp_path / "env"
    _create(prefix, "1")

    def pressed(place: Place) -> None:
        if read_stamp(prefix) == _stamp("2"):
            raise KeyboardInterrupt

    monkeypatch.setattr(transaction, "_empty_trash", pressed)
    with pytest.raises(KeyboardInterrupt):
        _create(prefix, "2")
    monkeypatch.undo()
    assert read_stamp(prefix) == _stamp("2")
    _create(prefix, "3")
    assert transaction.finished(prefix) == _stamp("3")


def test_lock_of_a_removed_environment(tmp_path: Path) -> None:
    """Whoever waited while it was removed, lock file and all, does not work beside one who came later."""
    prefix = tmp_path / "env"
    first = hold(prefix)
    waiting = threading.Event()
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(hold(prefix, waiting=waiting.set)))
    thread.start()
    assert waiting.wait(5)
    Place(prefix).lock_file.unlink()
    os.close(first)
    thread.join(5)
    with pytest.raises(BlockingIOError):
        hold(prefix)
    os.close(got[0])
    os.close(hold(prefix))


def test_empty_folder_may_be_used(tmp_path: Path) -> None:
    prefix = tmp_path / "env"
    prefix.mkdir()
    _create(prefix, "1")
    assert transaction.finished(prefix) == _stamp("1")


def test_second_one_waits(tmp_path: Path) -> None:
    """Two at once: the second begins only when the first is through, and sees its work."""
    prefix = tmp_path / "env"
    waited = threading.Event()
    seen: list[Stamp | None] = []

    def second() -> None:
        with transaction.exclusive(prefix, waiting=waited.set) as place:
            seen.append(transaction.current(place))

    thread = threading.Thread(target=second)
    with transaction.exclusive(prefix, waiting=_never_waiting) as place, transaction.replacing(place):
        thread.start()
        assert waited.wait(5)
        _build(place, "1")
        assert not seen
    thread.join()
    assert seen == [_stamp("1")]


def test_child_that_outlives_us_holds_the_place(tmp_path: Path) -> None:
    """uv goes on installing when envbuild is killed: nobody may begin there before it ends."""
    import subprocess

    prefix = tmp_path / "env"
    with transaction.exclusive(prefix, waiting=_never_waiting) as place:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], pass_fds=(place.held,), stdin=subprocess.PIPE
        )
    released: list[float] = []

    def waiting() -> None:
        assert child.stdin is not None
        child.stdin.close()
        released.append(time.monotonic())

    with transaction.exclusive(prefix, waiting=waiting):
        assert released, "the lock was free while the child still ran"
    assert child.wait() == 0


@pytest.mark.parametrize("place", ["/proc/nowhere/env", "/dev/null/env", "/"])
def test_unwritable_place(place: str) -> None:

    with pytest.raises((BuildError, UsageError), match=r"cannot") as caught:
        _create(Path(place), "1")
    assert caught.value.hint


def test_lock_file_is_not_written_through_a_symlink(tmp_path: Path) -> None:
    """In a folder that others may write to, the lock's name could have been made a link to a file of ours."""
    precious = tmp_path / "precious"
    precious.write_text("data")
    Place(tmp_path / "env").lock_file.symlink_to(precious)
    with pytest.raises(BuildError):
        _create(tmp_path / "env", "1")
    assert precious.read_text() == "data"


def test_finished_is_strict(tmp_path: Path) -> None:
    """The quick no-op must not take an environment for done that is still being proven, or has leftovers beside it."""
    prefix = tmp_path / "env"

    @contextmanager
    def checked() -> Iterator[Place]:
        with transaction.exclusive(prefix, waiting=_never_waiting) as place, transaction.replacing(place):
            yield place

    with checked() as place:
        _build(place, "1")
        assert read_stamp(prefix) == _stamp("1")
        assert transaction.finished(prefix) is None, "still being proven"
    assert transaction.finished(prefix) == _stamp("1")
    shutil.copytree(prefix, place.old)
    assert transaction.finished(prefix) is None, "the previous environment still has to be deleted"


@pytest.mark.parametrize("name", ["new\nline", "o'brien", 'a"b', "back\\slash", "a:b", "\x1b[2J"])
def test_a_path_that_python_and_scripts_cannot_hold(tmp_path: Path, name: str) -> None:
    """It is written into source and shebangs. Nothing is made beside it either."""
    with pytest.raises(UsageError, match="cannot be an environment") as caught:
        transaction.require_replaceable(tmp_path / name)
    assert name not in caught.value.message or name.isprintable()
    assert not list(tmp_path.iterdir())
    transaction.require_replaceable(tmp_path / "with space" / "\u00fc \u65e5\u672c")
