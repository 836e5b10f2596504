"""Ctrl-C is answered at once with what is done, a second one leaves the deleting, and what is said then is true."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from builder.environment.place import Place
from builder.environment.removal import remove
from builder.environment.sizes import measured_within
from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.errors import InterruptedByUserError
from builder.install import transaction
from builder.install.create import CreateRequest as Build
from builder.operations.cleaning import CleanRequest, What, clean, cleanable
from builder.operations.created import identity, interrupted
from builder.platforms import Subdir
from builder.progress import NoProgress
from tests.workspaces import workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.progress import Progress


def _environment(prefix: Path, lock: str) -> None:
    stamp = Stamp(name="ml", recipe="ml", subdir=Subdir.LINUX_64, lock_sha256=lock, envbuild_version="", packages=())
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    (prefix / RELATIVE_PATH).write_text(stamp.dumps())


class _Heard(NoProgress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)


def _replace(prefix: Path, progress: Progress) -> None:
    """What is being built when Ctrl-C comes."""
    with (
        transaction.exclusive(prefix, waiting=lambda: None) as place,
        transaction.replacing(place, progress=progress),
    ):
        (prefix / "lib").mkdir()
        (prefix / "lib" / "large").write_bytes(b"x" * 3_000_000)
        raise KeyboardInterrupt


def _told(prefix: Path, before: int | None = None) -> InterruptedByUserError:
    build = Build(name="ml", recipe="ml", prefix=prefix, subdir=Subdir.LINUX_64, host=None, lock_sha256="new")
    return interrupted(build, before)


@pytest.mark.parametrize("previous", [False, True])
def test_the_first_says_what_is_done(tmp_path: Path, previous: bool) -> None:
    prefix, heard = tmp_path / "env", _Heard()
    if previous:
        _environment(prefix, "old")
    before = identity(prefix)
    with pytest.raises(KeyboardInterrupt):
        _replace(prefix, heard)
    (said,) = heard.notes
    assert ("the previous environment is put back" in said) == previous
    assert "(3 MB) is deleted; press Ctrl-C again" in said
    assert Place(prefix).leftovers() == []
    ended = _told(prefix, before)
    assert ("before is still there" if previous else "nothing is left") in ended.message
    assert ended.hint is None


@pytest.mark.parametrize("previous", [False, True])
@pytest.mark.parametrize("moment", ["undo", "delete"])
def test_the_second_leaves_the_rest_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, previous: bool, moment: str
) -> None:
    prefix = tmp_path / "env"
    if previous:
        _environment(prefix, "old")
    before = identity(prefix)

    def again(function: Callable[..., Any]) -> Callable[..., Any]:
        def pressed(*arguments: Any, **more: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            return function(*arguments, **more)

        return pressed

    place, name = (transaction, "_undo") if moment == "undo" else (shutil, "rmtree")
    monkeypatch.setattr(place, name, again(getattr(place, name)))
    with pytest.raises(KeyboardInterrupt):
        _replace(prefix, NoProgress())
    monkeypatch.undo()
    (trash,) = Place(prefix).leftovers()
    assert (trash / "lib" / "large").is_file()
    ended = _told(prefix, before)
    assert ("before is still there" if previous else "is gone from there") in ended.message
    assert f"{trash} is still to be deleted" in ended.message
    assert "`envbuild clean`" in (ended.hint or "")
    # The next run deletes it, as was said.
    with transaction.exclusive(prefix, waiting=lambda: None):
        pass
    assert not trash.exists()


def test_the_answer_does_not_wait_for_a_large_folder(tmp_path: Path) -> None:
    folder = tmp_path
    for number in range(200):
        (folder / f"{number}").mkdir()
        (folder / f"{number}" / "file").write_bytes(b"x" * 5000)
    whole = measured_within(folder, seconds=60)
    assert whole.whole
    assert whole.taken >= 1_000_000
    begun = time.monotonic()
    part = measured_within(folder, seconds=0)
    assert (part.whole, part.taken) == (False, 0)
    assert time.monotonic() - begun < 0.1


def test_remove_that_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = tmp_path / "env"
    _environment(prefix, "old")

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", pressed)
    with pytest.raises(InterruptedByUserError, match="is removed, but") as ended:
        remove(prefix, home=tmp_path / "home")
    monkeypatch.undo()
    (trash,) = Place(prefix).leftovers()
    assert str(trash) in ended.value.message
    assert not prefix.exists()


def test_clean_finds_what_an_interrupted_clean_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workspace(tmp_path)
    (here.package_cache / "numpy").mkdir(parents=True)
    mine = here.package_cache.with_name(f".{here.package_cache.name}.envbuild-cleaned-mine")
    mine.mkdir()

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    plan = cleanable(here, CleanRequest(only=(What.PACKAGES,)))
    monkeypatch.setattr(shutil, "rmtree", pressed)
    with pytest.raises(KeyboardInterrupt):
        clean(here, plan)
    monkeypatch.undo()
    assert not here.package_cache.exists()
    left = cleanable(here, CleanRequest(only=(What.PACKAGES,)))
    (item,) = left.items
    assert "envbuild-cleaned" in item.path.name
    assert clean(here, left).items == left.items
    assert list(here.package_cache.parent.glob(".*.envbuild-cleaned-*")) == [mine]
