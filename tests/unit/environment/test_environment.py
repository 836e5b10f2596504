"""Every kind of environment is recognised and read from its files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from builder.environment.environment import Environment
from builder.environment.model import Kind
from builder.platforms import Subdir
from tests.unit.environment import trees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _ours(path: Path) -> None:
    trees.conda(path)
    trees.stamp(path)


def _conda(path: Path) -> None:
    trees.conda(path)
    trees.write(path / "conda-meta" / "history", "==> 2026-01-02 03:04:05 <==\n# cmd: /opt/m/bin/mamba create -n x\n")


def _pixi(path: Path) -> None:
    trees.conda(path)
    trees.write(path / "conda-meta" / "pixi", "{}")


def _virtual(*keys: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        trees.library(path)
        trees.write(path / "pyvenv.cfg", "home = /usr/bin\n" + "".join(f"{key}\n" for key in keys))

    return make


def _wheels(path: Path) -> None:
    trees.dist(path, "numpy")


@pytest.mark.parametrize(
    ("make", "kind", "evidence"),
    [
        (_ours, Kind.ENVBUILD, "envbuild.stamp"),
        (_conda, Kind.CONDA, "mamba create -n x"),
        (_pixi, Kind.PIXI, "conda-meta/pixi"),
        (_virtual("version = 3.12.4"), Kind.VENV, "pyvenv.cfg"),
        (_virtual("uv = 0.9.8", "version_info = 3.12.4"), Kind.UV, "uv = 0.9.8"),
        (_virtual("virtualenv = 20.1", "version_info = 3.12.4.final.0"), Kind.VIRTUALENV, "virtualenv = 20.1"),
        (trees.library, Kind.SYSTEM, "lib/python3.12/os.py"),
        (_wheels, Kind.WHEELS, "dist-info"),
        (lambda path: path.mkdir(), Kind.UNKNOWN, "no conda-meta"),
    ],
    ids=["ours", "conda", "pixi", "venv", "uv", "virtualenv", "system", "wheels", "unknown"],
)
def test_kinds(tmp_path: Path, make: Callable[[Path], object], kind: Kind, evidence: str) -> None:
    make(tmp_path / "env")
    environment = Environment(tmp_path / "env")
    assert environment.kind is kind
    assert evidence in environment.recognised.evidence
    assert environment.unreadable == ()
    if kind.is_virtual:
        assert environment.interpreter is not None
        assert str(environment.interpreter.home) == "/usr/bin"
        assert environment.interpreter.version == ("3.12" if kind is Kind.UNKNOWN else "3.12.4")


def test_pixi_by_its_folder(tmp_path: Path) -> None:
    trees.conda(tmp_path / ".pixi" / "envs" / "gpu")
    assert Environment(tmp_path / ".pixi" / "envs" / "gpu").kind is Kind.PIXI


def test_this_interpreter() -> None:
    """A real one: whatever runs these tests."""
    from pathlib import Path

    environment = Environment(Path(sys.prefix))
    assert environment.python_version == sys.version_info[:2]
    assert environment.kind is not Kind.UNKNOWN
    assert environment.distribution("pytest") is not None
    assert environment.owners.package_of(Path(pytest.__file__)) is not None


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["lib/python3.12/site-packages"], ["lib/python3.12/site-packages"]),
        (["lib64/python3.12/site-packages"], ["lib64/python3.12/site-packages"]),
        (["lib/python3.9/site-packages", "lib/python3.12/site-packages"], ["lib/python3.12/site-packages"]),
        (["lib/python3.13t/site-packages"], ["lib/python3.13t/site-packages"]),
        (
            ["lib/python3/dist-packages", "local/lib/python3.12/dist-packages"],
            ["local/lib/python3.12/dist-packages", "lib/python3/dist-packages"],
        ),
        (
            ["lib/python3.12/site-packages", "lib64/python3.12/site-packages"],
            ["lib/python3.12/site-packages", "lib64/python3.12/site-packages"],
        ),
    ],
    ids=["posix", "lib64", "two versions", "free-threaded", "Debian", "Fedora"],
)
def test_layouts(tmp_path: Path, folders: list[str], expected: list[str]) -> None:
    for number, folder in enumerate(folders):
        (tmp_path / folder).mkdir(parents=True)
        trees.dist(tmp_path / folder, f"package{number}")
    environment = Environment(tmp_path)
    assert [str(folder.relative_to(tmp_path)) for folder in environment.site_folders] == expected
    assert len(environment.distributions) == len(expected)


def test_lib64_that_is_a_link(tmp_path: Path) -> None:
    """As `python -m venv` makes it: the same folder twice is one."""
    trees.dist(trees.library(tmp_path), "numpy")
    (tmp_path / "lib64").symlink_to("lib")
    environment = Environment(tmp_path)
    assert len(environment.site_folders) == 1
    assert len(environment.distributions) == 1


def test_the_interpreters_own_version(tmp_path: Path) -> None:
    """Leftovers of a newer Python are not the environment's packages."""
    trees.conda(tmp_path, "3.11.9")
    (tmp_path / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    environment = Environment(tmp_path)
    assert environment.python_version == (3, 11)
    assert environment.site_packages == tmp_path / "lib" / "python3.11" / "site-packages"
    assert environment.interpreter is not None
    assert environment.interpreter.version == "3.11.9"


def test_framework(tmp_path: Path) -> None:
    framework = tmp_path / "Python.framework"
    for version in ("3.9", "3.12"):
        trees.library(framework / "Versions" / version, version)
    assert Environment(framework).path == framework / "Versions" / "3.12"
    (framework / "Versions" / "Current").symlink_to("3.9")
    assert Environment(framework).path == framework / "Versions" / "3.9"
    assert Environment(framework / "Versions" / "3.12").python_version == (3, 12)


def test_free_threaded(tmp_path: Path) -> None:
    trees.library(tmp_path, "3.13t")
    interpreter = Environment(tmp_path).interpreter
    assert interpreter is not None
    assert interpreter.minor == (3, 13)
    assert interpreter.free_threaded


def test_broken_interpreter(tmp_path: Path) -> None:
    trees.conda(tmp_path)
    (tmp_path / "bin" / "python3.12").unlink()
    environment = Environment(tmp_path)
    assert environment.python is None
    assert environment.interpreter is not None
    assert environment.interpreter.resolved is None
    assert environment.broken_links == ("bin/python",)


def test_link_loop(tmp_path: Path) -> None:
    (tmp_path / "lib").symlink_to("lib")
    (tmp_path / "bin").symlink_to("bin")
    environment = Environment(tmp_path / "lib")
    assert environment.kind is Kind.UNKNOWN
    environment = Environment(tmp_path)
    assert environment.kind is Kind.UNKNOWN
    assert {item.path.name for item in environment.unreadable} >= {"lib", "bin"}


def test_distributions(tmp_path: Path) -> None:
    site = trees.library(tmp_path / "env")
    project = tmp_path / "project"
    trees.dist(
        site,
        "Foo.Bar",
        "1.0",
        "Requires-Dist: numpy>=1.2; python_version > '3'",
        INSTALLER="uv\n",
        **{"direct_url.json": '{"url": "https://user:secret@host/foo.whl?token=1"}'},
    )
    trees.dist(
        site, "editable", **{"direct_url.json": f'{{"url": "{project.as_uri()}", "dir_info": {{"editable": true}}}}'}
    )
    egg = site / "old-2.0-py3.12.egg-info"
    trees.write(egg / "PKG-INFO", "Metadata-Version: 1.0\nName: old\nVersion: 2.0\n")
    trees.write(egg / "requires.txt", "six\n\n[dev]\npytest\n")
    trees.write(egg / "installed-files.txt", "../old/__init__.py\nPKG-INFO\n../../../../bin/old\n")
    trees.write(site / "distutils-3.0.egg-info", "Metadata-Version: 1.0\nName: distutils\nVersion: 3.0\n")
    trees.write(project / "My_Lib.egg-info" / "PKG-INFO", "Metadata-Version: 1.0\nName: My_Lib\nVersion: 4\n")
    trees.write(site / "my-lib.egg-link", f"{project}\n.")
    environment = Environment(tmp_path / "env")
    found = {dist.name: dist for dist in environment.distributions}
    assert set(found) == {"foo-bar", "editable", "old", "distutils", "my-lib"}
    assert found["foo-bar"].installer == "uv"
    assert found["foo-bar"].direct_url == "https://host/foo.whl"
    assert [requirement.name for requirement in found["foo-bar"].requirements()] == ["numpy"]
    assert found["editable"].source == project
    assert found["my-lib"].source == project
    assert "six" in found["old"].requires
    assert environment.owners.owner("lib/python3.12/site-packages/old/__init__.py") == "old"
    assert environment.owners.owner("bin/old") == "old"
    assert [dist.name for dist in environment.distributions if dist.editable] == ["editable", "my-lib"]
    assert environment.unreadable == ()


def test_conda_records_and_history(tmp_path: Path) -> None:
    trees.conda(tmp_path)
    trees.record(
        tmp_path,
        "numpy",
        "2.0",
        url="https://user:secret@host/t/TOKEN-1/forge/linux-64/numpy-2.0-0.conda",
        channel="https://host/t/TOKEN-1/forge",
        sha256="b" * 64,
        depends=["python"],
        requested_spec="numpy >=2",
    )
    trees.write(
        tmp_path / "conda-meta" / "history",
        "==> 2026-01-02 03:04:05 <==\n# cmd: /opt/bin/conda create -n x numpy\n# conda version: 26.1\n"
        "+conda-forge/linux-64::numpy-2.0-0\n# update specs: ['numpy', \"python=3.12\"]\n"
        "==> 2026-01-03 03:04:05 <==\n-conda-forge/linux-64::numpy-2.0-0\n",
    )
    environment = Environment(tmp_path)
    numpy = next(record for record in environment.conda_records if record.name == "numpy")
    assert numpy.url == "https://host/forge/linux-64/numpy-2.0-0.conda"
    assert "TOKEN" not in repr(numpy)
    assert (numpy.sha256, numpy.depends, numpy.requested) == ("b" * 64, ("python",), ("numpy >=2",))
    first, second = environment.history
    assert first.specs == ("numpy", "python=3.12")
    assert (len(first.added), len(second.removed)) == (1, 1)
    assert environment.made_by == "conda"
    assert environment.subdir is Subdir.LINUX_64


@pytest.mark.parametrize("form", ["#!{old}/bin/python3.12\n", '#!/bin/sh\n\'\'\'exec\' "{old}/bin/python" "$0" "$@"\n'])
def test_moved(tmp_path: Path, form: str) -> None:
    """Scripts say where the environment was made; `/usr/bin/env python` says nothing."""
    old, new = tmp_path / "with space" / "old", tmp_path / "new"
    trees.conda(old)
    trees.write(old / "bin" / "pip", form.format(old=old))
    trees.write(old / "bin" / "other", "#!/usr/bin/env python\n")
    trees.write(old / "bin" / "gdb.py", "#!/usr/bin/python3\n")
    assert Environment(old).strays == ()
    old.rename(new)
    (stray,) = Environment(new).strays
    assert (stray.path, stray.files) == (old, ("bin/pip",))


def test_moved_stamp_and_venv(tmp_path: Path) -> None:
    trees.conda(tmp_path / "a")
    trees.stamp(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert [stray.files for stray in Environment(tmp_path / "b").strays] == [("conda-meta/envbuild.stamp",)]
    _virtual("version = 3.12.4")(tmp_path / "c")
    trees.write(tmp_path / "c" / "bin" / "activate", f"VIRTUAL_ENV='{tmp_path}/elsewhere'\nexport VIRTUAL_ENV\n")
    assert [stray.path for stray in Environment(tmp_path / "c").strays] == [tmp_path / "elsewhere"]


def test_named_through_a_link_is_not_moved(tmp_path: Path) -> None:
    trees.conda(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    trees.write(tmp_path / "real" / "bin" / "pip", f"#!{tmp_path}/link/bin/python\n")
    assert Environment(tmp_path / "link").strays == ()
