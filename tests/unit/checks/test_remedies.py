"""Remedies: data that runs in a shell as it is, and never reaches outside the environment."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec
import uv

from builder.checks.failures import remedy_of
from builder.checks.known_errors import Match, table
from builder.checks.process import judge_shadow
from builder.checks.remedy import Repair
from builder.environment.environment import Environment
from builder.environment.ownership import Owner
from builder.environment.stamp import StampedPackage
from tests.unit.checks.support import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Remedy

SIX = Owner(name="six", version="1.17.0", manager="pip")
KERAS = Owner(name="keras", version="3.10.0", manager="pip")
PYTHON = Owner(name="python", version="3.12.1", manager="conda")


def command(remedy: Remedy) -> str:
    (only,) = remedy.commands
    return only


def test_packages_are_restored_as_locked_with_our_own_uv(tree: Tree) -> None:
    """A bare `uv` need not be on the user's PATH; a version without its hash is not what was locked."""
    tree.stamp(
        StampedPackage(name="six", version="1.16.0", manager="pip", sha256="ab" * 32),
        StampedPackage(name="keras", version="3.15.1", manager="pip", sha256="cd" * 32),
    )
    text = command(Repair(tree.environment).restore([SIX, KERAS, SIX]))
    words = shlex.split(text)
    assert words[:4] == [
        "printf",
        "%s\\n",
        f"six==1.16.0 --hash=sha256:{'ab' * 32}",
        f"keras==3.15.1 --hash=sha256:{'cd' * 32}",
    ]
    assert uv.find_uv_bin() in words
    assert words[words.index("--python") + 1] == str(tree.path / "bin" / "python")
    assert "--require-hashes" in words


def test_in_an_environment_of_ours_sync_restores(tree: Tree) -> None:
    """Conda packages too. What its lock does not know, and what an old stamp has no URL of, sync cannot bring back."""
    url = "https://conda.anaconda.org/conda-forge/linux-64/python-3.12.1-0.conda"
    python = StampedPackage(name="python", version="3.12.1", manager="conda", build="0", url=url)
    tree.stamp(python, StampedPackage(name="six", version="1.17.0", manager="pip", url="https://host/six.whl"))
    tree.site.joinpath("six.py").touch()
    repair = Repair(tree.environment)
    assert command(repair.restore([SIX, PYTHON])) == shlex.join(("envbuild", "sync", str(tree.path)))
    assert "sync" not in command(repair.restore([KERAS]))
    assert "sync" not in command(repair.restore([None]))
    tree.stamp(python, StampedPackage(name="six", version="1.17.0", manager="pip"))
    assert "sync" not in command(Repair(Environment(tree.path)).restore([SIX]))


def test_paths_are_quoted(tmp_path: Path) -> None:
    tree = Tree(tmp_path / "my env; rm -rf x")
    tree.stamp(provider="pypi")
    for remedy in (Repair(tree.environment).rebuild(), Repair(tree.environment).restore([SIX])):
        assert str(tree.path) in " ".join(shlex.split(command(remedy)))
        assert f"'{tree.path}" in command(remedy)


def test_what_no_wheel_brought_can_only_be_built_again(tree: Tree) -> None:
    tree.stamp()
    repair = Repair(tree.environment)
    assert command(repair.restore([SIX, PYTHON])).startswith("envbuild create")
    assert command(repair.restore([None])).startswith("envbuild create")


def test_nothing_is_said_to_be_done_to_a_system_python(tmp_path: Path) -> None:
    """/usr is the package manager's; a remedy that installs there breaks the machine."""
    library = tmp_path / "lib" / "python3.12"
    (library / "site-packages").mkdir(parents=True)
    (library / "os.py").write_text("")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3.12").write_text("")
    repair = Repair(Environment(tmp_path))
    stray = library / "sitecustomize.py"
    for remedy in (
        repair.restore([SIX]),
        repair.install("numpy<2"),
        repair.uninstall("six"),
        repair.rebuild(),
        repair.set_aside(stray, say="x"),
    ):
        assert remedy.commands == ()


def test_nothing_outside_the_environment_is_moved(tree: Tree, tmp_path: Path) -> None:
    """`remove or rename OTHER_ENV/keras` would heal one environment by breaking another."""
    other = tmp_path / "other" / "lib" / "python3.12" / "site-packages" / "keras" / "__init__.py"
    repair = Repair(tree.environment)
    assert repair.set_aside(other, say="x").commands == ()
    assert repair.set_aside(tree.site / "keras.py", say="x").commands != ()
    tree.dist("keras", "3.15.1", "keras/__init__.py")
    finding = judge_shadow(tree.case("process.shadow", origins={"keras": str(other)}))
    assert finding is not None
    assert finding.remedy is not None
    assert finding.remedy.commands == ()
    assert "leave it" in finding.remedy.say


def test_the_locked_version_is_taken_where_it_is_one_that_will_do(tree: Tree) -> None:
    tree.stamp(StampedPackage(name="keras", version="3.15.1", manager="pip"))
    repair = Repair(tree.environment)
    assert "keras==3.15.1" in command(repair.fitting("keras", ">=3.10"))
    assert "'keras>=4'" in command(repair.fitting("keras", ">=4"))


def test_a_conda_environment_of_others_is_recreated_by_what_made_it(tree: Tree) -> None:
    remedy = Repair(tree.environment).rebuild()
    assert remedy.commands == ()
    assert str(tree.path) in remedy.say


def known(remedy: str, **groups: str) -> Match:
    entry = next(one for one in table() if one.pattern is not None)
    filled = remedy.format_map({"install": "install", "uninstall": "uninstall", **groups})
    return Match(known=msgspec.structs.replace(entry, remedy=remedy), cause="x", remedy=filled, line="x")


def test_a_known_errors_remedy_that_is_a_command_runs_with_our_own_uv(tree: Tree) -> None:
    """`pip` need not be in the environment, and `uv` not on the PATH."""
    subject = tree.subject()
    remedy = remedy_of(known("{install} --force-reinstall '{what}'", what="protobuf<5"), subject, None)
    assert remedy.say == "Install --force-reinstall 'protobuf<5'"
    words = shlex.split(command(remedy))
    assert words[0] == uv.find_uv_bin()
    assert words[-3:] == ["--upgrade", "--reinstall", "protobuf<5"]
    removes = remedy_of(known("{uninstall} tensorflow tensorflow-metal"), subject, None)
    assert shlex.split(command(removes))[-4:] == [
        "--python",
        str(tree.path / "bin/python"),
        "tensorflow",
        "tensorflow-metal",
    ]


def test_a_sentence_is_not_taken_for_a_command(tree: Tree) -> None:
    for text in ("{install} NAME", "{install} tf-keras and export X=1", "{uninstall} jax-metal, or stay", "use less"):
        assert remedy_of(known(text), tree.subject(), None).commands == ()
