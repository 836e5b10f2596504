"""`envbuild prove`: a lock's proof without a build, over a real channel, and the same verdict as that of the build."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from rattler.index import index_fs

from builder.channel.archive import PackageSpec
from builder.platforms import Subdir
from tests.integration.create.conftest import MACHO, SITE
from tests.integration.create.server import Server
from tests.integration.create.world import MINOR, World, package, wait

if TYPE_CHECKING:
    from pathlib import Path

_RECIPE = """\
name: linked
platforms: [osx-arm64]
channels: ["{channel}"]
python: "{minor}"
dependencies: ["{host}", user]
"""


def proof_of(world: World, name: str) -> dict[str, Any]:
    text = (world.project / "environments" / name / "proof.json").read_text()
    found: dict[str, Any] = json.loads(text)["platforms"]
    return found


def write_recipe(world: World, host: str) -> None:
    text = _RECIPE.format(channel=world.channel.as_uri(), minor=MINOR, host=host)
    (world.project / "recipes" / "linked.yaml").write_text(text)


def test_a_lock_is_proven_once_and_the_same_again(world: World) -> None:
    first = world.run("prove", "tiny", "--json").ended(0)
    for read, packages in re.findall(r"read (\d+) of (\d+) packages", first.stderr):
        assert int(read) <= int(packages), first.stderr
    text = (world.project / "environments" / "tiny" / "proof.json").read_text()
    assert first.result["reads"] > 0
    again = world.run("prove", "tiny", "--json").ended(0)
    assert again.result["reads"] == 0
    assert (world.project / "environments" / "tiny" / "proof.json").read_text() == text
    assert str(world.root) not in text
    assert {subdir: entry["proven"] for subdir, entry in proof_of(world, "tiny").items()} == {
        "linux-64": True,
        "osx-arm64": True,
    }
    checked = world.run("check", "tiny", "--require-proof").ended(0)
    assert "proven on osx-arm64, macOS ≥ " in checked.stdout
    assert re.search(r"proven on linux-64, .*glibc", checked.stdout)


def test_two_at_once_share_their_summaries(world: World, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    both = [world.start("prove", "tiny", "--summaries", str(shared)) for _ in range(2)]
    for one in both:
        wait(one).ended(0)
    assert all(entry["proven"] for entry in proof_of(world, "tiny").values())
    assert {path.suffix for path in shared.rglob("*") if path.is_file()} == {".summary"}
    again = world.run("prove", "tiny", "--summaries", str(shared), "--json").ended(0)
    assert again.result["reads"] == 0


def test_one_platform_keeps_the_proofs_of_the_others(world: World, tmp_path: Path) -> None:
    world.run("prove", "tiny", "--platform", "osx-arm64", "--summaries", str(tmp_path / "shared")).ended(0)
    assert list(proof_of(world, "tiny")) == ["osx-arm64"]
    assert list((tmp_path / "shared").glob("*/*.summary"))
    refused = world.run("check", "tiny", "--require-proof").ended(1)
    assert "not proven on linux-64" in refused.stdout + refused.stderr
    world.run("check", "tiny").ended(0)
    world.run("prove", "tiny", "--platform", "linux-64").ended(0)
    assert list(proof_of(world, "tiny")) == ["linux-64", "osx-arm64"]


def test_a_missing_symbol_is_named_and_the_build_says_the_same(linked: World) -> None:
    write_recipe(linked, "host ==1.0")
    linked.run("lock", "linked").ended(0)
    linked.run("prove", "linked").ended(1)
    proof = proof_of(linked, "linked")["osx-arm64"]
    failed = [entry for entry in proof["findings"] if entry["status"] == "fail"]
    assert not proof["proven"]
    assert any("_host_mul" in line for entry in failed for line in (entry["title"], *entry["evidence"])), failed
    linked.create("linked", "--platform", "osx-arm64", "-p", str(linked.prefix("linked")))
    verified = linked.run("verify", str(linked.prefix("linked")), "--static", "--json").ended(1).result
    built = {(one["check"], one["status"], one["title"], *one["evidence"]) for one in verified["findings"]}
    told = {(one["check"], one["status"], one["title"], *one["evidence"]) for one in failed}
    assert told == {entry for entry in built if entry[1] == "fail"}


def test_a_proof_is_stale_once_the_lock_is_another(linked: World) -> None:
    write_recipe(linked, "host ==1.0")
    linked.run("lock", "linked").ended(0)
    linked.run("prove", "linked").ended(1)
    assert "not proven on osx-arm64" in linked.run("check", "linked").ended(0).stdout
    write_recipe(linked, "host ==2.0")
    linked.run("lock", "linked").ended(0)
    assert "stale proof on osx-arm64" in linked.run("check", "linked").ended(0).stdout
    linked.run("check", "linked", "--require-proof").ended(1)
    changed = linked.run("prove", "linked", "--json").ended(0)
    assert changed.result["reads"] == 1
    linked.run("check", "linked", "--require-proof").ended(0)


def test_wheels_are_read_by_name_version_and_hash(world: World) -> None:
    with Server(world.index) as index:
        made = world.run("prove", "mixed", "--json", UV_DEFAULT_INDEX=f"{index.url}/simple").ended(0)
    assert made.result["reads"] > 0
    # What was read is kept: no index is needed any more.
    assert world.run("prove", "mixed", "--json").ended(0).result["reads"] == 0


def test_another_package_than_the_locked_one_is_refused(linked: World) -> None:
    write_recipe(linked, "host ==2.0")
    linked.run("lock", "linked").ended(0)
    archive = next((linked.channel / "osx-arm64").glob("host-2.0*"))
    archive.write_bytes(archive.read_bytes() + b"x")
    refused = linked.run("prove", "linked")
    assert refused.code not in (0, 1)
    assert "not the package that was locked" in refused.stderr
    assert not (linked.project / "environments" / "linked" / "proof.json").exists()


def test_a_damaged_proof_is_no_proof(world: World) -> None:
    file = world.project / "environments" / "tiny" / "proof.json"
    file.write_text('{"version": 1, "platforms": {"osx-arm64": {}}}')
    refused = world.run("check", "tiny")
    assert refused.code == 2
    assert "proof.json" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_create_says_what_was_proven(linked: World) -> None:
    write_recipe(linked, "host ==2.0")
    linked.run("lock", "linked").ended(0)
    place = ("--platform", "osx-arm64", "-p", str(linked.prefix("linked")))
    assert "proven on" not in linked.create("linked", *place).ended(0).stdout
    linked.run("prove", "linked").ended(0)
    assert "its lock is proven on osx-arm64, macOS ≥ " in linked.create("linked", *place).ended(0).stdout


def test_lock_prove_keeps_the_old_lock_unless_the_new_one_proves(linked: World) -> None:
    folder = linked.project / "environments" / "linked"
    write_recipe(linked, "host ==2.0")
    linked.run("lock", "linked", "--prove").ended(0)
    linked.run("check", "linked", "--require-proof").ended(0)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    write_recipe(linked, "host ==1.0")
    refused = linked.run("lock", "linked", "--prove").ended(1)
    assert "_host_mul" in refused.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


_COMBINED = """\
name: linked
platforms: [osx-arm64]
channels: ["{channel}"]
python: "{minor}"
framework: {{name: jax, provider: conda-forge}}
dependencies: [user]
"""


@pytest.mark.parametrize(("older", "proves"), [("libhost.dylib", True), ("libhost-old.dylib", False)])
def test_lock_prove_goes_on_to_the_next_combination(linked: World, older: str, proves: bool) -> None:
    """The newest JAX lacks a symbol that another package wants: no fact says so, and no solver sees it."""
    for version, file in (("0.10.2", "libhost-old.dylib"), ("0.9.2", older)):
        spec = PackageSpec(
            name="jax", version=version, build="0", subdir=Subdir.OSX_ARM64, depends=(f"python_abi {MINOR}.*",)
        )
        package(linked.channel, spec, {f"{SITE}/host/libhost.dylib": (MACHO / file).read_bytes()})
        spec = PackageSpec(
            name="jaxlib", version=version, build="cpu_0", subdir=Subdir.OSX_ARM64, depends=(f"python_abi {MINOR}.*",)
        )
        package(linked.channel, spec, {"share/jaxlib": b""})
    for name, version in (("ml_dtypes", "0.5.1"), ("numpy", "2.0.2"), ("scipy", "1.14.1")):
        spec = PackageSpec(name=name, version=version, build="0", subdir=Subdir.NOARCH)
        package(linked.channel, spec, {f"share/{name}": b""})
    spec = PackageSpec(name="user", version="2.0", build="0", subdir=Subdir.OSX_ARM64, depends=("jax",))
    package(linked.channel, spec, {f"{SITE}/user/module.so": (MACHO / "module.so").read_bytes()})
    asyncio.run(index_fs(linked.channel, write_zst=False, write_shards=False, force=True))
    text = _COMBINED.format(channel=linked.channel.as_uri(), minor=MINOR)
    (linked.project / "recipes" / "linked.yaml").write_text(text)
    folder = linked.project / "environments" / "linked"
    folder.mkdir()
    (folder / "conda-lock.yml").write_text("old")
    if not proves:
        refused = linked.run("lock", "linked", "--prove").ended(1)
        assert "_host_mul" in refused.stderr
        assert {file.name: file.read_text() for file in folder.iterdir()} == {"conda-lock.yml": "old"}
        return
    (folder / "conda-lock.yml").unlink()
    made = linked.run("lock", "linked", "--prove").ended(0)
    assert (
        f"jaxlib 0.10.2 from conda-forge with Python {MINOR} would not load: osx-arm64: link.symbols: " in made.stderr
    )
    assert "took jaxlib 0.9.2" in made.stderr
    assert "name: jax\n  version: 0.9.2\n" in (folder / "conda-lock.yml").read_text()
    linked.run("check", "linked", "--require-proof").ended(0)


def test_packages_are_fetched_from_a_mirror_on_the_network(world: World) -> None:
    with Server(world.channel) as server:
        made = world.run("prove", "tiny", "--json", *world.mirror(server.url)).ended(0)
    assert made.result["reads"] > 0
