"""`envbuild matrix` on a real history: everything, or what has changed since a revision, and for whom."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from builder.lock.read import read_lock
from tests.integration.create.test_diff import git

if TYPE_CHECKING:
    from tests.integration.create.world import World


@pytest.fixture
def history(world: World) -> World:
    """The project as a repository, with a tag `one`."""
    git(world.project, "init", "-q", "-b", "main")
    git(world.project, "add", ".")
    git(world.project, "commit", "-qm", "one")
    git(world.project, "tag", "one")
    return world


def _jobs(world: World, *arguments: str) -> list[tuple[str, str, str]]:
    jobs = world.run("matrix", *arguments, "--json").ended(0).result["jobs"]
    return [(job["environment"], job["platform"], job["why"]) for job in jobs]


def _change(world: World, name: str, before: str, after: str) -> None:
    recipe = world.project / f"recipes/{name}.yaml"
    assert before in recipe.read_text()
    recipe.write_text(recipe.read_text().replace(before, after))


def test_everything_that_is_locked(history: World) -> None:
    (history.project / "recipes/unlocked.yaml").write_text("name: unlocked\nextends: tiny\n")
    answer = history.run("matrix").ended(0)
    assert answer.stdout.splitlines() == [
        "mixed on linux-64: it is locked",
        "tiny on osx-arm64: it is locked",
        "tiny on linux-64: it is locked",
    ]
    assert "unlocked has no lock, and is left out" in answer.stderr
    assert "unlocked has no lock" in history.run("matrix", "unlocked").ended(1).stderr
    for name in ("a", "b", "c", "d", "e"):
        (history.project / f"recipes/{name}.yaml").write_text(f"name: {name}\nextends: tiny\n")
    told = history.run("matrix").ended(0).stderr
    assert told == (
        "warning: 6 recipes have no lock, and are left out: a, b, c, d and 2 others; `envbuild lock --all` makes them\n"
    )
    for name in ("a", "b", "c", "d", "e"):
        (history.project / f"recipes/{name}.yaml").unlink()
    assert _jobs(history, "tiny", "--platform", "osx-arm64") == [("tiny", "osx-arm64", "it is locked")]


def test_what_has_changed_since_a_revision(history: World) -> None:
    assert _jobs(history, "--since", "one") == []
    assert history.run("matrix", "--since", "one").ended(0).stdout == "nothing has changed\n"
    _change(history, "tiny", "filler", "{conda: filler, platforms: [osx-arm64]}")
    history.run("lock", "tiny").ended(0)
    git(history.project, "commit", "-qam", "two")
    why = "recipes/tiny.yaml has changed since one"
    assert _jobs(history, "--since", "one") == [("tiny", "osx-arm64", why), ("tiny", "linux-64", why)]
    # Packages alone: as `update` moves them, on one platform.
    git(history.project, "checkout", "-q", "one", "--", "recipes")
    assert _jobs(history, "--since", "one") == [("tiny", "linux-64", "its packages have changed since one")]
    assert _jobs(history, "mixed", "--since", "one") == []


def test_a_recipe_that_another_builds_on_counts(history: World) -> None:
    (history.project / "recipes/child.yaml").write_text("name: child\nextends: tiny\n")
    history.run("lock", "child").ended(0)
    assert {why for name, _, why in _jobs(history, "--since", "one") if name == "child"} == {"it is new since one"}
    git(history.project, "add", ".")
    git(history.project, "commit", "-qm", "child")
    _change(history, "tiny", "words, ", "")
    assert {(name, why) for name, _, why in _jobs(history, "--since", "HEAD")} == {
        ("child", "recipes/tiny.yaml has changed since HEAD"),
        ("tiny", "recipes/tiny.yaml has changed since HEAD"),
    }


def test_a_cache_is_named_by_the_packages_of_its_platform(history: World) -> None:
    def caches() -> dict[str, str]:
        jobs = history.run("matrix", "tiny", "--json").ended(0).result["jobs"]
        return {job["platform"]: job["cache"] for job in jobs}

    before = caches()
    _change(history, "tiny", "filler", "{conda: filler, platforms: [osx-arm64]}")
    history.run("lock", "tiny").ended(0)
    after = caches()
    assert after["osx-arm64"] == before["osx-arm64"]
    assert after["linux-64"] != before["linux-64"]


def _included(world: World, *arguments: str) -> list[dict[str, Any]]:
    text = world.run("matrix", "tiny", "--format", "github", *arguments).ended(0).stdout
    assert text.count("\n") == 1, "an output of GitHub's is one line"
    include: list[dict[str, Any]] = json.loads(text)["include"]
    return include


def test_as_github_takes_it(history: World) -> None:
    assert [(one["platform"], one["runner"]) for one in _included(history)] == [
        ("osx-arm64", "macos-14"),
        ("linux-64", "ubuntu-latest"),
    ]
    own = ("--runner", "osx-arm64=macos-14", "--runner", "osx-arm64=self-hosted,ARM64", "--platform", "osx-arm64")
    assert [one["runner"] for one in _included(history, *own)] == ["macos-14", ["self-hosted", "ARM64"]]
    assert _included(history, "--since", "one") == []


def test_as_gitlab_takes_it(history: World) -> None:
    text = history.run("matrix", "tiny", "--format", "gitlab", "--setup", "pip install .").ended(0).stdout
    pipeline = yaml.safe_load(text)
    assert list(pipeline) == ["tiny osx-arm64", "tiny linux-64"]
    job = pipeline["tiny linux-64"]
    assert job["script"][:2] == ["pip install .", "envbuild create tiny --locked --no-verify"]
    assert job["cache"]["key"].startswith("envbuild-linux-64-")
    empty = yaml.safe_load(history.run("matrix", "--since", "one", "--format", "gitlab").ended(0).stdout)
    assert all(job["script"] for job in empty.values()), "GitLab takes no pipeline without jobs"


def test_as_buildkite_takes_it(history: World) -> None:
    arguments = ("--format", "buildkite", "--runner", "osx-arm64=os=mac,minis")
    steps = yaml.safe_load(history.run("matrix", "tiny", *arguments).ended(0).stdout)["steps"]
    assert [step["agents"] for step in steps] == [{"os": "mac", "queue": "minis"}, {"queue": "linux-64"}]
    assert "envbuild verify tiny" in steps[0]["command"]
    assert yaml.safe_load(history.run("matrix", "--since", "one", "--format", "buildkite").ended(0).stdout)["steps"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--since", "nonsense"), 2, "is neither a file nor a revision"),
        (("--since", "--all"), 2, "is neither a file nor a revision"),
        (("--runner", "osx-arm64"), 2, "is not PLATFORM=LABEL"),
        (("--runner", "win-64=x"), 2, "is not PLATFORM=LABEL"),
        (("nothing",), 2, "there is no recipe 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_refused(history: World, arguments: tuple[str, ...], code: int, told: str) -> None:
    assert told in history.run("matrix", *arguments).ended(code).stderr


def test_the_digest_is_that_of_the_proof(history: World) -> None:
    from builder.lock.proof import packages_digest
    from builder.platforms import Subdir

    lock = read_lock(history.project / "environments/tiny/conda-lock.yml")
    jobs = json.loads(history.run("matrix", "tiny", "--format", "json").ended(0).stdout)
    assert {job["platform"]: job["digest"] for job in jobs} == {
        name: packages_digest(lock.on(Subdir(name))) for name in ("osx-arm64", "linux-64")
    }
