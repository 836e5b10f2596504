"""`status` and `sync`: what differs from the lock is seen, and exactly that is repaired, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import shutil
import signal
import subprocess
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from builder.channel.archive import PackageSpec
from builder.environment.stamp import read_stamp
from builder.platforms import Subdir
from tests.integration.create.test_crash import _KILLED_AFTER
from tests.integration.create.world import MINOR, package, wait, write_wheel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import Answer, World

WORDS = f"lib/python{MINOR}/site-packages/words.py"
#: Of no package, and so copied.
UNOWNED = (".condarc", "CACHEDIR.TAG")
TINYWHEEL = f"lib/python{MINOR}/site-packages/tinywheel.py"


@pytest.fixture
def tiny(world: World) -> World:
    world.create("tiny").ended(0)
    return world


@pytest.fixture
def mixed(world: World, serve: Callable[[Path], Server]) -> tuple[World, dict[str, str]]:
    """An environment with a wheel, and the variables by which uv finds the index."""
    environ = {"UV_DEFAULT_INDEX": f"{serve(world.index).url}/simple"}
    world.create("mixed", **environ).ended(0)
    return world, environ


def _drift(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.result["environments"][0]["drift"]
    return found


def _inodes(prefix: Path) -> dict[str, int]:
    return {
        str(path.relative_to(prefix)): path.lstat().st_ino
        for path in prefix.rglob("*")
        if path.is_file() and not path.is_symlink() and not {"conda-meta", "__pycache__"} & set(path.parts)
    }


def _as_locked(world: World, name: str = "tiny", **environ: str) -> None:
    world.run("status", name, **environ).ended(0)
    world.whole(name)
    assert world.beside(name) == []


def test_an_untouched_environment_is_as_locked(tiny: World) -> None:
    drift = _drift(tiny.run("status", "tiny", "--json").ended(0))
    assert drift["differences"] == drift["unknown"] == drift["strays"] == []
    assert drift["packages"] == 6
    assert drift["files"] > 1000
    assert "nothing to repair" in tiny.run("sync", "tiny", "--no-verify").ended(0).stdout


def test_an_edited_and_a_deleted_file(tiny: World) -> None:
    prefix = tiny.prefix()
    good = (prefix / WORDS).read_bytes()
    (prefix / WORDS).unlink()  # a new file: the old one is the package cache's, by a hard link
    (prefix / WORDS).write_bytes(good[:-2] + b"X\n")
    (prefix / "share/prefixed.txt").unlink()
    before = _inodes(prefix)
    told = {one["name"]: one for one in _drift(tiny.run("status", "tiny", "--json").ended(1))["differences"]}
    assert told.keys() == {"words", "prefixed"}
    assert told["words"]["changed"] == [WORDS]
    assert told["prefixed"]["missing"] == ["share/prefixed.txt"]
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    _as_locked(tiny)
    assert (prefix / WORDS).read_bytes() == good
    after = _inodes(prefix)
    touched = {rel for rel in before.keys() & after.keys() if before[rel] != after[rel]}
    assert touched <= {WORDS, "bin/say-words", "bin/prefixed", *UNOWNED}, "the rest is not built anew"


def test_edited_in_place(tiny: World) -> None:
    """Hard links: whoever edits the environment has edited the package cache, and neither counts."""
    filler = tiny.prefix() / "share/filler/3.bin"
    good = filler.read_bytes()
    with filler.open("r+b") as stream:
        stream.write(b"edited")
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    assert filler.read_bytes() == good
    _as_locked(tiny)


def test_a_record_that_is_gone_or_damaged(tiny: World) -> None:
    meta = tiny.prefix() / "conda-meta"
    (meta / "words-1.0-pyh0_0.json").unlink()
    (meta / "prefixed-1.0-h0_0.json").write_text("{")
    told = {one["name"]: one["problem"] for one in _drift(tiny.run("status", "tiny", "--json").ended(1))["differences"]}
    assert told == {"words": "missing", "prefixed": "damaged"}
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    _as_locked(tiny)


@pytest.mark.parametrize("how", ["a file", "broken", "elsewhere"])
def test_a_link_that_is_no_longer_right(tiny: World, how: str) -> None:
    """`bin/python` as a copy, leading nowhere, or to another Python: none of them is what was installed."""
    link = tiny.prefix() / "bin" / "python"
    target = link.readlink()
    link.unlink()
    match how:
        case "a file":
            shutil.copy2(tiny.prefix() / "bin" / f"python{MINOR}", link)
        case "broken":
            link.symlink_to("python-that-is-gone")
        case _:
            link.symlink_to("/bin/sh")
    assert _drift(tiny.run("status", "tiny", "--json").ended(1))["differences"][0]["changed"] == ["bin/python"]
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    assert link.readlink() == target
    _as_locked(tiny)


def test_unknown_packages_and_code(mixed: tuple[World, dict[str, str]]) -> None:
    """They are named, and removed with --prune only."""
    world, environ = mixed
    prefix = world.prefix("mixed")
    site = prefix / f"lib/python{MINOR}/site-packages"
    shutil.copy2(world.prefix("mixed") / "conda-meta" / "words-1.0-pyh0_0.json", world.root / "saved.json")
    record = json.loads((world.root / "saved.json").read_text())
    record |= {"name": "other", "fn": "other-1.0-0.conda", "build": "0", "files": ["share/other.txt"]}
    record["paths_data"]["paths"] = [{"_path": "share/other.txt", "path_type": "hardlink"}]
    (prefix / "conda-meta" / "other-1.0-0.json").write_text(json.dumps(record))
    (prefix / "share").mkdir(exist_ok=True)
    (prefix / "share" / "other.txt").write_text("here")
    info = site / "added-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: added\nVersion: 1.0\n")
    (info / "RECORD").write_text("added.py,,\nadded-1.0.dist-info/METADATA,,\nadded-1.0.dist-info/RECORD,,\n")
    (site / "added.py").write_text("")
    (site / "stray.pth").write_text("")
    notes = prefix / "notes.txt"
    notes.write_text("mine")
    drift = _drift(world.run("status", "mixed", "--json").ended(1))
    assert [one["name"] for one in drift["unknown"]] == ["added", "other"]
    assert drift["strays"] == [f"lib/python{MINOR}/site-packages/stray.pth"]
    assert drift["differences"] == []
    answer = world.run("sync", "mixed", "--no-verify", **environ).ended(0)
    assert "added 1.0 (pip)" in answer.stderr
    assert "--prune" in answer.stderr
    assert (site / "added.py").exists()
    world.run("sync", "mixed", "--no-verify", "--prune", **environ).ended(0)
    assert not (site / "added.py").exists()
    assert not (site / "stray.pth").exists()
    assert not (prefix / "share" / "other.txt").exists()
    assert notes.read_text() == "mine", "what is no code is nobody's to remove"
    _as_locked(world, "mixed")


def test_another_version_of_a_wheel(mixed: tuple[World, dict[str, str]]) -> None:
    """Upgraded by hand, past the lock: it is replaced, since only one of the two can be there."""
    world, environ = mixed
    prefix = world.prefix("mixed")
    wheel = write_wheel(world.root / "newer", "2.0", b"VALUE = 43\n")
    from builder.uv import bundled_uv

    subprocess.run(
        [
            *(bundled_uv(), "pip", "install", "--python", prefix / "bin/python", "--no-index", "--no-deps"),
            *("--find-links", wheel.parent, "--link-mode=copy", "tinywheel==2.0"),
        ],
        check=True,
        capture_output=True,
        env=world.environ(),
    )
    (told,) = _drift(world.run("status", "mixed", "--json").ended(1))["differences"]
    assert (told["name"], told["problem"], told["locked"]) == ("tinywheel", "other", "1.0")
    assert told["installed"].startswith("2.0")
    world.run("sync", "mixed", "--no-verify", **environ).ended(0)
    run = subprocess.run([prefix / "bin" / "tiny-value"], capture_output=True, text=True, check=True)
    assert run.stdout == "42\n"
    assert not list(prefix.glob("lib/*/site-packages/tinywheel-2.0*"))
    _as_locked(world, "mixed")


@pytest.mark.parametrize("damage", ["file", "record", "metadata"])
def test_a_damaged_wheel(mixed: tuple[World, dict[str, str]], damage: str) -> None:
    """uv cannot uninstall what has no RECORD; and what uv's cache holds is not believed."""
    world, environ = mixed
    prefix = world.prefix("mixed")
    (info,) = prefix.glob("lib/*/site-packages/tinywheel-1.0.dist-info")
    match damage:
        case "file":
            (prefix / TINYWHEEL).write_text("VALUE = 0\n")
            for cached in (world.root / "uv-cache").rglob("tinywheel.py"):
                cached.write_text("VALUE = -1\n")
        case "record":
            (info / "RECORD").unlink()
        case _:
            (info / "METADATA").unlink()
    assert _drift(world.run("status", "mixed", "--json").ended(1))["differences"][0]["name"] == "tinywheel"
    world.run("sync", "mixed", "--no-verify", **environ).ended(0)
    run = subprocess.run([prefix / "bin" / "tiny-value"], capture_output=True, text=True, check=True)
    assert run.stdout == "42\n"
    _as_locked(world, "mixed")


def test_a_wheel_that_was_published_with_a_wrong_record(world: World, serve: Callable[[Path], Server]) -> None:
    """Of the archive that was locked, its file is what counts: no later look takes it for damaged."""
    index = shutil.copytree(world.index, world.root / "own-index")
    page = index / "simple" / "tinywheel"
    (wheel,) = page.glob("*.whl")
    before = wheel.read_bytes()
    with zipfile.ZipFile(io.BytesIO(before)) as old, zipfile.ZipFile(wheel, "w") as new:
        for name in old.namelist():
            wrong = name == "tinywheel.py"
            new.writestr(name, old.read(name) + b"# changed after RECORD was written\n" * wrong)
    for file in (page / "index.html", world.project / "environments" / "mixed" / "conda-lock.yml"):
        old_digest, new_digest = (hashlib.sha256(content).hexdigest() for content in (before, wheel.read_bytes()))
        file.write_text(file.read_text().replace(old_digest, new_digest))
    environ = {"UV_DEFAULT_INDEX": f"{serve(index).url}/simple"}
    told = world.create("mixed", **environ).ended(0)
    assert "published with a RECORD that is wrong about its files: tinywheel" in told.stderr
    _as_locked(world, "mixed")
    verified = world.run("verify", str(world.prefix("mixed")), "--static", "--json")
    (finding,) = [one for one in verified.result["findings"] if one["check"] == "pkg.integrity"]
    assert finding["status"] == "pass"


def _next_lock(world: World) -> tuple[str, str]:
    """`words` 2.0 in the channel and in the lock; gives the options by which it is fetched."""
    channel = shutil.copytree(world.channel, world.root / "next-channel")
    package(
        channel,
        PackageSpec(
            name="words",
            version="2.0",
            build="pyh0_0",
            subdir=Subdir.NOARCH,
            depends=("python >=3.9",),
            noarch="python",
            entry_points=("say-words = words:main",),
        ),
        {"site-packages/words.py": b"def main() -> None:\n    print('more words')\n"},
    )
    from rattler.index import index_fs

    for name in ("repodata.json", "repodata.json.zst"):
        for file in channel.glob(f"*/{name}"):
            file.unlink()
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    options = world.mirror(channel.as_uri())
    (world.project / "environments/tiny/conda-lock.yml").unlink()
    world.run("lock", "tiny", *options).ended(0)
    assert "words-2.0" in (world.project / "environments/tiny/conda-lock.yml").read_text()
    return options


@pytest.mark.parametrize("verb", ["create", "sync"])
def test_a_changed_lock(tiny: World, verb: str) -> None:
    """Only what differs is replaced: every other file is the same one, by its inode."""
    options = _next_lock(tiny)
    status = tiny.run("status", "tiny", "--json").ended(1).result["environments"][0]
    assert status["lock"]["step"] == "changed"
    assert [(one["name"], one["before"], one["after"]) for one in status["lock"]["moved"]] == [
        ("words", "1.0 pyh0_0", "2.0 pyh0_0")
    ]
    before = _inodes(tiny.prefix())
    answer = tiny.run(verb, "tiny", "--no-verify", *options).ended(0)
    assert "linked 1 conda package" in answer.stderr
    after = _inodes(tiny.prefix())
    assert before.keys() == after.keys()
    assert {rel for rel in before if before[rel] != after[rel]} <= {WORDS, "bin/say-words", *UNOWNED}
    run = subprocess.run([tiny.prefix() / "bin" / "say-words"], capture_output=True, text=True, check=True)
    assert run.stdout == "more words\n"
    _as_locked(tiny)
    assert {one.version for one in tiny.whole().packages if one.name == "words"} == {"2.0"}


def test_create_of_a_changed_lock_is_exact(tiny: World) -> None:
    """It does the least, and yet what is there afterwards is the lock and nothing else."""
    options = _next_lock(tiny)
    stray = tiny.prefix() / f"lib/python{MINOR}/site-packages/stray.py"
    stray.write_text("")
    (tiny.prefix() / "share/prefixed.txt").write_text("edited")
    tiny.create("tiny", *options).ended(0)
    assert not stray.exists()
    _as_locked(tiny)


def test_create_of_a_damaged_python_builds_anew(tiny: World) -> None:
    """Where it is not safe to do the least, the whole is built, and that is said."""
    options = _next_lock(tiny)
    shutil.rmtree(tiny.prefix() / "lib")
    shutil.rmtree(tiny.prefix() / "bin")
    for record in (tiny.prefix() / "conda-meta").glob("python-*.json"):
        record.unlink()
    answer = tiny.create("tiny", *options).ended(0)
    assert "built anew as a whole" in answer.stderr
    _as_locked(tiny)


MOMENTS = {
    "twin begun": ("os.mkdir", "envbuild-trash"),
    "twin being filled": ("os.link", "share/filler"),
    "previous one moved aside": ("os.rename", "envbuild-old"),
    "twin in place": ("os.rename", "envbuild-trash"),
    "records being completed": ("open", "conda-meta/words"),
    "stamp written": ("os.rename", "envbuild.stamp"),
    "mark taken away": ("os.remove", "envbuild.building"),
    "previous one being deleted": ("shutil.rmtree", "envbuild-trash"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed(tiny: World, moment: str) -> None:
    """kill -9: the environment is the damaged or the repaired one, and the next `sync` makes it the repaired one."""
    damaged = tiny.prefix() / WORDS
    good = damaged.read_bytes()
    damaged.unlink()
    damaged.write_text("damaged")
    notes = tiny.prefix() / "notes.txt"
    notes.write_text("mine")
    program = ("-c", _KILLED_AFTER.format(signal="SIGKILL"), *MOMENTS[moment])
    killed = tiny.run_program(program, "sync", "tiny", "--no-verify")
    assert killed.code == -signal.SIGKILL, f"the moment never came\n{killed.stderr}"
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    assert damaged.read_bytes() == good
    assert notes.read_text() == "mine"
    _as_locked(tiny)


def test_a_failed_sync_leaves_what_was_there(tiny: World, serve: Callable[[Path], Server]) -> None:
    """Also the content of files that the twin shares with it."""
    (tiny.prefix() / WORDS).unlink()
    (tiny.prefix() / "share/prefixed.txt").write_text("edited by hand")
    before = {path: path.read_bytes() for path in tiny.prefix().rglob("*") if path.is_file()}
    shutil.rmtree(tiny.root / "rattler-cache")
    server = serve(tiny.channel)
    server.tampered.add("words")
    tiny.run("sync", "tiny", "--no-verify", *tiny.mirror(server.url)).ended(5)
    assert {path: path.read_bytes() for path in tiny.prefix().rglob("*") if path.is_file()} == before
    assert tiny.beside() == []


def test_two_at_once(tiny: World) -> None:
    (tiny.prefix() / WORDS).unlink()
    processes = [tiny.start("sync", "tiny", "--no-verify") for _ in range(2)]
    answers = [wait(process) for process in processes]
    assert [answer.code for answer in answers] == [0, 0], answers
    assert sum("nothing to repair" in answer.stdout for answer in answers) == 1
    _as_locked(tiny)


def test_without_the_lock(tiny: World) -> None:
    """The stamp tells what was in it: an environment can be repaired where its project is not at hand."""
    (tiny.prefix() / WORDS).unlink()
    shutil.rmtree(tiny.project / "environments")
    depends = json.loads((tiny.prefix() / "conda-meta/words-1.0-pyh0_0.json").read_text())["depends"]
    answer = tiny.run("sync", "tiny", "--no-verify").ended(0)
    assert "is not here" in answer.stderr
    _as_locked(tiny)
    assert json.loads((tiny.prefix() / "conda-meta/words-1.0-pyh0_0.json").read_text())["depends"] == depends


def test_foreign_environments_are_refused(world: World) -> None:
    foreign = world.home / ".conda/envs/theirs"
    (foreign / "conda-meta").mkdir(parents=True)
    (foreign / "conda-meta/history").write_text("")
    for verb in ("status", "sync"):
        answer = world.run(verb, "theirs").ended(2)
        assert "was not made by envbuild" in answer.stderr
    assert [path.name for path in foreign.iterdir()] == ["conda-meta"]


def test_a_repair_is_proven_again(tiny: World) -> None:
    """The proof of before no longer counts; that of after is noted, whichever it is."""
    (tiny.prefix() / WORDS).unlink()
    answer = tiny.run("sync", "tiny", "--json")
    assert answer.code in (0, 1), answer.stderr
    assert answer.result["verification"]["findings"]
    stamp = read_stamp(tiny.prefix())
    assert stamp is not None
    assert stamp.verdict == ("passed" if answer.code == 0 else "failed")


def test_locked_refuses_a_stale_lock(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words, prefixed", "words"))
    answer = world.create("tiny", "--locked").ended(1)
    assert "out of date" in answer.stderr
    assert not world.prefix().exists()
    answer = world.create("tiny").ended(0)
    assert "building what it says all the same" in answer.stderr
    shutil.rmtree(world.project / "environments")
    assert "no lock" in world.create("tiny", "--locked").ended(1).stderr
