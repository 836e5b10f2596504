"""Real environments with real damage: each must be found, named rightly, and be healed by its own remedy.

One environment is built as a user would build it; a copy of it (hard links) is damaged, verified, and healed by
the command that the finding gives, again and again. What is left at the end must be healthy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import uv

from builder.finding import Finding, Report, Status
from builder.operations.verifying import verify_prefix
from builder.probes.level import Level
from tests.workspaces import workspace

pytestmark = [pytest.mark.network, pytest.mark.slow]

_ENVBUILD = (sys.executable, "-c", "from builder.cli import main; main()")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`envbuild create ml-m1 --source pypi`, unverified."""
    folder = tmp_path_factory.mktemp("sabotage")
    prefix = folder / "ml-m1"
    command = (*_ENVBUILD, "create", "ml-m1", "--source", "pypi", "-p", str(prefix), "--no-verify")
    environ = dict(os.environ) | {
        "XDG_DATA_HOME": str(folder / "data"),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "HOME": str(folder),
    }
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return prefix


@pytest.fixture(scope="module")
def patient(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that may be damaged: hard links, so files must be replaced and not written into."""
    copy = tmp_path_factory.mktemp("patient") / "env"
    shutil.copytree(environment, copy, symlinks=True, copy_function=os.link)
    return copy


@dataclass(frozen=True)
class User:
    """A home, a working directory and variables of a user."""

    home: Path
    environ: dict[str, str]

    @property
    def work(self) -> Path:
        return self.home / "work"

    def verify(self, prefix: Path, level: Level = Level.QUICK, limit: float | None = None) -> Report:
        around = workspace(self.home, environ=self.environ, cwd=self.work)
        return verify_prefix(around, prefix, level=level, static=False, limit=limit)


@pytest.fixture
def user(tmp_path: Path) -> User:
    (tmp_path / "work").mkdir()
    return User(home=tmp_path, environ={"HOME": str(tmp_path), "PATH": os.environ["PATH"]})


def site_packages(prefix: Path) -> Path:
    return next((prefix / "lib").glob("python3.*/site-packages"))


def failed(report: Report, check: str) -> Finding:
    """The first failure of `check`; without one the whole report is shown."""
    failures = [finding for finding in report.findings if finding.check == check and finding.status is Status.FAIL]
    assert failures, "\n".join(f"{finding.status} {finding.check}: {finding.title}" for finding in report.findings)
    return failures[0]


def replace(file: Path, content: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(content)


def follow(finding: Finding) -> None:
    """Do literally what the finding says."""
    assert finding.remedy is not None
    assert finding.remedy.commands, finding.remedy
    for command in finding.remedy.commands:
        subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)


def test_a_healthy_environment_raises_no_alarm(environment: Path, user: User) -> None:
    """False alarms teach people to ignore verification."""
    report = user.verify(environment, Level.DEFAULT)
    noisy = [finding for finding in report.findings if finding.status is not Status.PASS]
    assert not noisy
    checked = {finding.check for finding in report.findings}
    assert {"keras.fit", "keras.save", "numerics.tensorflow", "blas.loaded", "workers.start", "pkg.locked"} <= checked


def test_a_truncated_library_is_named(patient: Path, user: User) -> None:
    library = next(site_packages(patient).glob("numpy/_core/_multiarray_umath*.so"))
    replace(library, library.read_bytes()[:5000])
    finding = failed(user.verify(patient), "import.together")
    assert "SIGBUS" in finding.title or "damaged" in finding.title
    assert any(str(library) in line for line in finding.evidence)
    follow(finding)


def test_a_library_that_ends_the_process_is_named(patient: Path, user: User) -> None:
    """Exit status 0 looks like success to every script."""
    replace(site_packages(patient) / "sklearn" / "__init__.py", b"import os\nos._exit(0)\n")
    finding = failed(user.verify(patient), "import.together")
    assert "exits with status 0" in finding.title
    assert "scikit-learn" in finding.title
    follow(finding)


def test_a_library_that_hangs_is_named_with_the_waiting_line(patient: Path, user: User) -> None:
    replace(site_packages(patient) / "pandas" / "__init__.py", b"import time\n\ntime.sleep(3600)\n")
    report = user.verify(patient, limit=20)
    finding = failed(report, "import.together")
    assert "hangs" in finding.title
    assert any('pandas/__init__.py", line 3' in line for line in finding.evidence)
    assert report.seconds < 60
    follow(finding)


def test_an_older_keras_is_named(patient: Path, user: User) -> None:
    python = patient / "bin" / "python"
    command = (uv.find_uv_bin(), "pip", "install", "--python", str(python), "--no-deps", "keras==2.15.0")
    subprocess.run(command, check=True, capture_output=True)
    report = user.verify(patient)
    assert "Keras 2.15.0 does not fit" in failed(report, "keras.versions").title
    assert "Keras 2" in failed(report, "import.alone").title
    assert any("keras: locked" in line for line in failed(report, "pkg.locked").evidence)
    follow(failed(report, "keras.versions"))


def test_a_package_built_for_numpy_1_is_named(patient: Path, user: User) -> None:
    python = patient / "bin" / "python"
    command = (uv.find_uv_bin(), "pip", "install", "--python", str(python), "--no-deps", "pandas==2.1.1", "pytz")
    subprocess.run(command, check=True, capture_output=True)
    finding = failed(user.verify(patient), "import.together")
    assert "pandas 2.1.1" in finding.title
    assert "NumPy" in finding.title
    follow(finding)


def test_a_file_that_hides_a_package_is_named(patient: Path, user: User) -> None:
    shadow = site_packages(patient).parent / "keras.py"
    shadow.write_text("layers = None\n")
    finding = failed(user.verify(patient), "process.shadow")
    assert "keras" in finding.title
    assert any(str(shadow) in line for line in finding.evidence)
    follow(finding)
    assert not shadow.exists()


def test_a_second_openmp_is_named_with_its_package(patient: Path, user: User) -> None:
    """scikit-learn brings libgomp; Intel's runtime comes beside it and is loaded at start-up."""
    python = patient / "bin" / "python"
    command = (uv.find_uv_bin(), "pip", "install", "--python", str(python), "--no-deps", "intel-openmp")
    subprocess.run(command, check=True, capture_output=True)
    runtime = next(patient.rglob("libiomp5.so"))
    loader = site_packages(patient) / "second_openmp.pth"
    loader.write_text(f"import ctypes; ctypes.CDLL({str(runtime)!r})\n")
    finding = failed(user.verify(patient), "openmp.loaded")
    assert any("libiomp5.so" in line and "intel-openmp" in line for line in finding.evidence)
    assert any("libgomp" in line and "scikit-learn" in line for line in finding.evidence)
    follow(finding)
    loader.unlink()
    assert not runtime.exists()


@pytest.fixture
def troubled(user: User, patient: Path) -> User:
    """A user whose own settings break Keras in three ways at once."""
    keras_json = user.home / ".keras" / "keras.json"
    keras_json.parent.mkdir()
    keras_json.write_text(json.dumps({"backend": "jax", "floatx": "float32"}))
    version = site_packages(patient).parent.name
    leaking = user.home / ".local" / "lib" / version / "site-packages" / "numpy"
    leaking.mkdir(parents=True)
    (leaking / "__init__.py").write_text("__version__ = '1.0'\n")
    (user.work / "keras.py").write_text("layers = None\n")
    return user


def test_after_all_remedies_only_the_users_own_settings_are_wrong(troubled: User, patient: Path) -> None:
    """The last one: everything done to the copy above has been healed, and the user's settings are told apart."""
    report = troubled.verify(patient)
    failures = {finding.check: finding for finding in report.findings if finding.status is Status.FAIL}
    assert set(failures) == {"keras.settings", "process.user-site", "process.working-directory"}
    assert "'jax'" in failures["keras.settings"].title
    assert any("keras.json" in line for line in failures["keras.settings"].evidence)
    assert "numpy" in failures["process.user-site"].title
    assert "PYTHONNOUSERSITE" in str(failures["process.user-site"].remedy)
    assert any("keras.py" in line for line in failures["process.working-directory"].evidence)
