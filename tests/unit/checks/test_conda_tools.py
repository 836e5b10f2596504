"""The user's own conda beside conda-meta."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from builder.checks.process import CHECKS
from builder.finding import Status

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Finding
    from tests.unit.checks.support import Tree


def fake_conda(folder: Path, output: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "answer").write_text(output)
    (folder / "conda").write_text(f"#!/bin/sh\ncat '{folder / 'answer'}'\n")
    (folder / "conda").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


def agreement(tree: Tree, environ: dict[str, str]) -> list[Finding]:
    (check,) = (check for check in CHECKS if check.id == "process.conda")
    return list(check.run(tree.subject(environ=environ)))


def test_packages_that_only_one_of_them_sees_are_named(tree: Tree, tmp_path: Path) -> None:
    tree.conda("numpy", "2.1.0", "py312_0")
    numpy = {"name": "numpy", "version": "2.1.0", "channel": "conda-forge"}
    keras = {"name": "keras", "version": "3.15.1", "channel": "pypi"}
    (same,) = agreement(tree, fake_conda(tmp_path / "a", json.dumps([numpy, keras])))
    assert same.status is Status.PASS
    (other,) = agreement(tree, fake_conda(tmp_path / "b", json.dumps([numpy | {"version": "1.26.4"}])))
    assert other.status is Status.WARN
    assert other.evidence == ("only in conda-meta: numpy 2.1.0", "only in `conda list`: numpy 1.26.4")


def test_a_conda_that_answers_nonsense_is_a_skip(tree: Tree, tmp_path: Path) -> None:
    for number, output in enumerate(("", "not json", '{"error": 1}', "[1]")):
        (finding,) = agreement(tree, fake_conda(tmp_path / str(number), output))
        assert finding.status is Status.SKIP
        assert finding.title == "Could not query conda"


def test_without_a_conda_nothing_is_said(tree: Tree, tmp_path: Path) -> None:
    assert agreement(tree, {"PATH": str(tmp_path)}) == []
