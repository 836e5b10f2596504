"""The workspace: what the user and the machine are is read once, and what the user writes means what they mean."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.config import Config
from builder.errors import UsageError
from builder.workspace import Workspace
from tests.workspaces import workspace

FORGE = "https://conda.anaconda.org/conda-forge"


@pytest.fixture(autouse=True)
def _user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "RATTLER_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ENVBUILD_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.chdir(tmp_path)


def test_here_is_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "mine.yaml").write_text("name: mine\n")
    monkeypatch.chdir(tmp_path / "recipes")
    here = Workspace.here()
    assert (here.home, here.cwd) == (tmp_path / "home", tmp_path / "recipes")
    assert here.environ == {**os.environ, "UV_OFFLINE": "1"}, "the tests ask nobody"
    assert here.project.root == tmp_path
    assert here.package_cache == tmp_path / "cache" / "pkgs"
    assert here.project.state.is_relative_to(tmp_path / "home")


def test_paths_are_the_users(tmp_path: Path) -> None:
    here = workspace(tmp_path / "home", cwd=tmp_path / "work")
    assert here.path("~/envs/a") == tmp_path / "home" / "envs" / "a"
    assert here.path("a/../b") == tmp_path / "work" / "b"
    assert here.path("/absolute") == Path("/absolute")


def test_environments_by_name(tmp_path: Path) -> None:
    assert workspace(tmp_path).store.prefix_for("a") == tmp_path / ".conda" / "envs" / "a"
    configured = workspace(tmp_path, config=Config(envs_dir="~/mine"))
    assert configured.store.prefix_for("a") == tmp_path / "mine" / "a"


@pytest.mark.parametrize("pair", ["", "conda-forge", "conda-forge=", "=https://example.org", "="])
def test_malformed_mirror(pair: str) -> None:
    with pytest.raises(UsageError, match="CHANNEL=URL"):
        Workspace.here(mirrors=[pair])


def test_a_mirror_of_the_command_line_wins_over_the_configured_one(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "mirrors:\n  conda-forge: https://one.example/c\n  other: https://two.example/c\n"
    )
    mirrors = Workspace.here(mirrors=["conda-forge=https://three.example/c"]).mirrors
    assert mirrors.fetch_url(f"{FORGE}/x") == "https://three.example/c/x"
    assert mirrors.fetch_url("https://conda.anaconda.org/other/x") == "https://two.example/c/x"


def test_a_mirror_folder_is_the_users(tmp_path: Path) -> None:
    (tmp_path / "mirror" / "noarch").mkdir(parents=True)
    (tmp_path / "mirror" / "noarch" / "repodata.json").write_text('{"info": {"subdir": "noarch"}, "packages": {}}')
    mirrors = workspace(tmp_path, mirror_places={"conda-forge": "~/mirror"}).mirrors
    assert mirrors.fetch_url(f"{FORGE}/noarch") == f"{(tmp_path / 'mirror').as_uri()}/noarch"
    with pytest.raises(UsageError, match="neither a URL nor an existing folder"):
        _ = workspace(tmp_path, mirror_places={"conda-forge": "nowhere"}).mirrors


def test_a_deleted_working_directory_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match="working directory"):
        Workspace.here()
