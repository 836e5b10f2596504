"""Environments are found wherever conda, mamba, pixi and we keep them, and removed only when it is safe."""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from builder.environment import removal
from builder.environment.place import BUILDING, Place
from builder.environment.store import EnvironmentStore, store
from builder.errors import BuildError, InterruptedByUserError, UsageError
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path


class User:
    """A home, a root of the file system and a working directory, all below `path`."""

    def __init__(self, path: Path) -> None:
        self.home = path / "home" / "ada"
        self.system = path / "system"
        self.cwd = self.home / "work"
        self.cwd.mkdir(parents=True)
        self.environ: dict[str, str] = {}

    def store(self, envs_dir: str | None = None) -> EnvironmentStore:
        return store(home=self.home, environ=self.environ, cwd=self.cwd, envs_dir=envs_dir, system=self.system)


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a b", "-x", "x" * 200, "é", "a\n"])
def test_names_that_are_paths(user: User, name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        user.store().prefix_for(name)


@pytest.mark.parametrize("name", ["base", "root"])
def test_base_is_condas_own(user: User, name: str) -> None:
    with pytest.raises(UsageError, match="that conda itself is installed in"):
        user.store().prefix_for(name)


def test_place_of_a_name(user: User) -> None:
    assert user.store().prefix_for("tf-2.19") == user.home / ".conda" / "envs" / "tf-2.19"
    assert user.store("~/e").prefix_for("tf") == user.home / "e" / "tf"
    assert user.store("relative").prefix_for("tf") == user.cwd / "relative" / "tf"


PLACES = [
    "home/ada/.conda/envs/ml",
    "home/ada/miniforge3/envs/ml",
    "home/ada/mambaforge/envs/ml",
    "home/ada/miniconda3/envs/ml",
    "home/ada/anaconda3/envs/ml",
    "home/ada/micromamba/envs/ml",
    "home/ada/.local/share/mamba/envs/ml",
    "home/ada/.pixi/envs/ml",
    "home/ada/work/.pixi/envs/ml",
    "home/ada/.pixi/envs/ml",
    "system/opt/homebrew/Caskroom/miniforge/base/envs/ml",
    "system/opt/conda/envs/ml",
]


@pytest.mark.parametrize("place", PLACES)
def test_found_in_every_place(tmp_path: Path, user: User, place: str) -> None:
    trees.conda(tmp_path / place)
    assert user.store().find("ml") == tmp_path / place
    assert [known.name for known in user.store().list()] == ["ml"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONDA_ENVS_PATH", "{}/elsewhere:/nowhere"),
        ("CONDA_ENVS_DIRS", "/nowhere:{}/elsewhere"),
        ("CONDARC", "{}/rc"),
        ("MAMBA_ROOT_PREFIX", "{}/root"),
        ("CONDA_EXE", "{}/root/bin/conda"),
    ],
)
def test_named_by_variables(tmp_path: Path, user: User, variable: str, value: str) -> None:
    folder = tmp_path / ("root/envs" if "root" in value else "elsewhere")
    trees.conda(folder / "ml")
    trees.write(tmp_path / "rc", f"envs_dirs: ['{tmp_path}/$WHERE']\n")
    with pytest.raises(UsageError):
        user.store().find("ml")
    user.environ |= {variable: value.format(tmp_path), "WHERE": "elsewhere"}
    assert user.store().find("ml") == folder / "ml"


@pytest.mark.parametrize("file", [".condarc", ".conda/.condarc", ".config/conda/.condarc", ".mambarc"])
def test_named_by_condarc(user: User, file: str) -> None:
    trees.conda(user.home / "elsewhere" / "ml")
    trees.write(user.home / file, "envs_path: ~/elsewhere\n")
    assert user.store().find("ml") == user.home / "elsewhere" / "ml"


@pytest.mark.parametrize("content", [b"envs_dirs: [1, null]", b"\xff\xfe", b"a: [", b"- x", b"", b"[" * 50_000])
def test_damaged_condarc(user: User, content: bytes) -> None:
    trees.write(user.home / ".condarc", content)
    trees.write(user.home / ".conda" / "environments.txt", b"\0\n\xff\nrelative\n/nowhere\n")
    trees.conda(user.home / ".conda" / "envs" / "ml")
    assert user.store().find("ml") == user.home / ".conda" / "envs" / "ml"


def test_listed_elsewhere(tmp_path: Path, user: User) -> None:
    trees.conda(tmp_path / "disk" / "ml")
    trees.write(user.home / ".conda" / "environments.txt", f"{tmp_path}/gone\n{tmp_path}/disk/ml\n")
    assert user.store().find("ml") == tmp_path / "disk" / "ml"


def test_ambiguous(user: User) -> None:
    """The paths are listed; a link to the same folder is not a second one."""
    first, second = user.home / ".conda" / "envs" / "ml", user.home / "miniforge3" / "envs" / "ml"
    trees.conda(first)
    (user.home / "mambaforge").symlink_to("miniforge3")
    trees.conda(second)
    with pytest.raises(UsageError, match="2 environments called 'ml'") as caught:
        user.store().find("ml")
    assert str(first) in caught.value.message
    assert str(second) in caught.value.message
    assert user.store().find(str(second)) == second


def test_base_is_found(user: User) -> None:
    trees.conda(user.home / "miniforge3")
    assert user.store().find("base") == user.home / "miniforge3"
    (known,) = user.store().list()
    assert (known.name, known.is_base) == ("base", True)


def test_paths_and_folders(user: User) -> None:
    trees.conda(user.cwd / "prefix")
    assert user.store().find("./prefix") == user.cwd / "prefix"
    assert user.store().find("prefix") == user.cwd / "prefix"
    assert user.store().find("~/work") == user.cwd
    with pytest.raises(UsageError, match="no environment 'other'"):
        user.store().find("other")
    with pytest.raises(UsageError, match="no such folder"):
        user.store().find("./other")


def test_activated_by_its_name_or_its_path(tmp_path: Path, user: User) -> None:
    """By name only where that is this environment to every conda; `conda activate` takes a path as well."""
    ours = user.home / ".conda" / "envs" / "ml"
    trees.conda(ours)
    assert user.store().activated_by(ours) == "ml"
    elsewhere = tmp_path / "disk" / "envs" / "dl"
    trees.conda(elsewhere)
    assert user.store().activated_by(elsewhere) == str(elsewhere)
    user.environ["CONDA_ENVS_DIRS"] = str(elsewhere.parent)
    assert user.store().activated_by(elsewhere) == "dl"
    of_one_root = user.home / "miniforge3" / "envs" / "ml"
    trees.conda(of_one_root)
    assert user.store().activated_by(of_one_root) == str(of_one_root)
    assert user.store().activated_by(ours) == str(ours), "another conda means another one by the name"
    trees.conda(ours.with_name("base"))
    assert user.store().activated_by(ours.with_name("base")) == str(ours.with_name("base"))


def test_remove(user: User) -> None:
    prefix = user.home / ".conda" / "envs" / "ml"
    trees.conda(prefix)
    trees.stamp(prefix)
    assert user.store().register(prefix) is None
    trees.conda(Place(prefix).old)
    assert user.store().remove(prefix) is None
    assert list(prefix.parent.iterdir()) == []
    assert (user.home / ".conda" / "environments.txt").read_text() == ""


def test_gone_from_its_name_at_once(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while files are being deleted: nothing is left under the name, and the rest is swept by the next run."""
    prefix = user.home / ".conda" / "envs" / "ml"
    trees.conda(prefix)
    trees.stamp(prefix)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(InterruptedByUserError, match="is removed, but"):
        user.store().remove(prefix)
    assert not prefix.exists()
    assert len(Place(prefix).leftovers()) == 1


def test_not_ours(user: User) -> None:
    prefix = user.home / "miniforge3" / "envs" / "ml"
    trees.conda(prefix)
    with pytest.raises(UsageError, match="not made by envbuild") as caught:
        user.store().remove(prefix)
    assert "--force" in (caught.value.hint or "")
    assert prefix.is_dir()
    user.store().remove(prefix, force=True)
    assert not prefix.exists()


def test_half_built_one_of_ours(user: User) -> None:
    prefix = user.home / "ml"
    trees.write(prefix / BUILDING, "1")
    user.store().remove(prefix)
    assert not prefix.exists()


def test_never_removed(tmp_path: Path, user: User) -> None:
    """Not even by force: links, the home and what holds it, system folders, conda itself, any other folder."""
    real = user.home / "real"
    trees.conda(real)
    trees.stamp(real)
    (user.home / "link").symlink_to("real")
    root = user.home / "miniforge3"
    trees.conda(root)
    other_root = tmp_path / "conda"
    trees.conda(other_root)
    (other_root / "condabin").mkdir()
    for name in ("usr/local", "opt/homebrew"):
        trees.library(user.system / name)
        trees.stamp(user.system / name)
    trees.write(user.home / "documents" / "thesis.tex", "precious")
    trees.stamp(user.home)
    refused = {
        user.home / "link": "is a link",
        user.home: "your home directory",
        user.home.parent: "your home directory",
        user.system / "usr" / "local": "a folder of the system",
        user.system / "opt" / "homebrew": "a folder of the system",
        root: "conda installation",
        other_root: "conda installation",
        user.home / "documents": "is no environment",
        user.home / "nothing": "there is no environment here",
        user.home / "documents" / "thesis.tex": "there is no environment here",
    }
    for path, said in refused.items():
        with pytest.raises(UsageError, match=said):
            user.store().remove(path, force=True)
    with pytest.raises(UsageError, match="a folder of the system"):
        removal.remove(user.system.__class__("/"), force=True, home=user.home)
    assert (user.home / "documents" / "thesis.tex").read_text() == "precious"
    assert (real / "bin" / "python").exists()


def test_while_another_is_at_work(user: User) -> None:
    prefix = user.home / "ml"
    trees.conda(prefix)
    trees.stamp(prefix)
    held = os.open(Place(prefix).lock_file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another envbuild is at work"):
        user.store().remove(prefix)
    os.close(held)
    assert prefix.is_dir()


def test_what_cannot_be_deleted_is_said(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = user.home / "ml"
    trees.conda(prefix)
    trees.stamp(prefix)
    monkeypatch.setattr(shutil, "rmtree", _deletes_nothing)
    with pytest.raises(BuildError, match="could not be deleted"):
        user.store().remove(prefix)
    assert not prefix.exists()


def _deletes_nothing(*arguments: object, **options: object) -> None:
    """As where a folder belongs to somebody else."""
