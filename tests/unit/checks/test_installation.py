"""The installation as a whole: what runs unasked, links that lead nowhere, environments that were moved."""

from __future__ import annotations

import hashlib
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from builder.checks.catalogue import catalogue
from builder.checks.causes import STARTUP
from builder.checks.runs import Ran, Results
from builder.checks.startup import of_packages, of_user, strays
from builder.environment.place import Place
from builder.environment.stamp import FORMAT, RELATIVE_PATH, upgrade
from builder.errors import UsageError
from builder.finding import Status
from builder.install.transaction import current
from builder.operations.locked import stamp_of
from builder.probes.harness import Step
from builder.probes.schedule import Task
from tests.unit.checks.support import outcome

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Finding
    from tests.unit.checks.support import Tree


def only(tree: Tree, check: str) -> Finding:
    (finding,) = tree.findings(check)
    return finding


@pytest.mark.parametrize(
    ("name", "content", "runs"),
    [
        ("zz.pth", "import os; os._exit(0)\n", True),
        ("zz.pth", "/some/folder\n# import nothing\n", False),
        ("sitecustomize.py", "print('hello')\n", True),
        ("usercustomize.py", "", True),
        ("_virtualenv.pth", "import _virtualenv", False),
        ("_virtualenv.pth", "import _virtualenv, os; os._exit(0)", True),
        ("customize.py", "print('hello')\n", False),
    ],
)
def test_code_that_runs_at_start_up_and_that_no_package_brought(
    tree: Tree, name: str, content: str, *, runs: bool
) -> None:
    """The commonest cause of what cannot be explained otherwise."""
    (tree.site / name).write_text(content)
    finding = only(tree, "env.startup")
    assert finding.status is (Status.WARN if runs else Status.PASS)
    assert not runs or name in finding.title
    tree.stamp()
    # A sitecustomize of one's own is not a defect. What it does to a process is, and is found there.
    assert only(tree, "env.startup").status is (Status.WARN if runs else Status.PASS)


def test_an_environment_of_a_newer_envbuild_is_not_called_damaged(tree: Tree) -> None:
    """Following "create it again" would replace a sound environment; whether it is one cannot be told here."""
    tree.stamp()
    stamp = tree.path / RELATIVE_PATH
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"format": FORMAT + 1, "packages": 7}))
    finding = only(tree, "env.finished")
    assert finding.status is Status.WARN
    assert "newer envbuild" in finding.title
    assert finding.remedy is not None
    assert finding.remedy.commands == ()
    assert "install it anew" in finding.remedy.say
    with pytest.raises(UsageError, match="newer envbuild") as caught:
        stamp_of(tree.path, hint="")
    assert caught.value.hint == upgrade()
    with pytest.raises(UsageError, match="newer envbuild"):
        current(Place(tree.path))


def test_what_packages_run_at_start_up_is_known_with_its_package(tree: Tree) -> None:
    """Named where something goes wrong before the first line of a program: none of them is suspected otherwise."""
    tree.dist("brought", "1.0", "brought.pth")
    (tree.site / "brought.pth").write_text("import os; os.environ['KERAS_BACKEND'] = 'jax'\n")
    (tree.site / "mine.pth").write_text("import os\n")
    ((one, owner),) = of_packages(tree.environment)
    assert (one.path.name, str(owner)) == ("brought.pth", "brought 1.0")
    assert [stray.path.name for stray in strays(tree.environment)] == ["mine.pth"]
    subject = tree.subject()
    alive = Step(check="process.interpreter", subject="", how="done", facts={"changed": {"KERAS_BACKEND": "jax"}})
    subject.__dict__["runs"] = SimpleNamespace(results=Results(interpreter=outcome(alive, probe="process")))
    (finding,) = next(check for check in catalogue() if check.id == "process.startup").run(subject)
    assert any(line.startswith("brought 1.0 runs at every start: ") for line in finding.evidence)
    assert not any("mine.pth" in line for line in finding.evidence)


def test_a_process_that_ends_by_what_is_set_at_start_up_is_no_cause_of_its_own(tree: Tree) -> None:
    """A probe whose every step failed for that, and which then ended with the same error outside of any step."""
    alive = Step(check="process.interpreter", subject="", how="done", facts={"changed": {"KERAS_BACKEND": "jax"}})
    task = Task(probe="snippet", answers=(("recipe.snippet", "1"),), limit=9.0, doing="running it")
    raised = Step(check="recipe.snippet", subject="1", how="raised", error="ImportError: jax")
    ended = outcome(raised, probe="snippet", finished=False, returncode=1, stderr="ImportError: jax")
    results = Results(
        interpreter=outcome(alive, probe="process"),
        probes=(Ran(task=task, outcome=ended),),
    )
    subject = tree.subject()
    subject.__dict__["runs"] = SimpleNamespace(results=results)
    (finding,) = next(check for check in catalogue() if check.id == "runtime.exit").run(subject)
    assert finding.status is Status.FAIL
    assert STARTUP in finding.about


def test_a_pth_at_which_python_ends_or_waits_is_named(tree: Tree) -> None:
    (tree.site / "binary.pth").write_bytes(b"\xff\xfeimport os\n")
    (tree.site / "harmless.pth").mkdir()
    os.mkfifo(tree.site / "waits.pth")
    finding = only(tree, "env.startup")
    assert [line.partition(": ")[2] for line in finding.evidence] == [
        "is not UTF-8 text, at which Python ends",
        "is no regular file",
    ]


def test_a_pyvenv_cfg_in_a_conda_environment(tree: Tree) -> None:
    assert only(tree, "env.pyvenv").status is Status.PASS
    (tree.path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    finding = only(tree, "env.pyvenv")
    assert (finding.status, "/usr/bin" in finding.title) == (Status.FAIL, True)
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"mv -- {tree.path}/pyvenv.cfg {tree.path}/pyvenv.cfg.set-aside",)


def test_a_folder_that_nobody_may_enter(tree: Tree) -> None:
    """Root may, and would find nothing."""
    tree.dist("six", "1.0", "six.py")
    tree.site.chmod(0)
    finding = only(tree, "env.links")
    tree.site.chmod(0o755)
    assert (finding.status, "Nobody may enter lib/python3.12/site-packages" in finding.title) == (Status.FAIL, True)


@pytest.mark.parametrize("inside", [True, False])
def test_a_folder_of_installed_files_that_is_a_link(tree: Tree, tmp_path: Path, *, inside: bool) -> None:
    """One that stays inside harms nobody; what lies outside, somebody else may change or delete."""
    tree.dist("six", "1.0", "six.py")
    real = (tree.path / "share" / "real") if inside else tmp_path / "elsewhere"
    real.parent.mkdir(parents=True, exist_ok=True)
    tree.site.rename(real)
    tree.site.symlink_to(real)
    finding = only(tree, "env.links")
    assert finding.status is (Status.PASS if inside else Status.WARN)
    assert inside or "is a link out of the environment" in finding.title


def test_a_packages_own_start_up_file_is_no_stray(tree: Tree) -> None:
    """setuptools and coverage bring theirs; that they are as they were installed is another check's matter."""
    tree.dist("setuptools", "80.0", "distutils-precedence.pth")
    (tree.site / "distutils-precedence.pth").write_text("import os; x = 1\n")
    assert only(tree, "env.startup").status is Status.PASS


def test_a_start_up_file_in_the_standard_librarys_folder_is_found(tree: Tree) -> None:
    (tree.site.parent / "sitecustomize.py").write_text("raise SystemExit\n")
    finding = only(tree, "env.startup")
    assert "lib/python3.12/sitecustomize.py" in finding.title
    assert finding.remedy is not None
    file = tree.site.parent / "sitecustomize.py"
    assert finding.remedy.commands == (f"mv -- {file} {file}.set-aside",)


def test_what_runs_in_every_python_of_the_user(tmp_path: Path) -> None:
    site = tmp_path / ".local" / "lib" / "python3.12" / "site-packages"
    tools = tmp_path / "tools"
    site.mkdir(parents=True)
    tools.mkdir()
    (site / "zz.pth").write_text("import antigravity\n")
    (tools / "sitecustomize.py").write_text("x = 1\n")
    (tools / "not-a-site-folder.pth").write_text("import antigravity\n")

    def names(**environ: str) -> list[str]:
        return [one.path.name for one in of_user(environ, home=tmp_path, version=(3, 12))]

    assert names() == ["zz.pth"]
    assert names(PYTHONPATH=str(tools)) == ["zz.pth", "sitecustomize.py"]
    assert names(PYTHONPATH=str(tools), PYTHONNOUSERSITE="1") == ["sitecustomize.py"]
    assert names(PYTHONUSERBASE=str(tmp_path / "elsewhere")) == []
    assert of_user({}, home=tmp_path, version=(3, 11)) == []


def test_a_moved_environment_names_its_old_place(tree: Tree) -> None:
    """Scripts run the interpreter of the place they were made for: the old one, or none."""
    (tree.path / "bin" / "pip").write_text(f"#!{tree.path}/bin/python3.12\nimport pip\n")
    assert only(tree, "env.moved").status is Status.PASS
    for name in ("pip", "jupyter"):
        (tree.path / "bin" / name).write_text("#!/old/place/bin/python3.12\nimport pip\n")
    finding = only(tree, "env.moved")
    assert finding.status is Status.FAIL
    assert "moved or copied here from /old/place: 2 scripts run the Python of the old place" in finding.title


def test_one_script_of_another_environment_is_a_warning(tree: Tree) -> None:
    for name in ("pip", "jupyter"):
        (tree.path / "bin" / name).write_text(f"#!{tree.path}/bin/python3.12\nimport pip\n")
    (tree.path / "bin" / "tool").write_text("#!/other/bin/python3\nimport tool\n")
    finding = only(tree, "env.moved")
    assert finding.status is Status.WARN
    assert "bin/tool" in finding.title


def test_a_broken_link_among_installed_files_is_named_with_where_it_led(tree: Tree) -> None:
    tree.dist("six", "1.17.0", "six.py")
    assert only(tree, "env.links").status is Status.PASS
    (tree.site / "six.py").unlink()
    (tree.site / "six.py").symlink_to("/nowhere/six.py")
    finding = only(tree, "env.links")
    assert finding.status is Status.FAIL
    assert finding.title == "lib/python3.12/site-packages/six.py leads nowhere: a broken link."
    assert finding.evidence == ("lib/python3.12/site-packages/six.py → /nowhere/six.py",)


def test_a_link_that_led_nowhere_when_it_was_packed_is_no_damage(tree: Tree) -> None:
    """conda packages have such links; conda-build records them with the hash of nothing."""
    (tree.path / "lib" / "optional.so").symlink_to("not-in-this-package.so")
    item = {"_path": "lib/optional.so", "path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest()}
    record = {"name": "a", "version": "1", "build": "0", "files": ["lib/optional.so"], "paths_data": {"paths": [item]}}
    (tree.path / "conda-meta" / "a-1-0.json").write_text(json.dumps(record))
    assert only(tree, "env.links").status is Status.PASS
    item["sha256"] = "ab" * 32
    (tree.path / "conda-meta" / "a-1-0.json").write_text(json.dumps(record))
    assert only(tree, "env.links").status is Status.FAIL


def test_an_interpreter_that_leads_nowhere_is_no_missing_one(tree: Tree) -> None:
    (tree.path / "bin" / "python").unlink()
    (tree.path / "bin" / "python").symlink_to("python3.99")
    assert "bin/python leads nowhere" in only(tree, "env.links").title


def test_an_environment_that_create_has_not_finished_is_named_as_such(tree: Tree) -> None:
    assert only(tree, "env.finished").status is Status.PASS
    (tree.path / "conda-meta" / "envbuild.building").write_text("")
    assert only(tree, "env.finished").status is Status.FAIL
