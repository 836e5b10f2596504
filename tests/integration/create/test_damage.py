"""Bytes that are not the locked ones, places and networks that refuse: a clear error, and nothing is lost."""

from __future__ import annotations

import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


def _nothing_left(world: World, name: str = "tiny") -> None:
    assert not world.prefix(name).exists()
    assert world.beside(name) == []


def test_other_bytes_over_http(world: World, serve: Callable[[Path], Server]) -> None:
    server = serve(world.channel)
    server.tampered.add("filler")
    answer = world.create("tiny", *world.mirror(server.url)).ended(5)
    assert "not the one that was locked" in answer.stderr
    assert "filler" in answer.stderr
    _nothing_left(world)
    server.tampered.clear()
    world.create("tiny", *world.mirror(server.url)).ended(0)
    world.whole()


def test_other_bytes_in_a_local_channel(world: World) -> None:
    """py-rattler does not check the hash of a file:// package."""
    channel = shutil.copytree(world.channel, world.root / "channel")
    package = channel / "noarch" / "filler-1.0-0.conda"
    body = bytearray(package.read_bytes())
    body[len(body) // 2] ^= 1
    package.unlink()
    package.write_bytes(body)
    answer = world.create("tiny", *world.mirror(channel.as_uri())).ended(5)
    assert "is not the package that was locked" in answer.stderr
    assert str(package) in answer.stderr
    _nothing_left(world)


def test_package_gone_from_a_local_channel(world: World) -> None:
    channel = shutil.copytree(world.channel, world.root / "channel")
    (channel / "noarch" / "filler-1.0-0.conda").unlink()
    answer = world.create("tiny", *world.mirror(channel.as_uri())).ended(4)
    assert "filler" in answer.stderr
    _nothing_left(world)


@pytest.mark.parametrize("damage", ["changed", "same size", "deleted"])
def test_damaged_package_cache(world: World, damage: str) -> None:
    """An environment edited by hand has edited the cache as well, through hard links; the next one must be right."""
    world.create("tiny").ended(0)
    (cached,) = (world.root / "rattler-cache").glob("pkgs/**/share/filler/7.bin")
    good = cached.read_bytes()
    shutil.rmtree(world.prefix())
    if damage == "deleted":
        cached.unlink()
    else:
        cached.write_bytes(b"edited" if damage == "changed" else good[:-1] + bytes([good[-1] ^ 1]))
    world.create("tiny").ended(0)
    world.whole()
    assert (world.prefix() / "share/filler/7.bin").read_bytes() == good


def _other_wheel(world: World) -> Path:
    """The index with a wheel that is good in itself, but is not the one that was locked."""
    index = shutil.copytree(world.index, world.root / "index")
    with zipfile.ZipFile(next(index.glob("simple/tinywheel/*.whl")), "a") as wheel:
        wheel.writestr("another_file.py", b"")
    return index


def test_other_wheel_from_an_index(world: World, serve: Callable[[Path], Server]) -> None:
    index = serve(_other_wheel(world))
    answer = world.create("mixed", UV_DEFAULT_INDEX=f"{index.url}/simple").ended(5)
    assert "not the one that was locked" in answer.stderr
    assert "tinywheel" in answer.stderr
    _nothing_left(world, "mixed")


def test_wheels_from_a_folder(world: World, serve: Callable[[Path], Server]) -> None:
    """uv's own settings decide where a wheel comes from; the lock decides which one it must be."""
    empty = world.root / "empty"
    empty.mkdir()
    environ = {"UV_DEFAULT_INDEX": f"{serve(empty).url}/simple"}
    other = _other_wheel(world) / "simple" / "tinywheel"
    answer = world.create("mixed", UV_FIND_LINKS=str(other), **environ).ended(5)
    assert "not the one that was locked" in answer.stderr
    _nothing_left(world, "mixed")
    world.create("mixed", UV_FIND_LINKS=str(world.index / "simple" / "tinywheel"), **environ).ended(0)
    world.whole("mixed")


def test_broken_bytes_of_a_wheel(world: World, serve: Callable[[Path], Server]) -> None:
    index = serve(world.index)
    index.tampered.add(".whl")
    answer = world.create("mixed", UV_DEFAULT_INDEX=f"{index.url}/simple", UV_HTTP_RETRIES="0").ended(5)
    assert "tinywheel" in answer.stderr
    _nothing_left(world, "mixed")


def test_failed_update_keeps_the_old_environment(world: World, serve: Callable[[Path], Server]) -> None:
    world.create("tiny").ended(0)
    before = world.whole()
    server = serve(world.channel)
    server.tampered.add("devtool")
    world.create("tiny", "--group", "dev", *world.mirror(server.url)).ended(5)
    assert world.whole() == before
    assert world.beside() == []


def test_lock_for_other_platforms_only(world: World) -> None:
    """micromamba makes an empty environment of such a lock, with a warning."""
    recipe = world.project / "recipes" / "mac.yaml"
    text = (world.project / "recipes" / "tiny.yaml").read_text()
    recipe.write_text(text.replace("name: tiny", "name: mac").replace("linux-64, osx-arm64", "osx-arm64"))
    world.run("lock", "mac").ended(0)
    answer = world.create("mac").ended(2)
    assert "is for osx-arm64, not for linux-64" in answer.stderr
    assert "add linux-64" in answer.stderr
    _nothing_left(world, "mac")


@pytest.mark.parametrize("kind", ["file", "symlink", "conda", "folder"])
def test_prefix_that_is_not_ours(world: World, kind: str) -> None:
    prefix = world.root / "theirs"
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "data.txt").write_text("precious")
    match kind:
        case "file":
            prefix.write_text("precious")
        case "symlink":
            prefix.symlink_to(elsewhere)
        case "conda":
            (prefix / "conda-meta").mkdir(parents=True)
            (prefix / "conda-meta" / "history").write_text("precious")
        case _:
            shutil.copytree(elsewhere, prefix)
    answer = world.create("tiny", "-p", str(prefix)).ended(2)
    assert str(prefix) in answer.stderr
    found = [path for path in (prefix, *prefix.rglob("*")) if path.is_file()]
    assert [path.read_text() for path in found] == ["precious"]
    assert prefix.is_symlink() == (kind == "symlink")
    assert (elsewhere / "data.txt").read_text() == "precious"


def test_prefix_too_long_for_a_package(world: World) -> None:
    """A binary has room for a prefix of limited length: say so, and what to do."""
    prefix = world.root / ("long" * 20) / "mac"
    answer = world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64").ended(5)
    assert "too long" in answer.stderr
    assert "python-" in answer.stderr
    assert "shorter" in answer.stderr
    assert not prefix.exists()


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null/home"])
def test_unwritable_home(world: World, home: str) -> None:
    answer = world.create("tiny", HOME=home).ended(5)
    assert "cannot write" in answer.stderr
    assert "-p PREFIX" in answer.stderr


def test_unwritable_home_with_another_prefix(world: World) -> None:
    """The environment is built; that it could not be listed for the IDEs is a warning."""
    prefix = world.root / "env"
    answer = world.create("tiny", "-p", str(prefix), HOME="/proc/nowhere").ended(0)
    assert "could not be listed" in answer.stderr
    world.whole(prefix=prefix)


def test_unwritable_package_cache(world: World) -> None:
    answer = world.create("tiny", RATTLER_CACHE_DIR="/proc/nowhere").ended(5)
    assert "/proc/nowhere" in answer.stderr, answer.stderr
    _nothing_left(world)


def test_unreachable_channel_at_create(world: World) -> None:
    """Packages of the lock cannot be fetched: exit code 4, and the way out for a machine that reaches only PyPI."""
    answer = world.create("tiny", *world.mirror("http://127.0.0.1:9")).ended(4)
    assert "`envbuild create tiny --source pypi`" in answer.stderr
    assert "127.0.0.1" in answer.stderr or world.channel.as_uri() in answer.stderr
    _nothing_left(world)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_channel_that_refuses(world: World, serve: Callable[[Path], Server], status: int) -> None:
    server = serve(world.channel)
    server.errors["filler"] = status
    answer = world.create("tiny", *world.mirror(server.url)).ended(4)
    assert str(status) in answer.stderr
    _nothing_left(world)


def test_unreachable_channel_at_lock(world: World) -> None:
    """No lock yet: it is made first, and fails in the same words; nothing is written."""
    shutil.rmtree(world.project / "environments")
    answer = world.create("tiny", *world.mirror("http://127.0.0.1:9")).ended(4)
    assert "`envbuild create tiny --source pypi`" in answer.stderr
    assert not (world.project / "environments").exists()


def test_unreachable_index(world: World) -> None:
    answer = world.create("mixed", UV_DEFAULT_INDEX="http://127.0.0.1:9/simple", UV_HTTP_RETRIES="0").ended(4)
    assert "PyPI" in answer.stderr
    _nothing_left(world, "mixed")


def test_unsatisfiable(world: World) -> None:
    """Exit code 3 with the solver's reason, and the lock that was there stays."""
    lock = world.project / "environments/tiny/conda-lock.yml"
    before = lock.read_bytes()
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words,", "words >=2,"))
    answer = world.run("lock", "tiny").ended(3)
    assert "words >=2" in answer.stderr
    assert lock.read_bytes() == before


def test_no_space_for_the_lock(world: World) -> None:
    """A lock is written whole or not at all."""
    lock = world.project / "environments/tiny/conda-lock.yml"
    before = lock.read_bytes()
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("[words, ", "["))
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from builder.cli import main\n"
        "import builder.files as files\n"
        "write = files.write_atomically\n"
        "def limited(path, text):\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "    write(path, text)\n"
        "files.write_atomically = limited\n"
        "main()\n"
    )
    answer = world.run_program(("-c", limited), "lock", "tiny").ended(5)
    assert "cannot write" in answer.stderr
    assert lock.read_bytes() == before
    assert not [path for path in lock.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("state", ["empty", "cut", "binary", "folder"])
def test_damaged_lock(world: World, state: str) -> None:
    lock = world.project / "environments/tiny/conda-lock.yml"
    whole = lock.read_bytes()
    match state:
        case "empty":
            lock.write_bytes(b"")
        case "cut":
            lock.write_bytes(whole[: len(whole) * 2 // 3])
        case "binary":
            lock.write_bytes(os.urandom(1000))
        case _:
            lock.unlink()
            lock.mkdir()
    answer = world.create("tiny")
    assert answer.code in (2, 5), answer.stderr
    assert "conda-lock.yml" in answer.stderr
    assert "Traceback" not in answer.stderr
    _nothing_left(world)
