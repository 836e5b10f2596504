"""`run`, `activate`, `list --environments`, `remove`, `clean` and `verify --fix` on real environments."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.integration.create.world import MINOR

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.create.world import World

WORDS = f"lib/python{MINOR}/site-packages/words.py"


@pytest.fixture
def tiny(world: World) -> World:
    world.create("tiny").ended(0)
    return world


def _with_scripts(prefix: Path) -> None:
    folder = prefix / "etc/conda/activate.d"
    folder.mkdir(parents=True)
    (folder / "one.sh").write_text("export FROM_SCRIPT=$((40 + 2))\n")
    (prefix / "conda-meta/state").write_text(json.dumps({"env_vars": {"FROM_STATE": "set by conda"}}))


@pytest.mark.parametrize("scripts", [False, True])
def test_run_is_the_command(tiny: World, scripts: bool) -> None:
    """Its exit code, its signals, its arguments as they are; and the environment's own variables."""
    if scripts:
        _with_scripts(tiny.prefix())
    program = "import os, sys; print(sys.argv[1:], os.environ['CONDA_PREFIX']); sys.exit(7)"
    answer = tiny.run("run", "tiny", "--", "python", "-c", program, "--json", "a b", "$X")
    assert (answer.code, answer.stdout) == (7, f"['--json', 'a b', '$X'] {tiny.prefix()}\n")
    assert tiny.run("run", "tiny", "sh", "-c", "kill -TERM $$").code == -signal.SIGTERM
    assert tiny.run("run", "tiny", "no-such-program").code == 127
    assert "no command" in tiny.run("run", "tiny").ended(2).stderr
    assert tiny.run("run", "tiny", "say-words").ended(0).stdout == "words\n"


def test_activation_scripts_are_kept_until_they_change(tiny: World) -> None:
    _with_scripts(tiny.prefix())
    shown = ("run", "tiny", "sh", "-c", "echo $FROM_SCRIPT, $FROM_STATE, ${PATH%%:*}")
    first = tiny.run(*shown).ended(0).stdout
    assert first == f"42, set by conda, {tiny.prefix()}/bin\n"
    kept = tiny.prefix() / "conda-meta/envbuild.activation"
    assert "/envbuild-rest" not in kept.read_text()
    stamp = kept.stat().st_mtime_ns
    assert tiny.run(*shown).ended(0).stdout == first
    assert kept.stat().st_mtime_ns == stamp, "what is kept is used"
    (tiny.prefix() / "etc/conda/activate.d/two.sh").write_text("export FROM_SCRIPT=43\n")
    assert tiny.run(*shown).ended(0).stdout.startswith("43,")
    kept.write_text("{")
    assert tiny.run(*shown).ended(0).stdout.startswith("43,")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "xonsh"])
def test_activate(tiny: World, shell: str) -> None:
    _with_scripts(tiny.prefix())
    script = tiny.run("activate", "tiny", "--shell", shell, PATH="/usr/bin:/bin").ended(0).stdout
    assert f"{tiny.prefix()}/bin:/usr/bin:/bin" in script
    assert "set by conda" in script
    if shutil.which(shell) is None or shell not in ("bash", "zsh", "fish"):
        return
    show = f"{script}\necho $FROM_SCRIPT; command -v say-words\n"
    if shell == "fish":
        show = show.replace("$FROM_SCRIPT", "")
    shown = subprocess.run([shell, "-c", show], capture_output=True, text=True, env=tiny.environ(), check=True)
    assert shown.stdout.splitlines()[-1] == f"{tiny.prefix()}/bin/say-words"


def test_activate_leaves_the_environment_before(tiny: World) -> None:
    """Its programs are no longer found, as when conda activates another one."""
    other = tiny.root / "other"
    (other / "conda-meta").mkdir(parents=True)
    (other / "bin").mkdir()
    path = f"{other}/bin:/usr/bin:/bin"
    script = tiny.run("activate", "tiny", "--shell", "bash", CONDA_PREFIX=str(other), PATH=path).ended(0).stdout
    assert f"{other}/bin" not in script


def test_list_environments(tiny: World) -> None:
    theirs = tiny.home / ".conda/envs/theirs"
    (theirs / "conda-meta").mkdir(parents=True)
    (theirs / "conda-meta/history").write_text("")
    found = {one["name"]: one for one in tiny.run("list", "--environments", "--json").ended(0).result["environments"]}
    assert found.keys() == {"theirs", "tiny"}
    assert found["tiny"]["kind"] == "envbuild"
    assert found["tiny"]["lock"] == "in step"
    assert found["tiny"]["proof"] is None
    assert found["tiny"]["bytes"] > 3_000_000
    assert (found["theirs"]["kind"], found["theirs"]["lock"]) == ("conda", None)
    lock = tiny.project / "environments/tiny/conda-lock.yml"
    lock.write_text(f"{lock.read_text()}# another\n")
    table = tiny.run("list", "--environments").ended(0).stdout
    assert "changed" in table


def test_remove(tiny: World) -> None:
    """Asked for, and gone: from the disk, from conda's list, and from Jupyter's kernels."""
    site = tiny.prefix() / f"lib/python{MINOR}/site-packages"
    for file, content in {
        "ipykernel/__init__.py": "",
        "ipykernel-6.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: ipykernel\nVersion: 6.0\n",
    }.items():
        (site / file).parent.mkdir()
        (site / file).write_text(content)
    tiny.run("register", "tiny", "--jupyter").ended(0)
    assert list(tiny.home.rglob("kernel.json"))
    listed = tiny.home / ".conda/environments.txt"
    assert str(tiny.prefix()) in listed.read_text()
    answer = tiny.run("remove", "tiny").ended(2)
    assert "--yes" in answer.stderr
    assert tiny.prefix().is_dir()
    removed = tiny.run("remove", "tiny", "--yes", "--json").ended(0).result
    assert removed["bytes"] > 3_000_000
    assert not tiny.prefix().exists()
    assert str(tiny.prefix()) not in listed.read_text()
    assert not list(tiny.home.rglob("kernel.json"))
    assert [path for path in tiny.prefix().parent.iterdir() if path.name.startswith(".tiny")] == []


def test_remove_of_what_is_never_removed(tiny: World) -> None:
    link = tiny.home / ".conda/envs/link"
    link.symlink_to(tiny.prefix())
    theirs = tiny.home / ".conda/envs/theirs"
    (theirs / "conda-meta").mkdir(parents=True)
    (theirs / "conda-meta/history").write_text("")
    folder = tiny.root / "folder"
    folder.mkdir()
    for what, told in {
        "link": "is a link",
        str(link): "is a link",
        "/": "folder of the system",
        str(tiny.home): "home directory",
        "theirs": "not made by envbuild",
        str(folder): "is no environment",
    }.items():
        assert told in tiny.run("remove", what, "--yes").ended(2).stderr, what
    tiny.whole()
    assert theirs.is_dir()
    tiny.run("remove", "theirs", "--yes", "--force").ended(0)
    assert not theirs.exists()


def test_clean(tiny: World) -> None:
    """Sizes first; what is deleted can be fetched again, and the environments work on."""
    trash = tiny.prefix().with_name(".gone.envbuild-trash-1-2")
    trash.mkdir()
    (trash / "file").write_bytes(b"x" * 100_000)
    channel = tiny.home / ".local/share/envbuild/host-channels/python-unused"
    channel.mkdir(parents=True)
    (channel / "file").write_text("x")
    cache = tiny.root / "rattler-cache" / "pkgs"
    plan = tiny.run("clean", "--dry-run", "--json").ended(0).result
    assert {one["kind"] for one in plan["items"]} >= {"conda packages", "trash", "host channels"}
    packages = next(one for one in plan["items"] if one["kind"] == "conda packages")
    assert packages["freed"] < packages["bytes"], "hard links of environments give nothing back"
    assert trash.exists()
    assert cache.exists()
    assert "--yes" in tiny.run("clean").ended(2).stderr
    tiny.run("clean", "--only", "trash", "--yes").ended(0)
    assert not trash.exists()
    assert cache.exists()
    tiny.run("clean", "--yes").ended(0)
    assert not cache.exists()
    assert not channel.exists()
    assert "nothing to clean" in tiny.run("clean", "--yes").ended(0).stdout
    tiny.whole()
    (tiny.prefix() / WORDS).unlink()
    tiny.run("sync", "tiny", "--no-verify").ended(0)
    tiny.whole()


def test_clean_leaves_what_is_in_use(tiny: World) -> None:
    """While another envbuild is at work, neither its packages nor the folder that it is filling go."""
    import fcntl

    trash = tiny.prefix().with_name(".tiny.envbuild-trash-1-2")
    trash.mkdir()
    held = os.open(tiny.prefix().with_name(".tiny.envbuild-lock"), os.O_RDWR)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        answer = tiny.run("clean", "--yes", "--json").ended(0)
    finally:
        os.close(held)
    assert trash.exists()
    assert (tiny.root / "rattler-cache" / "pkgs").exists()
    assert any("at work" in reason for reason in answer.result["kept"])


def test_verify_fix(tiny: World) -> None:
    """What fails is restored from the lock and verified again; the rest stays as it is, damaged or not."""
    (tiny.prefix() / WORDS).unlink()
    found = tiny.run("verify", "tiny", "--static", "--fix", "--json").ended(0).result
    failed = {one["check"] for one in found["before"]["findings"] if one["status"] == "fail"}
    assert "pkg.integrity" in failed
    assert found["ok"]
    tiny.whole()


def test_verify_fix_of_a_foreign_environment(tiny: World) -> None:
    answer = tiny.run("verify", sys.prefix, "--static", "--fix").ended(2)
    assert "was not made by envbuild" in answer.stderr
