"""What verification says of the environment that is meant, beside what the doctor's own rules say."""

from __future__ import annotations

import os
import platform
import sys
import venv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.doctor.examine import Patient, Request, examine
from builder.doctor.machine import from_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    venv.create(tmp_path / "env", symlinks=True)
    return tmp_path / "env"


def _problems(environment: Path, **variables: str) -> list[tuple[str, str]]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(environment.parent)} | variables
    facts = {"system": platform.system(), "running": platform.machine(), "shell": "/bin/sh", "env": environ}
    patient = Patient(
        home=environment.parent, cwd=environment.parent, machine=replace(from_json(facts, where="test"), foreign=False)
    )
    found = examine(Request(environment=str(environment), project=environment.parent), patient)
    return [(problem.check, problem.sentence) for problem in found.problems]


def test_a_variable_that_both_look_at_is_told_once(environment: Path) -> None:
    ((check, sentence),) = _problems(environment, PYTHONHOME=sys.base_prefix + "/nowhere")
    assert check == "env.variables"
    assert "PYTHONHOME" in sentence


def test_what_a_title_names_is_not_named_again(environment: Path) -> None:
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "zz.pth").write_text("import sys; sys.exit(3)\n")
    ((_, sentence),) = _problems(environment)
    assert sentence.count("zz.pth") == 1
