"""`export`: which platform and groups are meant, what is refused, and where it is written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.errors import LockfileError, UsageError
from builder.exports.model import Format
from builder.operations.exporting import ExportRequest, export_lock
from builder.platforms import Subdir
from tests.workspaces import Heard, workspace

if TYPE_CHECKING:
    from builder.workspace import Workspace

LOCKS = Path(__file__).parents[2] / "data" / "locks"
_RECIPE = 'name: small\nplatforms: [osx-arm64, linux-64]\npython: "3.12"\n'


def _here(root: Path, lock: str = "good", *, host: Subdir | None = Subdir.LINUX_64, **environ: str) -> Workspace:
    (root / "recipes").mkdir()
    (root / "recipes" / "small.yaml").write_text(_RECIPE)
    (root / "environments" / "small").mkdir(parents=True)
    shutil.copy(LOCKS / f"{lock}.yml", root / "environments" / "small" / "conda-lock.yml")
    home = root / "home"
    return workspace(home, root=root, host=host, environ={"HOME": str(home), **environ}, progress=Heard())


def _heard(here: Workspace) -> list[str]:
    assert isinstance(here.progress, Heard)
    return here.progress.warnings


def test_this_machines_platform_unless_told(tmp_path: Path) -> None:
    here = _here(tmp_path, host=Subdir.OSX_ARM64)
    request = ExportRequest(name="small", form=Format.EXPLICIT)
    assert export_lock(here, request).platforms == (Subdir.OSX_ARM64,)
    docker = ExportRequest(name="small", form=Format.DOCKERFILE)
    assert export_lock(here, docker).platforms == (Subdir.LINUX_64,), "the only one that a container can have"
    pylock = ExportRequest(name="small", form=Format.PYLOCK)
    assert export_lock(here, pylock).platforms == (Subdir.LINUX_64, Subdir.OSX_ARM64)


def test_a_machine_that_the_lock_is_not_for(tmp_path: Path) -> None:
    here = _here(tmp_path, host=Subdir.LINUX_AARCH64)
    with pytest.raises(UsageError, match="not in the lock") as caught:
        export_lock(here, ExportRequest(name="small", form=Format.EXPLICIT))
    assert "--platform" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ExportRequest(name="small", form=Format.EXPLICIT, platforms=(Subdir.OSX_64,)), "has no osx-64"),
        (
            ExportRequest(name="small", form=Format.EXPLICIT, platforms=(Subdir.OSX_ARM64, Subdir.LINUX_64)),
            "one platform a file",
        ),
        (ExportRequest(name="small", form=Format.EXPLICIT, groups=("dev",)), "has no group dev"),
        (ExportRequest(name="small", form=Format.PIXI), "environment.yml is missing"),
        (ExportRequest(name="smal", form=Format.PIXI), "there is no recipe 'smal'"),
        (ExportRequest(name="data-m1", form=Format.PYLOCK), "has no lock"),
        (ExportRequest(name="small", form=Format.PYLOCK, output=Path("recipes")), "it is a folder"),
    ],
)
def test_refused(tmp_path: Path, request_: ExportRequest, reason: str) -> None:
    here = _here(tmp_path)
    with pytest.raises(UsageError, match=reason):
        export_lock(here, request_ if request_.output is None else ExportRequest(
            name="small", form=Format.PYLOCK, output=tmp_path / request_.output))  # fmt: skip


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("lock", ["url-with-password", "url-with-token", "pip-url-with-password", "missing-sha256"])
def test_no_format_lets_a_credential_out(tmp_path: Path, form: Format, lock: str) -> None:
    here = _here(tmp_path, lock)
    with pytest.raises(LockfileError) as caught:
        export_lock(here, ExportRequest(name="small", form=form, output=tmp_path / "out"))
    assert "s3cr3t" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_what_is_left_out_and_a_stale_lock_are_said(tmp_path: Path) -> None:
    here = _here(tmp_path)
    result = export_lock(here, ExportRequest(name="small", form=Format.REQUIREMENTS, output=tmp_path / "r.txt"))
    assert (tmp_path / "r.txt").read_text() == result.text
    assert any("not up to date with its recipe" in line for line in _heard(here))
    assert any(line.startswith("left out: openssl and python") for line in _heard(here))


def test_the_moment_of_a_bill_of_materials(tmp_path: Path) -> None:
    here = _here(tmp_path, SOURCE_DATE_EPOCH="1700000000")
    assert "2023-11-14T22:13:20Z" in export_lock(here, ExportRequest(name="small", form=Format.SBOM_SPDX)).text


def test_a_moment_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        export_lock(_here(tmp_path, SOURCE_DATE_EPOCH="today"), ExportRequest(name="small", form=Format.SBOM_SPDX))
