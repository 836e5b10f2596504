"""Packages and the host channel: bytes that depend on the content only, and metadata as installers read it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from rattler.package_streaming import extract

from builder.channel import interpreters
from builder.channel.archive import PackageSpec, write_package
from builder.channel.host import _pip_from_pypi
from builder.channel.interpreters import Interpreter, candidates, find, inspect
from builder.environment.distributions import read_distributions
from builder.environment.reading import Reader
from builder.errors import SourceUnreachableError, UnsatisfiableError, UsageError
from builder.install.wheels import damaged
from builder.platforms import Subdir
from builder.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Mapping


def _tree(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/opt/prefix/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o755)
    (folder / "bin" / "link").symlink_to("tool")
    (folder / "lib").mkdir()
    (folder / "lib" / "data.bin").write_bytes(b"\0/opt/prefix\0")
    (folder / "lib" / "folder-link").symlink_to("../bin")
    (folder / "lib" / "naïve.txt").write_text("é")
    return folder


SPEC = PackageSpec(
    name="tool",
    version="1.0",
    build="h0_0",
    subdir=Subdir.LINUX_64,
    depends=("python >=3.11",),
    license="MIT",
    placeholders={"bin/tool": "/opt/prefix", "lib/data.bin": "/opt/prefix"},
)


def test_bytes_depend_on_the_content_only(tmp_path: Path) -> None:
    """The cache of the host channel, and every lock made from it, go by the hash."""
    first = write_package(SPEC, tree=_tree(tmp_path / "a"), folder=tmp_path / "one")
    time.sleep(2.1)
    second_tree = _tree(tmp_path / "b")
    for path in second_tree.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
    second = write_package(SPEC, tree=second_tree, folder=tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()


def test_what_is_in_it(tmp_path: Path) -> None:
    package = write_package(SPEC, tree=_tree(tmp_path / "tree"), folder=tmp_path / "channel")
    assert package.name == "tool-1.0-h0_0.conda"
    out = tmp_path / "out"
    extract(package, out)
    index: dict[str, Any] = json.loads((out / "info" / "index.json").read_text())
    assert (index["name"], index["subdir"], index["platform"], index["arch"]) == ("tool", "linux-64", "linux", "x86_64")
    assert "noarch" not in index
    paths = {entry["_path"]: entry for entry in json.loads((out / "info" / "paths.json").read_text())["paths"]}
    assert paths["bin/tool"]["file_mode"] == "text"
    assert paths["lib/data.bin"]["file_mode"] == "binary"
    assert paths["bin/link"]["path_type"] == paths["lib/folder-link"]["path_type"] == "softlink"
    assert (out / "lib" / "folder-link").is_symlink()
    assert (out / "lib" / "naïve.txt").read_text() == "é"
    assert os.access(out / "bin" / "tool", os.X_OK)
    assert sorted((out / "info" / "files").read_text().splitlines()) == sorted(paths)


def test_noarch_python_package(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "site-packages").mkdir(parents=True)
    (tree / "site-packages" / "x.py").touch()
    spec = PackageSpec(
        name="x", version="1", build="0", subdir=Subdir.NOARCH, noarch="python", entry_points=("x = x:main",)
    )
    out = tmp_path / "out"
    extract(write_package(spec, tree=tree, folder=tmp_path), out)
    link = json.loads((out / "info" / "link.json").read_text())
    assert link["noarch"] == {"type": "python", "entry_points": ["x = x:main"]}
    assert json.loads((out / "info" / "index.json").read_text())["noarch"] == "python"


def _interpreter(version: str, refusal: str | None = None) -> Interpreter:
    place = Path(f"/opt/python-{version}")
    return Interpreter(
        path=place / "bin/python3",
        version=Version(version),
        prefix=place,
        stdlib=place / "lib",
        include=place / "include",
        wheels=None,
        refusal=refusal,
    )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Mapping[Path, Interpreter | None]:
    """A machine with some interpreters, by path."""
    found: dict[Path, Interpreter | None] = {
        Path("/usr/bin/python3"): _interpreter("3.13.5", "it lacks venv of the standard library"),
        Path("/opt/a"): _interpreter("3.11.9"),
        Path("/opt/b"): _interpreter("3.12.4"),
        Path("/opt/c"): _interpreter("3.9.1"),
        Path("/opt/broken"): None,
    }
    monkeypatch.setattr(interpreters, "candidates", lambda _environ, _home: iter(found))
    monkeypatch.setattr(interpreters, "inspect", lambda path: found.get(path))
    return found


@pytest.mark.parametrize(
    ("wanted", "version"), [(">=3.11,<3.13", "3.12.4"), (">=3.9", "3.12.4"), ("==3.11.*", "3.11.9")]
)
def test_newest_that_fits(machine: Mapping[Path, Interpreter | None], wanted: str, version: str) -> None:
    assert find(SpecifierSet(wanted), environ={}, home=Path("/home")).version == Version(version)


def test_none_fits_lists_those_seen(machine: Mapping[Path, Interpreter | None]) -> None:
    with pytest.raises(UnsatisfiableError) as caught:
        find(SpecifierSet(">=3.13"), environ={}, home=Path("/home"))
    assert "3.13.5" in caught.value.message
    assert "it lacks venv" in caught.value.message
    assert "3.9.1" in caught.value.message
    assert "--python" in (caught.value.hint or "")


def test_given_one(machine: Mapping[Path, Interpreter | None]) -> None:
    def given(path: str, wanted: str = ">=3.9") -> Interpreter:
        return find(SpecifierSet(wanted), environ={}, home=Path("/home"), given=Path(path))

    assert given("/opt/c").version == Version("3.9.1")
    with pytest.raises(UsageError, match="no Python interpreter answers"):
        given("/opt/broken")
    with pytest.raises(UnsatisfiableError, match="it lacks venv"):
        given("/usr/bin/python3")
    with pytest.raises(UnsatisfiableError, match="the recipe takes"):
        given("/opt/c", ">=3.11")


def test_where_interpreters_are_looked_for(tmp_path: Path) -> None:
    """PATH, pyenv and conda; shims, which are scripts, and the same file under two names are left out."""
    real = tmp_path / ".pyenv" / "versions" / "3.12.1" / "bin" / "python3"
    shim = tmp_path / ".pyenv" / "shims" / "python3"
    linked = tmp_path / "bin" / "python3.12"
    conda = tmp_path / "miniforge3" / "bin" / "python3"
    for path in (real, shim, conda):
        path.parent.mkdir(parents=True)
        path.touch()
    linked.parent.mkdir()
    linked.symlink_to(real)
    environ = {"PATH": f"{shim.parent}:{linked.parent}:/nowhere"}
    found = [path for path in candidates(environ, tmp_path) if path.is_relative_to(tmp_path)]
    assert found == [linked, conda]


def test_not_an_interpreter(tmp_path: Path) -> None:
    """Programs called python3 that fail, say nothing, or say something else."""
    for number, body in enumerate(("exit 1", "echo hello", "echo '{}'", "echo '[]'", "true")):
        path = tmp_path / f"python{number}"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        assert interpreters.inspect(path) is None
    assert interpreters.inspect(tmp_path / "nowhere") is None
    assert interpreters.inspect(tmp_path) is None


@pytest.mark.network
def test_pip_for_an_interpreter_without_one(tmp_path: Path) -> None:
    """One wheel, by its hash, without scripts for the interpreter that fetched it."""
    interpreter = inspect(Path(sys.executable))
    assert interpreter is not None
    try:
        _pip_from_pypi(interpreter, tmp_path / "pip", Uv(environ=dict(os.environ)))
    except SourceUnreachableError as error:
        pytest.skip(f"no index can be reached: {error.plain[:80]}")
    assert damaged(read_distributions((tmp_path / "pip",), Reader()), ["pip"]) == ()
    assert sorted(path.name.partition("-")[0] for path in (tmp_path / "pip").iterdir()) == ["pip", "pip"]
