"""`envbuild pack`, `unpack` and `mirror`: everything into one file, and back where nobody can be asked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.lock.read import read_lock
from builder.published import UPGRADE
from tests.integration.create.server import Server
from tests.integration.create.world import wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.create.world import World

_SECRET = "s3cret-word"


@dataclass
class Served:
    """The world with its channel and index behind servers, which can be taken away; `mixed` is locked from them."""

    world: World
    channel: Server
    index: Server

    @property
    def uv(self) -> dict[str, str]:
        return {"UV_DEFAULT_INDEX": f"{self.index.url}/simple"}

    def gone(self) -> None:
        for server in (self.channel, self.index):
            server.__exit__(None, None, None)


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    with Server(world.channel) as channel, Server(world.index) as index:
        here = Served(world, channel, index)
        for recipe in (world.project / "recipes").glob("*.yaml"):
            recipe.write_text(recipe.read_text().replace(world.channel.as_uri(), channel.url))
        world.run("lock", "mixed", **here.uv).ended(0)
        yield here


@pytest.fixture
def index(world: World, serve: Callable[[Path], Server]) -> dict[str, str]:
    """The variables that make uv ask the index the lock of `mixed` was made from, wherever it is served now."""
    return {"UV_DEFAULT_INDEX": f"{serve(world.index).url}/simple"}


def _pack(world: World, name: str, file: str = "pack.tar", **environ: str) -> Path:
    world.run("pack", name, "-o", file, **environ).ended(0)
    return world.project / file


def test_the_same_lock_gives_the_same_bytes(world: World) -> None:
    first = world.run("pack", "tiny", "-o", "one.tar", "--json").ended(0).result
    assert first["packages"] == first["fetched"] > 2
    shutil.copytree(world.project, world.root / "elsewhere")
    again = world.run("pack", "tiny", "-o", "two.tar", "--json", "--project", "../elsewhere").ended(0).result
    assert again["fetched"] == 0
    assert (world.project / "one.tar").read_bytes() == (world.project / "two.tar").read_bytes()
    assert first["sha256"] == again["sha256"] == hashlib.sha256((world.project / "one.tar").read_bytes()).hexdigest()
    shutil.rmtree(world.home / ".local")
    anew = world.run("pack", "tiny", "-o", "three.tar", "--json").ended(0).result
    assert (anew["fetched"], anew["sha256"]) == (first["fetched"], first["sha256"]), "whatever was there before"
    with tarfile.open(world.project / "one.tar") as archive:
        assert {(member.mtime, member.mode, member.uid, member.uname) for member in archive} == {(0, 0o644, 0, "")}


def test_what_was_packed_is_built_where_there_is_no_network_and_no_cache(served: Served) -> None:
    world = served.world
    file = _pack(world, "mixed", **served.uv)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    away = world.root / "away"
    (away / "home").mkdir(parents=True)
    shutil.move(file, away / "mixed.tar")
    served.gone()
    environ = {**world.environ(), "HOME": str(away / "home"), "RATTLER_CACHE_DIR": str(away / "cache")}
    # An index that nobody answers at, and no network where the machine can take it away.
    environ |= {"UV_CACHE_DIR": str(away / "uv"), "UV_INDEX": "http://127.0.0.1:9/simple"}
    command = [sys.executable, "-m", "builder", "unpack", "mixed.tar", "--no-verify", "--sha256", digest]
    unshare = shutil.which("unshare")
    if unshare and subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True).returncode == 0:
        command = [unshare, "-rn", *command]
    done = subprocess.run(command, cwd=away, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = away / "home/.conda/envs/mixed"
    assert world.whole(prefix=prefix).recipe == "mixed"
    told = subprocess.run([prefix / "bin/tiny-value"], capture_output=True, text=True, check=True)
    assert told.stdout == "42\n"
    record = json.loads(next((prefix / "conda-meta").glob("words-*.json")).read_text())
    assert record["channel"].rstrip("/") == served.channel.url, "it is the channel's package, wherever it came from"
    assert not [path for path in (away / "home").rglob(".envbuild-unpack*") if path.is_dir()]
    status = subprocess.run(
        [sys.executable, "-m", "builder", "status", str(prefix)],
        cwd=away, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert status.returncode == 0, status.stdout + status.stderr


def test_one_platform_is_packed_alone(world: World) -> None:
    world.run("pack", "tiny", "--platform", "osx-arm64", "-o", "mac.tar").ended(0)
    with tarfile.open(world.project / "mac.tar") as archive:
        names = archive.getnames()
    assert not [name for name in names if name.startswith("channel/linux-64")]
    assert [name for name in names if name.startswith("channel/noarch/")]
    refused = world.run("unpack", "mac.tar", "--no-verify").ended(2)
    assert "holds tiny for osx-arm64, not for linux-64" in refused.stderr
    assert not world.prefix().exists()
    # The prefix compiled into a binary leaves little room.
    with tempfile.TemporaryDirectory(prefix="pack-", dir="/tmp") as short:
        prefix = Path(short, "mac")
        world.run("unpack", "mac.tar", "--no-verify", "--platform", "osx-arm64", "-p", str(prefix)).ended(0)
        assert (prefix / "lib/libgreet.dylib").is_file()
    assert "not locked for osx-64" in world.run("pack", "tiny", "--platform", "osx-64").ended(2).stderr


def test_what_is_laid_out_is_a_channel_and_wheels_for_others(served: Served) -> None:
    import asyncio

    import rattler

    world = served.world
    _pack(world, "mixed", **served.uv)
    world.run("unpack", "pack.tar", "--into", "laid").ended(0)
    laid = world.project / "laid"
    sums = subprocess.run(
        [shutil.which("sha256sum") or "sha256sum", "-c", "--quiet", "SHA256SUMS"],
        cwd=laid,
        capture_output=True,
        text=True,
        check=False,
    )
    assert sums.returncode == 0, sums.stdout
    locked = read_lock(world.project / "environments/mixed/conda-lock.yml")
    # py-rattler is pixi's solver: the channel alone must lead to the very packages of the lock.
    solved = asyncio.run(
        rattler.solve(
            sources=[(laid / "channel").as_uri()], specs=["words", "python"], platforms=["linux-64", "noarch"],
            gateway=rattler.Gateway(cache_dir=world.root / "gateway"),
        )
    )  # fmt: skip
    wanted = {package.sha256 for package in locked.packages if package.manager == "conda"}
    assert {record.sha256.hex() for record in solved if record.sha256 is not None} == wanted
    from builder.uv import bundled_uv

    offline = [bundled_uv(), "pip", "install", "--offline", "--no-index", "--find-links", "wheels", "tinywheel"]
    installed = subprocess.run(
        [*offline, "--target", "target"], cwd=laid, env=world.environ(), capture_output=True, text=True, check=False
    )
    assert installed.returncode == 0, installed.stderr
    assert (laid / "target/tinywheel.py").is_file()
    assert "is there already" in world.run("unpack", "pack.tar", "--into", "laid").ended(2).stderr


def test_a_run_that_was_stopped_goes_on_where_it_was(world: World, serve: Callable[[Path], Server]) -> None:
    server = serve(world.channel)
    server.stall("filler")
    process = world.start("pack", "tiny", *world.mirror(server.url), program=("-m", "builder"))
    assert server.reached.wait(60)
    kept = world.home / ".local/share/envbuild/archives"
    for _ in range(200):
        if len([file for file in kept.rglob("*") if file.is_file() and not file.name.startswith(".")]) >= 5:
            break
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    wait(process)
    server.release()
    assert list(kept.rglob(".*.part-*"))
    assert not (world.project / "tiny.tar").exists()
    before = list(server.requested)
    done = world.run("pack", "tiny", "--json", *world.mirror(server.url)).ended(0).result
    again = [path for path in server.requested[len(before) :] if path.endswith(".conda")]
    assert 0 < done["fetched"] < done["packages"]
    assert any("filler" in path for path in again)
    assert len(again) == done["fetched"]
    assert list(kept.rglob(".*.part-*")) == [], "what was half fetched is gone"


def test_other_bytes_than_were_locked_are_refused(world: World, serve: Callable[[Path], Server]) -> None:
    server = serve(world.channel)
    server.tampered.add("filler")
    refused = world.run("pack", "tiny", *world.mirror(server.url)).ended(5)
    assert "is not the package that was locked" in refused.stderr
    assert not (world.project / "tiny.tar").exists()


def test_a_login_is_sent_to_its_index_and_written_nowhere(world: World, serve: Callable[[Path], Server]) -> None:
    import base64

    server = serve(world.index)
    server.authorization = f"Basic {base64.b64encode(f'me:{_SECRET}'.encode()).decode()}"
    url = server.url.replace("://", f"://me:{_SECRET}@")
    answer = world.run("pack", "mixed", "-v", UV_DEFAULT_INDEX=f"{url}/simple").ended(0)
    assert _SECRET not in answer.stdout + answer.stderr
    refused = world.run(
        "pack", "mixed", "-v", UV_DEFAULT_INDEX=f"{url}x/simple", XDG_DATA_HOME=str(world.root / "other")
    ).ended(4)
    assert _SECRET not in refused.stdout + refused.stderr
    channel = serve(world.channel)
    channel.authorization = server.authorization
    secret = channel.url.replace("://", f"://me:{_SECRET}@")
    fetched = world.run("pack", "tiny", "-v", *world.mirror(secret)).ended(0)
    laid = world.run("unpack", "tiny.tar", "--into", "laid", "-v").ended(0)
    kept = world.run("mirror", "../mirror", "tiny", "-v", *world.mirror(secret)).ended(0)
    for answer in (fetched, laid, kept):
        assert _SECRET not in answer.stdout + answer.stderr
    written = [path for path in world.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in written if _SECRET.encode() in path.read_bytes()] == []


# --- archives that are not what they should be -------------------------------------------------------------------


@pytest.fixture(scope="module")
def packed(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of tiny for this platform."""
    from tests.integration.create.world import World

    root = tmp_path_factory.mktemp("packed")
    (root / "home").mkdir()
    project = shutil.copytree(shared / "project", root / "project")
    world = World(root, project, root / "home", shared / "channel", shared / "index")
    return _pack(world, "tiny", "tiny.tar")


Files = list[tuple[tarfile.TarInfo, bytes]]


def _changed(packed: Path, target: Path, change: Callable[[Files], object]) -> None:
    with tarfile.open(packed) as archive:
        files = [(member, archive.extractfile(member).read()) for member in archive]  # type: ignore[union-attr]
    change(files)
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for member, content in files:
            if member.isreg():
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def _sums(files: Files) -> None:
    """Make the checksums right again, as somebody who alters an archive with care would."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {member.name}\n" for member, content in files[2:]]
    files[1] = (files[1][0], "".join(sorted(lines, key=lambda line: line[66:])).encode())


def _first(files: Files, part: str) -> int:
    return next(number for number, (member, _) in enumerate(files) if part in member.name)


def _altered(files: Files, part: str, *, careful: bool = False) -> None:
    number = _first(files, part)
    member, content = files[number]
    files[number] = (member, content[:-1] + bytes([content[-1] ^ 1]))
    if careful:
        _sums(files)


def _lacks(files: Files, part: str) -> None:
    files.pop(_first(files, part))
    _sums(files)


def _replaced(files: Files, number: int, content: bytes) -> None:
    files[number] = (files[number][0], content)


def _manifest(files: Files, before: bytes, after: bytes) -> None:
    assert before in files[0][1]
    _replaced(files, 0, files[0][1].replace(before, after))


def _holds(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", *, careful: bool = False
) -> Callable[[Files], object]:
    """A change that adds one more member."""

    def change(files: Files) -> None:
        files.append((_member(name, kind, link), b"x" if kind == tarfile.REGTYPE else b""))
        if careful:
            _sums(files)

    return change


_HOSTILE: dict[str, tuple[Callable[[Files], object], str]] = {
    "altered": (lambda files: _altered(files, "filler"), "was altered or damaged"),
    "altered with care": (
        lambda files: _altered(files, "filler", careful=True),
        "is not the package that its lock names",
    ),
    "another lock": (
        lambda files: _altered(files, "conda-lock.yml", careful=True),
        "its lock is another one than it says",
    ),
    "lacks a package": (lambda files: _lacks(files, "filler"), "which its lock names"),
    "lacks a file": (lambda files: files.pop(_first(files, "filler")), "lacks channel/noarch/filler"),
    "holds more": (_holds("wheels/x-1-py3-none-any.whl", careful=True), "does not name"),
    "holds what is not summed": (_holds("wheels/x.whl"), "not in its SHA256SUMS"),
    "holds a strange file": (_holds("bin/sh", careful=True), "has no place in"),
    "climbs": (_holds("../climbed"), "leads out of the folder"),
    "climbs inside": (_holds("channel/../../climbed"), "leads out of the folder"),
    "absolute": (_holds("/tmp/envbuild-climbed"), "leads out of the folder"),
    "twice": (lambda files: files.append(files[-1]), "twice"),
    "twice on a Mac": (lambda files: files.append((_member(files[-1][0].name.upper()), b"x")), "twice"),
    "a link": (_holds("wheels/a.whl", tarfile.SYMTYPE, "/etc/passwd"), "a symbolic link"),
    "a hard link": (_holds("wheels/a.whl", tarfile.LNKTYPE, "SHA256SUMS"), "a hard link"),
    "a pipe": (_holds("wheels/a.whl", tarfile.FIFOTYPE), "a pipe"),
    "a device": (_holds("wheels/a.whl", tarfile.CHRTYPE), "a device"),
    "a newer format": (
        lambda files: _manifest(files, b'"format": 1', b'"format": 2'),
        f"a newer envbuild reads it: {UPGRADE}",
    ),
    "no manifest": (lambda files: files.pop(0), "was not made by `envbuild pack`"),
    "a manifest that is none": (lambda files: _replaced(files, 0, b"[" * 100_000), "damaged envbuild-pack.json"),
    "a name that climbs": (lambda files: _manifest(files, b'"tiny"', b'"../tiny"'), "damaged envbuild-pack.json"),
    "sums that are none": (lambda files: _replaced(files, 1, b"\xff\xfe"), "damaged SHA256SUMS"),
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_an_archive_that_is_not_right_is_refused_and_leaves_nothing(world: World, packed: Path, name: str) -> None:
    from builder import operations
    from builder.errors import PackError
    from tests.workspaces import workspace

    change, told = _HOSTILE[name]
    file = world.root / "changed.tar"
    _changed(packed, file, change)
    here = workspace(world.home, root=world.project, environ=world.environ())
    with pytest.raises(PackError) as refused:
        operations.unpack(here, operations.UnpackRequest(file=file, into=world.root / "into"))
    assert told in f"{refused.value.message} {refused.value.hint}"
    assert not (world.root / "into").exists()
    assert not (world.root / "climbed").exists()
    assert sorted(path.name for path in world.root.iterdir()) == ["changed.tar", "home", "project"]


def test_an_archive_that_is_cut_short_anywhere_is_refused(world: World, packed: Path) -> None:
    from builder import operations
    from builder.errors import PackError
    from tests.workspaces import workspace

    content = packed.read_bytes()
    here = workspace(world.home, root=world.project, environ=world.environ())
    file = world.root / "short.tar"
    end = len(content.rstrip(b"\0"))
    for length in (0, 1, 511, 512, 1000, 4096, len(content) // 2, end - 1, end + 1, end + 300):
        file.write_bytes(content[:length])
        with pytest.raises(PackError):
            operations.unpack(here, operations.UnpackRequest(file=file, into=world.root / "into"))
        assert not (world.root / "into").exists()


@pytest.mark.parametrize("kind", ["fifo", "folder", "missing", "garbage", "zip"])
def test_what_is_no_archive_is_refused(world: World, kind: str) -> None:
    file = world.project / "thing.tar"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    elif kind == "garbage":
        file.write_bytes(os.urandom(100_000))
    elif kind == "zip":
        shutil.copy(next((world.channel / "noarch").glob("*.conda")), file)
    told = world.run("unpack", "thing.tar").ended(2).stderr
    assert "thing.tar" in told


def test_a_digest_that_is_another_one_is_refused(world: World, packed: Path) -> None:
    shutil.copy(packed, world.project / "tiny.tar")
    assert "is another archive than was meant" in world.run("unpack", "tiny.tar", "--sha256", "0" * 64).ended(2).stderr


# --- a mirror for all locks of a project --------------------------------------------------------------------------


def test_a_mirror_holds_what_all_locks_name(served: Served) -> None:
    world = served.world
    world.run("lock", "tiny").ended(0)
    first = world.run("mirror", "../mirror", "--json", **served.uv).ended(0).result
    assert first["packages"] == first["fetched"]
    mirror = world.root / "mirror"
    (place,) = first["channels"].values()
    again = world.run("mirror", "../mirror", "--json").ended(0).result
    assert again["fetched"] == 0, "the index is asked for nothing that is there"
    damaged = next(Path(place).glob("noarch/filler-*.conda"))
    damaged.write_bytes(b"damaged")
    assert world.run("mirror", "../mirror", "--json").ended(0).result["fetched"] == 1
    served.gone()
    flags = ("--mirror", f"{served.channel.url}={place}")
    world.create("mixed", *flags, UV_DEFAULT_INDEX=(mirror / "simple").as_uri()).ended(0)
    before = read_lock(world.project / "environments/tiny/conda-lock.yml")
    (world.project / "environments/tiny/conda-lock.yml").unlink()
    world.run("lock", "tiny", *flags).ended(0)
    assert read_lock(world.project / "environments/tiny/conda-lock.yml") == before


def test_pruning_deletes_what_no_lock_names(world: World, index: dict[str, str]) -> None:
    world.run("mirror", "../mirror", **index).ended(0)
    mirror = world.root / "mirror"
    (mirror / "notes.whl").write_text("not ours to delete")
    shutil.rmtree(world.project / "environments/mixed")
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace(", filler", ""))
    world.run("lock", "tiny").ended(0)
    kept = world.run("mirror", "../mirror", "--json").ended(0).result
    assert kept["pruned"] == []
    assert list((mirror / "channel/noarch").glob("filler-*"))
    done = world.run("mirror", "../mirror", "--prune", "--json").ended(0).result
    assert sorted(path.rpartition("/")[2] for path in done["pruned"]) == [
        "filler-1.0-0.conda",
        "tinywheel-1.0-py3-none-any.whl",
    ]
    assert "filler" not in (mirror / "channel/noarch/repodata.json").read_text()
    assert (mirror / "notes.whl").exists()


def test_a_mirror_of_nothing_is_refused(world: World) -> None:
    shutil.rmtree(world.project / "environments")
    assert "there are no locks" in world.run("mirror", "../mirror").ended(1).stderr
