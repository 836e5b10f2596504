"""Compiled files that are not their sources': Python runs them all the same."""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import py_compile
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.checks.packages import judge_bytecode
from builder.finding import Status
from builder.probes import harness

if TYPE_CHECKING:
    from tests.unit.checks.support import Tree


def compared(folder: Path, seconds: float = 30) -> dict[str, Any]:
    outcome = harness.run(
        Path(sys.executable),
        "bytecode",
        environ={},
        cwd=folder,
        limit=30,
        arguments={"folders": [str(folder)], "seconds": seconds},
    )
    (step,) = outcome.steps
    assert step.how == "done", step.error
    return step.facts


def compiled(source: Path, text: str, *, mode: py_compile.PycInvalidationMode | None = None) -> Path:
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    return Path(str(py_compile.compile(str(source), invalidation_mode=mode)))


def edited(file: Path, text: str) -> None:
    """Another program under the date and size of the source."""
    file.write_bytes(file.read_bytes()[:16] + marshal.dumps(compile(text, "x.py", "exec")))


def test_another_program_under_the_date_of_the_source_is_found(tmp_path: Path) -> None:
    sound = compiled(tmp_path / "a" / "sound.py", "def f(x: int) -> int:\n    return x + 1\n")
    bad = compiled(tmp_path / "a" / "bad.py", "x = 1\n")
    edited(bad, "x = 2\n")
    facts = compared(tmp_path)
    assert facts["different"] == [[str(bad), str(tmp_path / "a" / "bad.py")]]
    assert (facts["compared"], facts["total"]) == (2, 2)
    assert str(sound) not in str(facts["different"])


def test_by_hash_too(tmp_path: Path) -> None:
    """PEP 552: compiled files that name their source by its hash, to be checked or not."""
    bad = compiled(tmp_path / "bad.py", "x = 1\n", mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert compared(tmp_path)["different"] == []
    edited(bad, "x = 2\n")
    assert len(compared(tmp_path)["different"]) == 1


def test_what_python_would_not_take_is_left_out(tmp_path: Path) -> None:
    """A source that was changed since is compiled again, and one of another Python is not looked at."""
    stale = compiled(tmp_path / "stale.py", "x = 1\n")
    edited(stale, "x = 2\n")
    (tmp_path / "stale.py").write_text("x = 3  # longer\n")
    other = compiled(tmp_path / "other.py", "x = 1\n")
    other.rename(other.with_name("other.cpython-38.pyc"))
    assert compared(tmp_path)["different"] == []


def test_the_file_changed_last_comes_first_and_the_time_is_kept(tmp_path: Path) -> None:
    for number in range(5):
        compiled(tmp_path / f"m{number}.py", "x = 1\n")
    bad = compiled(tmp_path / "bad.py", "x = 1\n")
    edited(bad, "x = 2\n")
    later = bad.stat().st_mtime + 100
    os.utime(bad, (later, later))
    facts = compared(tmp_path)
    assert facts["different"][0][0] == str(bad)
    assert compared(tmp_path, seconds=-1)["compared"] == 0


def test_it_fails_where_a_lock_says_what_python_there_is(tree: Tree) -> None:
    tree.dist("six", "1.17.0", "six.py")
    bad = compiled(tree.site / "six.py", "x = 1\n")
    facts: dict[str, Any] = {"total": 1, "compared": 1, "different": [[str(bad), str(tree.site / "six.py")]]}
    finding = judge_bytecode(tree.case("pkg.bytecode", **facts))
    assert finding.status is Status.WARN
    tree.stamp()
    finding = judge_bytecode(tree.case("pkg.bytecode", **facts))
    assert finding.status is Status.FAIL
    assert "six" in finding.about
    assert finding.remedy is not None
    assert finding.remedy.commands == (f"rm -f -- {bad}",)


def test_what_was_compiled_where_its_package_was_built_is_as_it_was_packed(tree: Tree) -> None:
    """conda packages carry compiled files, of another patch release of Python perhaps."""
    bad = compiled(tree.site / "six.py", "x = 1\n")
    rel = bad.relative_to(tree.path).as_posix()
    item = {"_path": rel, "path_type": "hardlink", "sha256": hashlib.sha256(bad.read_bytes()).hexdigest()}
    record = {"name": "six", "version": "1", "build": "0", "files": [rel], "paths_data": {"paths": [item]}}
    (tree.path / "conda-meta" / "six-1-0.json").write_text(json.dumps(record))
    facts: dict[str, Any] = {"total": 1, "compared": 1, "different": [[str(bad), str(tree.site / "six.py")]]}
    assert judge_bytecode(tree.case("pkg.bytecode", **facts)).status is Status.PASS
    edited(bad, "x = 2\n")
    assert judge_bytecode(tree.case("pkg.bytecode", **facts)).status is Status.WARN


def test_nothing_compared_is_a_skip(tree: Tree) -> None:
    case = tree.case("pkg.bytecode", total=7, compared=0, different=[])
    assert judge_bytecode(case).status is Status.SKIP
