"""The contract with conda-lock: what we write is what it would have written, and it takes it as its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from builder.lock.condalock import import_whole
from builder.lock.read import read_lock
from builder.names import MAPPING_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.create.world import World

LOCKED = ["tiny", "mixed"]


def _lock_file(world: World, name: str) -> Path:
    return world.project / "environments" / name / "conda-lock.yml"


@pytest.mark.parametrize("name", LOCKED)
def test_parsed_to_the_same_content(world: World, name: str) -> None:
    import_whole()
    from conda_lock.lockfile import parse_conda_lock_file

    ours = read_lock(_lock_file(world, name))
    theirs = parse_conda_lock_file(_lock_file(world, name))
    assert {str(platform) for platform in ours.platforms} == set(theirs.metadata.platforms)
    assert [channel.url for channel in theirs.metadata.channels] == list(ours.channels)
    read = {
        (package.manager, package.name, package.platform): (
            package.version,
            package.url,
            package.hash.sha256,
            dict(package.dependencies),
            tuple(sorted(package.categories)),
        )
        for package in theirs.package
    }
    assert read == {
        (package.manager, package.name, package.subdir.value): (
            package.version,
            package.url,
            package.sha256,
            dict(package.dependencies),
            package.groups,
        )
        for package in ours.packages
    }


@pytest.mark.parametrize("name", LOCKED)
def test_content_hashes_are_conda_locks(world: World, name: str) -> None:
    """Also for locks made with only a part of conda-lock imported (`tiny` has no PyPI packages)."""
    import_whole()
    from conda_lock.content_hash import compute_content_hashes
    from conda_lock.src_parser import make_lock_spec
    from conda_lock.virtual_package import virtual_package_repo_from_specification

    folder = _lock_file(world, name).parent
    lock = read_lock(folder / "conda-lock.yml")
    specification = make_lock_spec(
        src_files=[folder / source for source in lock.sources], mapping_url=str(MAPPING_FILE)
    )
    packages = virtual_package_repo_from_specification(folder / "virtual-packages.yml")
    with packages:
        assert compute_content_hashes(specification, packages) == dict(lock.content_hash)


@pytest.mark.parametrize("name", LOCKED)
def test_text_is_conda_locks(world: World, name: str, tmp_path: Path) -> None:
    """Byte for byte below the header: a lock that both write must not change back and forth in version control."""
    import_whole()
    from conda_lock.lockfile import parse_conda_lock_file, write_conda_lock_file

    theirs = tmp_path / "theirs.yml"
    write_conda_lock_file(
        parse_conda_lock_file(_lock_file(world, name)),
        theirs,
        metadata_choices=set(),
        include_help_text=False,
    )
    ours = _lock_file(world, name).read_text(encoding="utf-8")
    body = "".join(line for line in ours.splitlines(keepends=True) if not line.startswith("#"))
    assert body == theirs.read_text(encoding="utf-8")


def _conda_lock(world: World, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from conda_lock import main; sys.exit(main())", *arguments],
        cwd=folder,
        env=world.environ(HOME=str(world.home)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_stock_conda_lock_finds_it_up_to_date(world: World) -> None:
    """`--check-input-hash` with a conda that cannot solve anything: it does not need to."""
    folder = _lock_file(world, "tiny").parent
    stub = world.root / "conda"
    stub.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "conda 26.7.0" && exit\nexit 1\n')
    stub.chmod(0o755)
    before = (folder / "conda-lock.yml").read_bytes()
    sources = [argument for source in read_lock(folder / "conda-lock.yml").sources for argument in ("-f", source)]
    run = _conda_lock(
        world, folder, "lock", "--check-input-hash", "--conda", str(stub), "--lockfile", "conda-lock.yml", *sources
    )
    assert run.returncode == 0, run.stderr
    assert "Spec hash already locked for ['linux-64', 'osx-arm64']. Skipping solve." in run.stdout + run.stderr
    assert (folder / "conda-lock.yml").read_bytes() == before


def test_stock_conda_lock_renders_it(world: World) -> None:
    folder = _lock_file(world, "tiny").parent
    run = _conda_lock(world, folder, "render", "-p", "osx-arm64", "--kind", "explicit", "conda-lock.yml")
    assert run.returncode == 0, run.stderr
    text = (folder / "conda-osx-arm64.lock").read_text()
    lock = read_lock(folder / "conda-lock.yml")
    for package in lock.packages:
        if package.subdir.value == "osx-arm64" and package.groups == ("main",):
            assert package.url in text


@pytest.mark.parametrize("name", LOCKED)
def test_check_answers_from_hashes(world: World, name: str) -> None:
    """Up to date after locking; stale, with the reason, when the recipe changed or a file was edited."""
    world.run("check", name).ended(0)
    rendered = _lock_file(world, name).parent / "environment.yml"
    text = rendered.read_text()
    rendered.write_text(text + "# edited\n")
    assert "environment.yml" in world.run("check", name).ended(1).stderr
    rendered.write_text(text)
    recipe = world.project / "recipes" / f"{name}.yaml"
    recipe.write_text(recipe.read_text().replace("words", "words >=1"))
    assert "environment.yml is out of date" in world.run("check", name).ended(1).stderr
