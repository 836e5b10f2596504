"""Exports given to the tools that they are for: uv, pip, and conda (with conda-lockfiles) where one can be had."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builder.uv import bundled_uv
from tests.integration.create.world import HERE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.create.server import Server
    from tests.integration.create.world import World


def _run(world: World, *command: str, **environ: str) -> str:
    """What the program says; the test fails where it ends with an error."""
    answer = subprocess.run(
        command, env=world.environ(PYTHONPATH="", **environ), capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def _export(world: World, name: str, form: str, file: str) -> Path:
    output = world.root / file
    world.run("export", name, "--format", form, "--platform", HERE, "-o", str(output)).ended(0)
    return output


@pytest.mark.parametrize(("form", "file"), [("requirements", "requirements.txt"), ("pylock", "pylock.toml")])
def test_uv_installs_the_pypi_part(world: World, serve: Callable[[Path], Server], form: str, file: str) -> None:
    """From the index under another address: the lock's own, which pylock.toml names, has ended with its server."""
    exported = _export(world, "mixed", form, file)
    index = serve(world.index)
    if form == "pylock":
        text = exported.read_text()
        old = text.partition('url = "')[2].partition("/simple/")[0]
        exported.write_text(text.replace(old, index.url))
    _run(
        world, bundled_uv(), "pip", "install", "--no-deps", "--require-hashes", "--target", str(world.root / "there"),
        "--python", sys.executable, "-r", str(exported), UV_DEFAULT_INDEX=f"{index.url}/simple",
    )  # fmt: skip
    assert (world.root / "there" / "tinywheel.py").is_file()


def test_pip_installs_the_pypi_part(world: World, serve: Callable[[Path], Server]) -> None:
    if importlib.util.find_spec("pip") is None:
        pytest.skip("the Python that runs the tests has no pip")
    exported = _export(world, "mixed", "requirements", "requirements.txt")
    _run(
        world, sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--no-cache-dir",
        "--target", str(world.root / "there"), "--index-url", f"{serve(world.index).url}/simple",
        "-r", str(exported),
    )  # fmt: skip
    assert (world.root / "there" / "tinywheel.py").is_file()


@pytest.fixture(scope="module")
def conda() -> list[str]:
    given = shlex.split(os.environ.get("ENVBUILD_TEST_CONDA", ""))
    found = shutil.which("conda")
    if not given and found is None:
        pytest.skip("no conda on the PATH, and ENVBUILD_TEST_CONDA does not name one")
    return given or [str(found)]


def _conda(world: World, conda: list[str], *arguments: str, **environ: str) -> str:
    # Its folder of packages must be its own: what is there decides what is fetched.
    pkgs = str(world.root / "pkgs")
    return _run(world, *conda, *arguments, **{"CONDA_SOLVER": "classic", "CONDA_PKGS_DIRS": pkgs} | environ)


def _installed(prefix: Path) -> set[str]:
    return {json.loads(file.read_bytes())["name"] for file in (prefix / "conda-meta").glob("*.json")}


def test_conda_creates_from_an_explicit_list(world: World, conda: list[str], serve: Callable[[Path], Server]) -> None:
    """From a server: of a package that lies on the same machine conda compares no hash."""
    exported = _export(world, "tiny", "explicit", "tiny.txt")
    text = exported.read_text().replace(world.channel.as_uri(), serve(world.channel).url)
    exported.write_text(text)
    prefix = world.root / "prefix"
    _conda(world, conda, "create", "--yes", "-p", str(prefix), "--file", str(exported))
    assert _installed(prefix) >= {"python", "words", "prefixed", "filler"}
    assert "words" in _run(world, str(prefix / "bin" / "say-words"))
    exported.write_text(text.replace(text.rpartition("#sha256:")[2].strip(), "0" * 64))
    shutil.rmtree(world.root / "pkgs")
    with pytest.raises(AssertionError, match=r"(?i)checksum"):
        _conda(world, conda, "create", "--yes", "-p", str(world.root / "other"), "--file", str(exported))


def test_conda_creates_from_a_pixi_lock(world: World, conda: list[str]) -> None:
    formats = subprocess.run(
        [*conda, "env", "create", "--help"],
        env=world.environ(PYTHONPATH=""),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    if "rattler-lock-v6" not in formats:
        pytest.skip("conda has no conda-lockfiles")
    exported = _export(world, "tiny", "pixi-lock", "pixi.lock")
    prefix = world.root / "prefix"
    _conda(world, conda, "env", "create", "--yes", "-p", str(prefix), "--file", str(exported))
    assert _installed(prefix) >= {"python", "words", "prefixed", "filler"}


def test_conda_solves_the_pinned_environment(world: World, conda: list[str]) -> None:
    exported = _export(world, "tiny", "environment", "environment.yml")
    prefix = world.root / "prefix"
    # conda asks even for `nodefaults`, unless it is told to ask nobody.
    _conda(world, conda, "env", "create", "--yes", "-p", str(prefix), "--file", str(exported), CONDA_OFFLINE="1")
    assert _installed(prefix) >= {"python", "words", "prefixed", "filler"}
