"""One verification from the prefix to the report: what must not run does not run, and says so."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.cli.session import run as run_command
from builder.environment.place import Place
from builder.environment.stamp import RELATIVE_PATH, Stamp
from builder.errors import ChecksFailedError, UsageError
from builder.finding import Finding, Identity, Report, Status
from builder.operations.verifying import VerifyRequest, is_proof, verify, verify_prefix
from builder.platforms import Subdir
from builder.probes.level import Level
from tests.workspaces import HERE, workspace

if TYPE_CHECKING:
    from builder.workspace import Workspace
    from tests.unit.checks.support import Tree


def _on_linux(home: Path) -> Workspace:
    return workspace(home, host=Subdir.LINUX_64)


def test_another_platforms_environment_is_not_run(tree: Tree, tmp_path: Path) -> None:
    """A Mac's interpreter cannot be started on Linux: that is no failure of the environment."""
    report = verify_prefix(_on_linux(tmp_path), tree.path, static=False, subdir=Subdir.OSX_ARM64)
    assert [finding.status for finding in report.findings] == [Status.SKIP]
    assert "osx-arm64" in report.findings[0].title
    assert report.counts()["fail"] == 0


def test_a_mandatory_check_that_did_not_run_fails(tree: Tree, tmp_path: Path) -> None:
    """An unsafe pair was pinned on the condition that it is proven; unproven is not safe."""
    tree.stamp(mandatory=("numerics.device", "process.interpreter"))
    report = verify_prefix(_on_linux(tmp_path), tree.path, static=False, subdir=Subdir.OSX_ARM64)
    assert {finding.check for finding in report.findings if finding.status is Status.FAIL} == {
        "numerics.device",
        "process.interpreter",
    }
    assert not report.ok


def test_a_missing_prefix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no environment here"):
        verify_prefix(workspace(tmp_path), tmp_path / "none")


def test_an_interpreter_that_cannot_start_is_one_failure(tree: Tree, tmp_path: Path) -> None:
    """`python` of another architecture: named once, everything else skipped, no traceback."""
    python = tree.path / "bin" / "python"
    python.write_bytes(b"\xcf\xfa\xed\xfe" + b"\0" * 60)
    python.chmod(0o755)
    tree.dist("numpy", "2.1.0", "numpy/__init__.py")
    report = verify_prefix(_on_linux(tmp_path), tree.path, static=False, subdir=Subdir.LINUX_64)
    failures = [finding for finding in report.findings if finding.status is Status.FAIL]
    assert [finding.check for finding in failures] == ["process.interpreter"]
    assert "cannot be started" in failures[0].title
    assert any(finding.check == "import.alone" for finding in report.findings if finding.status is Status.SKIP)


def test_json_on_failure_is_one_object_with_the_report(
    tree: Tree, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tree.stamp(mandatory=("numerics.device",))
    from builder.cli import cli

    page_file = tmp_path / "report.html"
    arguments = ["verify", str(tree.path), "--platform", "osx-arm64", "--json", "--html", str(page_file)]
    assert run_command(cli, arguments) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["command"] == "verify"
    assert answer["status"] == "failed"
    assert answer["errors"][0]["code"] == "checks-failed"
    assert not answer["result"]["ok"]
    assert {"check", "status", "title", "evidence", "remedy"} == set(answer["result"]["findings"][0])
    assert page_file.read_text().startswith("<!doctype html>")


def test_verification_of_an_environment_without_packages_runs(tmp_path: Path) -> None:
    """A bare virtual environment: nothing to import, and no reason to fail."""
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    report = verify_prefix(workspace(tmp_path), tmp_path / "bare", static=False)
    assert report.ok, [finding for finding in report.findings if finding.status is Status.FAIL]
    assert any(finding.check == "process.prefix" and finding.status is Status.PASS for finding in report.findings)
    told = verify_prefix(workspace(tmp_path), tmp_path / "bare", level=Level.QUICK)
    assert told.identity.kind == "venv"
    assert told.identity.subdir is HERE
    if HERE is not None and HERE.is_linux:
        assert not [finding.title for finding in told.findings if "Mach-O" in finding.title]
    assert report.identity.versions["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}")
    assert report.identity.kind == "venv"


def test_what_was_begun_and_not_finished_is_not_verified(tree: Tree, tmp_path: Path) -> None:
    """Half an environment can pass every check that looks at what is there."""
    (tree.path / "conda-meta").mkdir(exist_ok=True)
    (tree.path / "conda-meta" / "envbuild.building").write_text("1\n")
    place = Place(tree.path)
    told = verify(workspace(tmp_path), VerifyRequest(environment=str(tree.path), only_static=True))
    assert not told.report.ok
    assert any(finding.check == "env.finished" and finding.status is Status.FAIL for finding in told.report.findings)
    held = os.open(place.lock_file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(ChecksFailedError, match="is being built at this moment"):
        verify(workspace(tmp_path), VerifyRequest(environment=str(tree.path), only_static=True))
    os.close(held)


def test_an_environment_that_was_moved_aside_is_mentioned(tmp_path: Path) -> None:
    here = workspace(tmp_path)
    prefix = here.store.prefix_for("ml")
    stamp = Stamp(name="ml", recipe="ml", subdir=Subdir.LINUX_64, lock_sha256="", envbuild_version="", packages=())
    old = Place(prefix).old
    (old / "conda-meta").mkdir(parents=True)
    (old / RELATIVE_PATH).write_text(stamp.dumps())
    with pytest.raises(ChecksFailedError, match="is kept at") as told:
        verify(here, VerifyRequest(environment="ml"))
    assert told.value.hint == f"run `envbuild create ml -p {prefix}`, which brings it back"


def test_a_pipe_for_a_report_does_not_hang(tree: Tree, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    request = VerifyRequest(environment=str(tree.path), against=tmp_path / "pipe", only_static=True)
    with pytest.raises(UsageError, match="a pipe"):
        verify(workspace(tmp_path), request)


def test_an_editable_project_hides_nothing(tmp_path: Path) -> None:
    """Its modules are imported from the project's folder, which is what it was installed for."""
    import venv

    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "env" / "lib").glob("python3.*/site-packages")
    project = tmp_path / "project"
    (project / "mine").mkdir(parents=True)
    (project / "mine" / "__init__.py").write_text("")
    info = site / "mine-1.0.dist-info"
    info.mkdir()
    (site / "mine.pth").write_text(f"{project}\n")
    (site / "mine").mkdir()
    (site / "mine" / "data.txt").write_text("")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "RECORD").write_text(
        "mine.pth,,\nmine/data.txt,,\nmine-1.0.dist-info/METADATA,,\nmine-1.0.dist-info/RECORD,,\n"
    )
    url = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(url))
    report = verify_prefix(workspace(tmp_path), tmp_path / "env", level=Level.QUICK, static=False)
    (shadow,) = (finding for finding in report.findings if finding.check == "process.shadow")
    assert shadow.status is Status.PASS, shadow
    (info / "direct_url.json").unlink()
    report = verify_prefix(workspace(tmp_path), tmp_path / "env", level=Level.QUICK, static=False)
    (shadow,) = (finding for finding in report.findings if finding.check == "process.shadow")
    assert shadow.status is Status.FAIL


@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="this system has no Python of its own")
def test_a_system_python_is_judged_by_what_is_pythons(tmp_path: Path) -> None:
    """`/usr` holds programs for other machines (valgrind's, vdso stubs), which are no fault of Python's."""
    report = verify_prefix(workspace(tmp_path), Path("/usr"), level=Level.QUICK, runtime=False)
    assert report.identity.kind == "system Python"
    assert not [
        finding for finding in report.findings if finding.check.startswith("arch.") and finding.status is Status.FAIL
    ]


def test_only_what_was_looked_at_proves(tmp_path: Path) -> None:
    """`verify --fix` has the stamp say that all is well only where it asked as much as `create` does."""
    passed = Finding(check="pkg.locked", status=Status.PASS, title=".")
    good = Report(identity=Identity(prefix="/x"), findings=(passed,), seconds=0)
    bad = replace(good, findings=(replace(passed, status=Status.FAIL),))
    asked = VerifyRequest(environment=str(tmp_path))
    assert is_proof(asked, good)
    assert is_proof(replace(asked, level=Level.FULL), good)
    assert not is_proof(replace(asked, level=Level.QUICK), good)
    assert is_proof(replace(asked, level=Level.QUICK), bad)
    for other in (
        replace(asked, only_static=True),
        replace(asked, platform=Subdir.OSX_ARM64),
        replace(asked, macos="14.0"),
    ):
        assert not is_proof(other, good)
        assert not is_proof(other, bad)
