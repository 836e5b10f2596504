"""What differs from a list of packages, and what is done about it, on small trees: hostile ones too."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.environment.environment import Environment
from builder.environment.sizes import size_of
from builder.environment.stamp import StampedPackage
from builder.install.drift import Drift, Problem, drift
from builder.install.repair import needs_whole, repair, work_for
from builder.install.twin import make_twin
from builder.lock.model import LockedPackage
from builder.platforms import Subdir
from builder.progress import NoProgress
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = StampedPackage(name="python", version="3.12.4", manager="conda", build="0")


def _environment(prefix: Path) -> Path:
    """A conda prefix with the conda package `tool`, which has one file; gives its site-packages."""
    site = trees.conda(prefix)
    content = b"tool"
    trees.write(prefix / "share" / "tool", content)
    path = {"_path": "share/tool", "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
    trees.record(prefix, "tool", "1.0", "share/tool", paths=[path])
    return site


def _drift(prefix: Path, *packages: StampedPackage, before: tuple[StampedPackage, ...] = ()) -> Drift:
    return drift(Environment(prefix), (PYTHON, *packages), before=before)


TOOL = StampedPackage(name="tool", version="1.0", manager="conda", build="0")
SIX = StampedPackage(name="six", version="1.0", manager="pip", sha256="a" * 64)


def test_nothing_differs(tmp_path: Path) -> None:
    _environment(tmp_path)
    found = _drift(tmp_path, TOOL)
    assert found.clean
    assert (found.packages, found.files) == (2, 2)


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    """A FIFO would block for ever, a device would never end."""
    _environment(tmp_path)
    tool = tmp_path / "share" / "tool"
    for device in (False, True):
        tool.unlink()
        if device:
            tool.symlink_to("/dev/zero")
        else:
            os.mkfifo(tool)
        assert _drift(tmp_path, TOOL).differences[0].changed == ("share/tool",)
    path = {"_path": "share/link", "path_type": "softlink", "sha256_in_prefix": "a" * 64}
    trees.record(tmp_path, "tool", "1.0", "share/link", paths=[path])
    (tmp_path / "share" / "link").symlink_to("/dev/zero")
    assert _drift(tmp_path, TOOL).differences[0].changed == ("share/link",)


def test_another_build_and_another_archive(tmp_path: Path) -> None:
    site = _environment(tmp_path)
    trees.dist(site, "six", record="six.py,,\n")
    trees.write(site / "six.py")
    rebuilt = StampedPackage(name="tool", version="1.0", manager="conda", build="1")
    (told,) = _drift(tmp_path, rebuilt, SIX).differences
    assert (told.name, told.problem, told.locked, told.installed) == ("tool", Problem.OTHER, "1.0 1", "1.0 0")
    # Of a wheel nothing on the disk tells the archive; what it was built from does.
    other = StampedPackage(name="six", version="1.0", manager="pip", sha256="b" * 64)
    assert _drift(tmp_path, TOOL, SIX, before=(other,)).differences[0].name == "six"
    assert not _drift(tmp_path, TOOL, SIX, before=(SIX,)).differences


def test_a_wheel_from_a_folder_is_not_the_locked_one(tmp_path: Path) -> None:
    site = _environment(tmp_path)
    trees.write(site / "six.py")
    url = '{"url": "file:///home/me/six", "dir_info": {}}'
    trees.dist(site, "six", record="six.py,,\n", **{"direct_url.json": url})
    found = _drift(tmp_path, TOOL, SIX)
    assert found.differences[0].problem is Problem.OTHER
    assert "from a URL" in (found.differences[0].installed or "")


def test_only_what_is_named(tmp_path: Path) -> None:
    site = _environment(tmp_path)
    (tmp_path / "share" / "tool").unlink()
    trees.write(site / "stray.py")
    found = _drift(tmp_path, TOOL, SIX)
    assert {one.name for one in found.differences} == {"tool", "six"}
    by_file = found.only(frozenset({"share/tool"}))
    assert [one.name for one in by_file.differences] == ["tool"]
    assert by_file.strays == ()
    assert [one.name for one in found.only(frozenset({"Six"})).differences] == ["six"]


def test_a_file_of_two_packages_brings_both_back(tmp_path: Path) -> None:
    """A wheel over a conda package: what restores one would leave the other with its file."""
    site = _environment(tmp_path)
    trees.dist(site, "six", record="../../../share/tool,,\n")
    (tmp_path / "share" / "tool").write_text("changed")
    environment = Environment(tmp_path)
    packages = [
        LockedPackage(
            manager=one.manager, name=one.name, version=one.version, subdir=Subdir.LINUX_64, url="", sha256=""
        )
        for one in (PYTHON, TOOL, SIX)
    ]
    work = work_for(environment, drift(environment, (PYTHON, TOOL, SIX)), packages, prune=False)
    assert work.conda == {"tool"}
    assert work.wheels == {"six"}


def test_what_is_in_the_way_is_set_aside(tmp_path: Path) -> None:
    """A folder in the place of a file, and a file in the place of a folder: nothing can be installed over them."""
    site = _environment(tmp_path)
    trees.dist(site, "six", record="six.py,,\nmore/deep/a.py,,\n")
    trees.write(site / "six.py" / "mine", "precious")
    trees.write(site / "more", "precious")
    environment = Environment(tmp_path)
    packages = [
        LockedPackage(
            manager=one.manager, name=one.name, version=one.version, subdir=Subdir.LINUX_64, url="", sha256=""
        )
        for one in (PYTHON, TOOL)
    ]
    work = work_for(environment, drift(environment, (PYTHON, TOOL, SIX)), packages, prune=False)
    below = site.relative_to(tmp_path).as_posix()
    assert work.obstacles == (f"{below}/more", f"{below}/six.py")
    from builder.install.create import CreateRequest, Surroundings
    from builder.lock.channels import Mirrors
    from builder.uv import Uv

    request = CreateRequest(
        name="e", recipe="e", prefix=tmp_path, subdir=Subdir.LINUX_64, host=Subdir.LINUX_64, lock_sha256=""
    )
    around = Surroundings(cache=tmp_path, uv=Uv(environ={}), mirrors=Mirrors())
    repair(replace(work, wheels=frozenset()), environment, packages, request, around, held=-1)
    assert (site / "six.py.set-aside" / "mine").read_text() == "precious"
    assert (site / "more.set-aside").read_text() == "precious"


def test_packages_that_do_not_vouch_for_themselves_are_restored(tmp_path: Path) -> None:
    site = _environment(tmp_path)
    trees.dist(site, "six", record="six.py,,\n")
    trees.write(site / "six.py")
    environment = Environment(tmp_path)
    for key, name in (("pip:six", "six"), ("conda:tool", "tool")):
        (told,) = drift(environment, (PYTHON, TOOL, SIX), rewritten={key}).differences
        assert (told.name, told.problem) == (name, Problem.DAMAGED)


def test_a_record_never_reaches_outside(tmp_path: Path) -> None:
    """RECORD names anything: files elsewhere, absolute ones, and through links that lead out."""
    prefix, outside = tmp_path / "env", tmp_path / "outside"
    site = _environment(prefix)
    for name in ("one", "two", "three"):
        trees.write(outside / name, "precious")
    (site / "link").symlink_to(outside)
    lines = f"../../../../outside/one,,\n{outside}/two,,\nlink/three,,\nown.py,,\n"
    trees.dist(site, "hostile", record=lines)
    trees.write(site / "own.py")
    environment = Environment(prefix)
    found = drift(environment, (PYTHON, TOOL))
    packages = [
        LockedPackage(manager="conda", name=one.name, version=one.version, subdir=Subdir.LINUX_64, url="", sha256="")
        for one in (PYTHON, TOOL)
    ]
    work = work_for(environment, found, packages, prune=True)
    assert [dist.name for dist in work.uninstalled] == ["hostile"]
    from builder.install.create import CreateRequest, Surroundings
    from builder.lock.channels import Mirrors
    from builder.uv import Uv

    request = CreateRequest(
        name="e", recipe="e", prefix=prefix, subdir=Subdir.LINUX_64, host=Subdir.LINUX_64, lock_sha256=""
    )
    around = Surroundings(cache=tmp_path, uv=Uv(environ={}), mirrors=Mirrors())
    repair(work, environment, packages, request, around, held=-1)
    assert sorted(path.name for path in outside.iterdir()) == ["one", "three", "two"]
    assert not (site / "own.py").exists()
    assert not list(site.glob("hostile*"))


def test_another_minor_version_of_python_is_no_repair(tmp_path: Path) -> None:
    _environment(tmp_path)

    def locked(version: str) -> list[LockedPackage]:
        return [
            LockedPackage(
                manager="conda", name="python", version=version, subdir=Subdir.LINUX_64, url="/python-0_cp312.conda",
                sha256="",
            )
        ]  # fmt: skip

    assert needs_whole(Environment(tmp_path), locked("3.12.9")) is None
    assert "3.12 becomes 3.13" in (needs_whole(Environment(tmp_path), locked("3.13.1")) or "")
    assert "no Python" in (needs_whole(Environment(tmp_path / "nowhere"), locked("3.12.9")) or "")


def test_a_twin_shares_what_nobody_writes_into(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for rel in ("lib/shared.so", "lib/own.txt", "conda-meta/history", "lib/__pycache__/m.cpython-312.pyc"):
        trees.write(source / rel, rel)
    (source / "lib" / "link").symlink_to("shared.so")
    (source / "lib" / "broken").symlink_to("nowhere")
    os.mkfifo(source / "lib" / "pipe")
    (source / "lib").chmod(0o755)
    (source / "private").mkdir(mode=0o700)
    target.mkdir()
    make_twin(source, target, shared={"lib/shared.so", "lib/link"}, progress=NoProgress())
    same = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and not path.is_symlink() and path.samefile(target / path.relative_to(source))
    }
    assert same == {"lib/shared.so", "lib/__pycache__/m.cpython-312.pyc"}
    assert (target / "lib" / "own.txt").read_text() == "lib/own.txt"
    assert (target / "lib" / "link").readlink().name == "shared.so"
    assert (target / "lib" / "broken").is_symlink()
    assert (target / "private").stat().st_mode & 0o777 == 0o700


def test_sizes_count_a_file_once_and_know_what_is_shared(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    trees.write(folder / "own", b"x" * 100_000)
    os.link(folder / "own", folder / "again")
    trees.write(tmp_path / "elsewhere", b"x" * 200_000)
    os.link(tmp_path / "elsewhere", folder / "shared")
    size = size_of(folder)
    assert 100_000 <= size.freed < 200_000
    assert 300_000 <= size.taken < 400_000
    assert size_of(folder / "own").taken >= 100_000
    assert size_of(tmp_path / "nowhere").taken == 0
