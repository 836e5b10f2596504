"""Damages that need TensorFlow and Keras, on the environment of `ml-m1`: slow to build, so each case leaves it healed.

The quick level hashes no file, so here the processes themselves must say what is wrong.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.sabotage.case import Case
from tests.sabotage.damages import delete, deleted_and_written, pip, set_variables, write
from tests.sabotage.patient import Patient

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.network, pytest.mark.heavy]


def _shadow(patient: Patient) -> None:
    (patient.site.parent / "keras.py").write_text("layers = None\n")


def _keras_settings(patient: Patient, **settings: str) -> None:
    folder = patient.home / ".keras"
    folder.mkdir(exist_ok=True)
    (folder / "keras.json").write_text(json.dumps(settings))


CASES: Final = (
    Case(
        name="library-truncated",
        damage=deleted_and_written("numpy/_core/_multiarray_umath*.so", lambda content: content[:5000]),
        check="arch.binary",
        words=("1 binary cannot be read",),
        evidence=("_multiarray_umath", "so import.alone failed"),
        options="--quick",
    ),
    Case(
        name="exit-at-import",
        damage=deleted_and_written("sklearn/__init__.py", lambda _: b"import os\nos._exit(0)\n"),
        check="import.alone",  # of Keras, which imports it
        words=("exits with status 0", "ended by scikit-learn"),
        evidence=("so import.together failed",),
        options="--quick",
    ),
    Case(
        name="hang-at-import",
        damage=deleted_and_written("pandas/__init__.py", lambda _: b"import time\n\ntime.sleep(3600)\n"),
        check="import.alone",  # of Keras, which imports it
        words=("Importing keras timed out after 60 s",),
        evidence=('pandas/__init__.py", line 3', "so import.together failed: Importing pandas timed out"),
        options="--quick --timeout 60",
    ),
    Case(
        name="older-keras",
        damage=pip("install", "--no-deps", "keras==2.15.0"),
        check="pkg.locked",
        words=("keras is 2.15.0, locked 3.",),
        evidence=("so keras.versions failed",),
        options="--quick",
    ),
    Case(
        name="keras-without-an-argument",
        damage=pip("install", "--no-deps", "keras==3.4.0"),
        check="pkg.locked",
        words=("keras is 3.4.0, locked 3.",),
        evidence=("so keras.versions failed", "so keras.match failed", "so keras.save failed"),
    ),
    Case(
        name="older-numpy",
        damage=pip("install", "--no-deps", "numpy==1.26.4"),
        check="pkg.locked",
        words=("numpy is 1.26.4, locked 2.",),
        evidence=("so link.numpy-abi failed", "so import.alone failed"),
    ),
    Case(
        name="older-protobuf",
        damage=pip("install", "--no-deps", "protobuf==3.20.3"),
        check="pkg.locked",
        words=("protobuf is 3.20.3, locked",),
        evidence=("so pkg.protobuf failed", "so import.alone failed"),
    ),
    Case(
        name="package-taken-away",
        damage=pip("uninstall", "h5py"),
        check="pkg.locked",
        words=("h5py is not installed",),
        evidence=("so keras.save failed",),  # Keras itself imports without it
    ),
    Case(
        name="what-keras-says-is-missing",  # optree, which is there
        damage=delete("typing_extensions.py"),
        check="pkg.integrity",
        words=("typing_extensions.py",),
        evidence=("so import.alone failed: Importing keras fails",),
    ),
    Case(
        name="module-hidden-in-the-standard-library",
        damage=_shadow,
        check="process.shadow",
        words=("Installed modules are hidden by other files: keras",),
        evidence=("so import.alone failed", "so keras.backend failed"),
        options="--quick",
    ),
    Case(
        name="variable-set-at-start-up",
        damage=write("zz-backend.pth", "import os; os.environ['KERAS_BACKEND'] = 'theano'\n"),
        check="env.startup",
        words=("zz-backend.pth",),
        evidence=("KERAS_BACKEND", "so import.alone failed"),
        options="--quick",
    ),
    Case(
        name="keras-json",
        damage=lambda patient: _keras_settings(patient, backend="jax", floatx="float32"),
        check="keras.settings",
        words=("'jax'",),
        options="--quick",
    ),
    Case(
        name="keras-json-value",
        damage=lambda patient: _keras_settings(patient, floatx="float99"),
        check="keras.settings",
        words=("Keras does not import",),
        options="--quick",
    ),
    Case(
        name="unknown-xla-flag",
        damage=set_variables(TF_XLA_FLAGS="--tf_xla_no_such_flag=1", EDITOR="vi"),
        check="user.imports",
        words=("With your own settings, computing with tensorflow fails", "TF_XLA_FLAGS=--tf_xla_no_such_flag=1"),
    ),
)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Patient:
    """`envbuild create ml-m1 --source pypi`, verified."""
    patient = Patient(folder=tmp_path_factory.mktemp("heavy"), name="ml-m1")
    patient.shell(f"envbuild create ml-m1 --source pypi -p '{patient.prefix}'").check_returncode()
    # Which of this machine's Pythons was the newest that fits.
    patient.minor = next((patient.prefix / "lib").glob("python3.*/site-packages")).parent.name.removeprefix("python")
    return patient


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_found_named_and_healed(case: Case, patient: Patient) -> None:
    try:
        case.proven(patient)
    finally:
        patient.environ.clear()


def test_what_was_healed_is_whole(patient: Patient, tmp_path: Path) -> None:
    """The last one: everything that was done to the environment has been undone by the remedies."""
    del tmp_path
    report = patient.verify()
    assert not report.bad, str(report)
