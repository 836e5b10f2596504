"""Adding one package to a recipe, from the command line: nothing else moves, and what moved is told."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING

from builder.channel.archive import PackageSpec
from builder.lock.read import read_lock
from builder.platforms import Subdir
from tests.integration.create.world import package

if TYPE_CHECKING:
    from tests.integration.create.world import World


def test_adding_a_package_moves_nothing_else(world: World) -> None:
    from rattler.index import index_fs

    channel = shutil.copytree(world.channel, world.root / "newer", ignore=shutil.ignore_patterns("repodata*"))
    for name, version in (("words", "1.1"), ("filler", "2.0"), ("prefixed", "1.1"), ("addition", "1.0")):
        spec = PackageSpec(name=name, version=version, build="0", subdir=Subdir.NOARCH, noarch="generic")
        package(channel, spec, {f"share/{name}.txt": b"newer\n"})
    asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    mirror = world.mirror(channel.as_uri())
    file = world.project / "environments/tiny/conda-lock.yml"
    before = {package.url for package in read_lock(file).packages}
    again = world.run("lock", "tiny", *mirror).ended(0)
    assert {package.url for package in read_lock(file).packages} == before
    assert "→" not in again.stdout
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("dependencies: [words,", "dependencies: [words, addition,", 1))
    answer = world.run("lock", "tiny", *mirror).ended(0)
    after = {package.url for package in read_lock(file).packages}
    assert {url.rpartition("/")[2] for url in after ^ before} == {"addition-1.0-0.conda"}
    assert "+ addition 1.0 (osx-arm64, linux-64): the recipe asks for it (addition)" in answer.stdout
    file.unlink()
    world.run("lock", "tiny", *mirror).ended(0)
    anew = {package.name: package.version for package in read_lock(file).packages}
    assert (anew["words"], anew["filler"]) == ("1.1", "2.0"), "the channel has newer ones, or this proves nothing"
    assert json.loads(world.run("check", "tiny", "--json").ended(0).stdout)["status"] == "ok"
