"""Environments that have lost their conda-meta or stamp: known by what is left, and never told a command of others'."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from builder.environment.environment import Environment
from builder.environment.reading import Reader
from builder.environment.register import made_with, remember
from builder.environment.stamp import RELATIVE_PATH
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path


def _ours(prefix: Path) -> None:
    trees.conda(prefix)
    remember(prefix, trees.stamp(prefix, recipe="ml", groups=("main", "gpu"), channels=("file:///x/host-channels/y",)))


def test_a_whole_one_has_lost_nothing(tmp_path: Path) -> None:
    _ours(tmp_path / "ours")
    trees.conda(tmp_path / "condas")
    trees.library(tmp_path / "python")
    for name in ("ours", "condas", "python"):
        assert Environment(tmp_path / name).lost is None
    assert (tmp_path / "ours" / ".condarc").read_text().endswith("\nsubdir: linux-64\n")


def test_one_of_ours_tells_what_made_it(tmp_path: Path) -> None:
    _ours(tmp_path)
    trees.write(tmp_path / RELATIVE_PATH, "{")
    gone = Environment(tmp_path).lost
    assert gone is not None
    assert gone.what == "conda-meta/envbuild.stamp"
    shutil.rmtree(tmp_path / "conda-meta")
    gone = Environment(tmp_path).lost
    assert gone is not None
    assert gone.what == "conda-meta"
    assert gone.made_with == ("envbuild", "create", "ml", "--source", "pypi", "--group", "gpu")


@pytest.mark.parametrize("sign", ["build", "installer"])
def test_one_of_condas_is_told_by_its_python(tmp_path: Path, sign: str) -> None:
    site = trees.library(tmp_path)
    if sign == "build":
        trees.write(site.parent / "_sysconfigdata_x86_64_conda_cos6_linux_gnu.py")
    else:
        trees.dist(site, "pip", INSTALLER="conda\n")
    gone = Environment(tmp_path).lost
    assert gone is not None
    assert (gone.what, gone.made_with) == ("conda-meta", None)


@pytest.mark.parametrize(
    "line",
    [
        "# made by: rm -rf ~",
        "# made by: envbuild create ml; rm -rf ~",
        "# made by: envbuild create $(id)",
        "# made by: envbuild create ml --mirror x=y",
        "# made by: envbuild create -p",
        "subdir: linux-64",
        "",
    ],
)
def test_no_command_of_somebody_elses_is_told(tmp_path: Path, line: str) -> None:
    trees.write(tmp_path / ".condarc", f"{line}\n")
    assert made_with(tmp_path, Reader()) is None
