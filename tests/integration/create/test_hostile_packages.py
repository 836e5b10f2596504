"""Packages made to do harm, linked by the real linker: refused by name, and nothing is written outside the prefix."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder.channel import archive
from builder.channel.archive import PackageSpec, write_package
from builder.errors import BuildError
from builder.install.conda import install_conda
from builder.lock.channels import Mirrors
from builder.lock.model import LockedPackage
from builder.platforms import Subdir
from builder.progress import NoProgress

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[3]
Content = dict[str, Any]


def _spoilt(folder: Path, spoil: Callable[[str, Content], object], monkeypatch: pytest.MonkeyPatch) -> LockedPackage:
    """A package whose `info/NAME.json` was changed by `spoil(NAME, content)` before it was packed."""
    tree = folder / "tree"
    (tree / "share").mkdir(parents=True)
    (tree / "share" / "x").write_text("content")
    sound = archive._metadata

    def metadata(*arguments: Any) -> dict[str, bytes]:
        content = sound(*arguments)
        for name in ("index.json", "paths.json"):
            data = json.loads(content[name])
            spoil(name, data)
            content[name] = json.dumps(data).encode()
        return content

    monkeypatch.setattr(archive, "_metadata", metadata)
    spec = PackageSpec(name="evil", version="1.0", build="0", subdir=Subdir.NOARCH, noarch="generic")
    package = write_package(spec, tree=tree, folder=folder / "channel" / "noarch")
    return LockedPackage(
        manager="conda",
        name="evil",
        version="1.0",
        subdir=Subdir.LINUX_64,
        url=package.as_uri(),
        sha256=hashlib.sha256(package.read_bytes()).hexdigest(),
    )


def _install(package: LockedPackage, folder: Path) -> None:
    install_conda(
        [package],
        folder / "envs" / "prefix",
        subdir=Subdir.LINUX_64,
        host=Subdir.LINUX_64,
        mirrors=Mirrors(),
        requested=(),
        cache=folder / "cache",
        progress=NoProgress(),
    )


def _path(value: str) -> Callable[[str, Content], None]:
    def spoil(name: str, data: Content) -> None:
        if name == "paths.json":
            data["paths"][0]["_path"] = value

    return spoil


def _name(name: str, data: Content) -> None:
    if name == "index.json":
        data["name"] = "other"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_path("../victim/x"), "outside the environment"),
        (_path("/tmp/envbuild-absolute"), "outside the environment"),
        (_path("conda-meta/envbuild.stamp"), "not a package's to write"),
        (_path("Conda-Meta/./six-1.0-0.JSON"), "not a package's to write"),
        (_name, "its name is 'other'"),
    ],
    ids=["beside", "absolute", "stamp", "record", "name"],
)
def test_refused_before_linking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[str, Content], object], said: str
) -> None:
    package = _spoilt(tmp_path, spoil, monkeypatch)
    (tmp_path / "envs" / "victim").mkdir(parents=True)
    # What a path of `../victim/x` would be copied from: beside the extracted package.
    (tmp_path / "cache" / "victim").mkdir(parents=True)
    (tmp_path / "cache" / "victim" / "x").write_text("planted")
    for _ in range(2):  # from the archive, and from the cache
        with pytest.raises(BuildError, match="not fit to be installed") as caught:
            _install(package, tmp_path)
        assert said in caught.value.message
        assert "evil-1.0-0.conda" in caught.value.message
    assert list((tmp_path / "envs" / "victim").iterdir()) == []
    assert not (tmp_path / "envs" / "prefix" / "share" / "x").exists()


def test_an_absolute_path_does_not_end_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unchecked, it aborts the whole process, and nobody is told why: so this is tried in another one."""
    package = _spoilt(tmp_path, _path("/tmp/envbuild-absolute"), monkeypatch)
    program = (
        "import sys; from pathlib import Path; from builder.errors import BuildError;"
        "from builder.lock.model import LockedPackage; from builder.platforms import Subdir;"
        "from tests.integration.create.test_hostile_packages import _install\n"
        "try:\n"
        "    _install(LockedPackage(manager='conda', name='evil', version='1.0', subdir=Subdir.LINUX_64,"
        "        url=sys.argv[1], sha256=sys.argv[2]), Path(sys.argv[3]))\n"
        "except BuildError as error:\n"
        "    print(error.message)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, package.url, package.sha256 or "", str(tmp_path)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "outside the environment" in answer.stdout, answer.stderr
    assert "panicked" not in answer.stderr


def test_a_sound_one_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _spoilt(tmp_path, _path("share/x"), monkeypatch)
    _install(package, tmp_path)
    assert (tmp_path / "envs" / "prefix" / "share" / "x").read_text() == "content"
