"""`envbuild create` from a lock: what is in the environment afterwards."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.create.world import MINOR, TEXT_PLACEHOLDER

if TYPE_CHECKING:
    from tests.integration.create.world import World


def test_the_environment_runs(world: World) -> None:
    """Python starts in it and takes it for its own; the noarch package imports and its entry point runs."""
    world.create("tiny").ended(0)
    world.whole()
    prefix = world.prefix()
    run = subprocess.run(
        [prefix / "bin" / "python", "-I", "-c", "import sys, words; print(sys.prefix, words.__file__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [str(prefix), str(prefix / f"lib/python{MINOR}/site-packages/words.py")]
    entry_point = subprocess.run([prefix / "bin" / "say-words"], capture_output=True, text=True, check=True)
    assert entry_point.stdout == "words\n"


def test_prefix_in_text_files_is_replaced(world: World) -> None:
    """Without it, scripts point at the folder of the machine that built the package."""
    world.create("tiny").ended(0)
    text = (world.prefix() / "share/prefixed.txt").read_text()
    assert text == f"one {world.prefix()} two {world.prefix()}/x\n"
    assert TEXT_PLACEHOLDER not in (world.prefix() / "bin/prefixed").read_text()
    run = subprocess.run([world.prefix() / "bin/prefixed"], capture_output=True, text=True, check=True)
    assert run.stdout == f"{world.prefix()}/share\n"


def test_stamp_says_what_is_in_it(world: World) -> None:
    import hashlib

    world.create("tiny").ended(0)
    stamp = world.whole()
    lock = world.project / "environments/tiny/conda-lock.yml"
    assert stamp.lock_sha256 == hashlib.sha256(lock.read_bytes()).hexdigest()
    assert (stamp.name, stamp.subdir, stamp.groups) == ("tiny", "linux-64", ("main",))
    assert {package.name for package in stamp.packages} == {
        "python",
        "python_abi",
        "pip",
        "words",
        "prefixed",
        "filler",
    }
    built = {package.name: package.build for package in stamp.packages}
    assert built["words"] == "pyh0_0"


def test_conda_meta_is_what_conda_reads(world: World) -> None:
    """`conda list`, `conda update` and other users of the machine need the records complete and readable."""
    world.create("tiny").ended(0)
    records = {}
    for file in (world.prefix() / "conda-meta").glob("*.json"):
        assert file.stat().st_mode & 0o444 == 0o444
        record = json.loads(file.read_bytes())
        records[record["name"]] = record
        assert file.name == f"{record['name']}-{record['version']}-{record['build']}.json"
        assert record["channel"].rstrip("/") == world.channel.as_uri()
    assert records["words"]["noarch"] == "python"
    assert records["prefixed"]["subdir"] == "linux-64"
    assert records["prefixed"].get("noarch") is None
    assert records["python"]["license"] == "Python-2.0"
    assert records["filler"]["requested_spec"] == "filler"
    assert records["python"]["requested_specs"] == [f"python {MINOR}.*"]
    assert "requested_spec" not in records["pip"], "pip came along, nobody asked for it"
    assert (world.prefix() / ".condarc").read_text() == "# made by: envbuild create tiny\nsubdir: linux-64\n"


def test_registered_once(world: World) -> None:
    """IDEs look there; a line for every create would fill it up."""
    listed = world.home / ".conda" / "environments.txt"
    listed.parent.mkdir()
    listed.write_text("/somebody/elses\n")
    world.create("tiny").ended(0)
    world.create("tiny").ended(0)
    world.create("tiny", "--group", "dev").ended(0)
    assert listed.read_text() == f"/somebody/elses\n{world.prefix()}\n"


def test_second_create_does_nothing(world: World) -> None:
    assert world.create("tiny", "--json").ended(0).result["changed"] is True
    stamp = world.prefix() / "conda-meta" / "envbuild.stamp"
    before = (stamp.stat().st_ino, stamp.stat().st_mtime_ns)
    (world.root / "rattler-cache").rename(world.root / "away")
    again = world.create("tiny", "--json").ended(0)
    assert again.result["changed"] is False
    assert (stamp.stat().st_ino, stamp.stat().st_mtime_ns) == before
    assert not (world.root / "rattler-cache").exists(), "it went as far as looking at packages"


def test_other_lock_replaces_the_environment(world: World) -> None:
    """What is no longer locked is gone, and nothing of the old environment stays beside the new one."""
    world.create("tiny").ended(0)
    (world.prefix() / "share" / "mine.txt").write_text("added by hand")
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words, prefixed, filler", "prefixed"))
    world.run("lock", "tiny").ended(0)
    world.create("tiny").ended(0)
    world.whole()
    assert not (world.prefix() / "share" / "filler").exists()
    assert not (world.prefix() / "share" / "mine.txt").exists()
    assert world.beside() == []


def test_group(world: World) -> None:
    """A group is added on demand, is part of what makes an environment current, and a wrong one is refused."""
    world.create("tiny").ended(0)
    assert not (world.prefix() / "share/devtool.txt").exists()
    assert world.create("tiny", "--group", "dev", "--json").ended(0).result["changed"] is True
    assert (world.prefix() / "share/devtool.txt").exists()
    assert world.whole().groups == ("main", "dev")
    repeated = world.create("tiny", "--group", "dev", "--group", "dev", "--json").ended(0)
    assert repeated.result["changed"] is False
    refused = world.create("tiny", "--group", "deb").ended(2)
    assert "no group deb" in refused.stderr
    assert "dev" in refused.stderr
    assert (world.prefix() / "share/devtool.txt").exists()


def test_unusual_prefix(world: World) -> None:
    """Spaces, letters beyond ASCII and characters that mean something to a shell or a glob pattern."""
    prefix = world.root / "Mes environnements" / "naïve [1] (é) & co"
    world.create("tiny", "-p", str(prefix)).ended(0)
    world.whole(prefix=prefix)
    run = subprocess.run([prefix / "bin" / "say-words"], capture_output=True, text=True, check=True)
    assert run.stdout == "words\n"
    world.create("tiny", "-p", str(prefix), "--group", "dev").ended(0)
    assert sorted(path.name for path in prefix.parent.iterdir()) == [f".{prefix.name}.envbuild-lock", prefix.name]


def test_proven_environment(world: World) -> None:
    """The whole way with proof: an environment of ours passes its own verification."""
    answer = world.run("create", "tiny", "--json").ended(0)
    assert answer.result["verification"]["ok"] is True
    assert answer.result["verification"]["counts"]["pass"] > 0


def _unprovable(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(f"{recipe.read_text()}verify:\n  imports: [no_such_module]\n")


def test_new_environment_that_fails_its_proof_is_kept(world: World) -> None:
    """Exit code 1, and something to look at; registered, so that it can be activated for that."""
    _unprovable(world)
    answer = world.run("create", "tiny").ended(1)
    assert "no_such_module" in answer.stdout
    assert "kept" in answer.stderr
    world.whole()


def test_update_that_fails_its_proof_is_undone(world: World) -> None:
    """An environment that works is not given up for one that does not."""
    world.create("tiny").ended(0)
    before = (world.whole(), (world.prefix() / "conda-meta" / "envbuild.stamp").stat().st_ino)
    _unprovable(world)
    answer = world.run("create", "tiny", "--force", "--json").ended(1)
    assert answer.result["changed"] is False
    assert answer.result["verification"]["ok"] is False
    assert (world.whole(), (world.prefix() / "conda-meta" / "envbuild.stamp").stat().st_ino) == before
    assert world.beside() == []


def test_a_failed_proof_does_not_turn_green_on_retry(world: World) -> None:
    _unprovable(world)
    world.run("create", "tiny").ended(1)
    again = world.run("create", "tiny", "--json").ended(1)
    assert again.result["changed"] is False
    assert again.result["verification"]["ok"] is False
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("imports: [no_such_module]", "imports: [json]"))
    assert world.run("create", "tiny", "--json").ended(0).result["changed"] is False
    assert world.run("create", "tiny", "--json").ended(0).result["verification"] is None


def test_what_was_not_verified_is_verified_by_the_next_create(world: World) -> None:
    _unprovable(world)
    world.create("tiny").ended(0)
    world.run("create", "tiny").ended(1)
    told = world.create("tiny").ended(0)
    assert "last verification" in told.stderr
    assert "failed" in told.stderr


def test_changed_checks_are_proven_without_building_again(world: World) -> None:
    assert world.run("create", "tiny", "--json").ended(0).result["verification"]["ok"] is True
    inode = (world.prefix() / "bin").stat().st_ino
    _unprovable(world)
    told = world.run("verify", "tiny", "--static")
    assert "`verify:` of the recipe tiny has changed" in told.stderr
    failed = world.run("create", "tiny", "--json").ended(1)
    assert any("no_such_module" in finding["title"] for finding in failed.result["verification"]["findings"])
    assert (world.prefix() / "bin").stat().st_ino == inode


def test_a_stale_lock_is_said_though_there_is_nothing_to_do(world: World) -> None:
    world.create("tiny").ended(0)
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("words, prefixed, filler", "words, prefixed"))
    told = world.create("tiny").ended(0)
    assert "out of date" in told.stderr
    assert "envbuild lock tiny" in told.stderr


def test_a_recipe_for_other_machines_is_refused_before_anything_is_done(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("linux-64, osx-arm64", "osx-arm64"))
    for arguments in ((), ("--source", "pypi")):
        told = world.run("create", "tiny", *arguments).ended(2)
        assert "is for osx-arm64, not for linux-64, which this machine is" in told.stderr
    assert not world.prefix().exists()
    assert not (world.home / ".local").exists()


def test_a_group_whose_packages_are_all_there_anyway(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(recipe.read_text().replace("dependencies: [devtool]", "dependencies: [words]"))
    world.run("lock", "tiny").ended(0)
    world.create("tiny", "--group", "dev").ended(0)
    assert world.whole().groups == ("main", "dev")


def test_contradicting_places_are_refused(world: World) -> None:
    told = world.run("create", "tiny", "-n", "other", "-p", "there").ended(2)
    assert "-n and -p" in told.stderr
    told = world.run("create", "tiny", "-n", "base").ended(2)
    assert "conda itself" in told.stderr
    told = world.run("verify", str(world.project), "--quick", "--full").ended(2)
    assert "--quick and --full" in told.stderr


def test_an_environment_rebuilt_in_its_place_keeps_its_name(world: World) -> None:
    """Remedies name the place, since an environment may be anywhere."""
    world.create("tiny", "-n", "other").ended(0)
    world.create("tiny", "-p", str(world.prefix("other")), "--force").ended(0)
    assert world.whole("other").name == "other"


def test_expectations(world: World) -> None:
    recipe = world.project / "recipes/tiny.yaml"
    recipe.write_text(
        f'{recipe.read_text()}macos: "14.2"\nverify:\n  imports: [json]\n  tolerances: {{float32: 1e-3}}\n'
    )
    world.run("lock", "tiny").ended(0)
    # A short path: the binary of the fixture has room for 51 bytes.
    with tempfile.TemporaryDirectory(prefix="mac") as folder:
        prefix = Path(folder) / "env"
        world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64").ended(0)
        expected = world.whole(prefix=prefix).expectations
    assert (expected.macos, expected.blas, expected.imports) == ("14.2", "auto", ("json",))
    assert expected.tolerances == {"float32": 1e-3}


def test_what_fails_on_the_users_side_does_not_take_a_sound_rebuild_back(world: World) -> None:
    world.run("create", "tiny").ended(0)
    before = (world.prefix() / "conda-meta" / "envbuild.stamp").stat().st_ino
    user_site = world.home / ".local" / "lib" / f"python{MINOR}" / "site-packages"
    (user_site / "pip").mkdir(parents=True)
    (user_site / "pip" / "__init__.py").write_text("")
    answer = world.run("create", "tiny", "--force", "--json").ended(1)
    failed = [finding["check"] for finding in answer.result["verification"]["findings"] if finding["status"] == "fail"]
    assert failed == ["process.user-site"]
    assert answer.result["changed"] is True
    assert (world.prefix() / "conda-meta" / "envbuild.stamp").stat().st_ino != before
    assert "is sound" in answer.stdout
