"""One environment for the session, and the same again, undamaged, for each case."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from builder.platforms import host_subdir
from tests.sabotage.patient import Patient

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a project and an environment as `create` left it, at `whole/small`."""
    host = host_subdir()
    if host is None or host.is_osx:
        pytest.skip("these cases are made for Linux")
    folder = tmp_path_factory.mktemp("sabotage")
    patient = Patient(folder=folder)
    patient.build(host.value)
    (folder / "whole").mkdir()
    shutil.move(patient.prefix, folder / "whole" / "small")
    return folder


@pytest.fixture
def patient(pristine: Path) -> Patient:
    return Patient(folder=pristine).restored(pristine / "whole" / "small")
