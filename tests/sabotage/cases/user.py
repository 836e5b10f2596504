"""The user's own: the user site, the variables of the shell, the working directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.sabotage.case import Case
from tests.sabotage.damages import set_variables

if TYPE_CHECKING:
    from tests.sabotage.patient import Patient


def _user_site(patient: Patient) -> None:
    (patient.user_site / "numpy").mkdir(parents=True)
    (patient.user_site / "numpy" / "__init__.py").write_text("__version__ = '1.0'\n")


def _user_startup(patient: Patient) -> None:
    patient.user_site.mkdir(parents=True)
    (patient.user_site / "zz-quit.pth").write_text("import os; os._exit(7)\n")


def _python_path(patient: Patient) -> None:
    (patient.home / "tools").mkdir()
    (patient.home / "tools" / "numpy.py").write_text("nothing = None\n")
    patient.environ["PYTHONPATH"] = str(patient.home / "tools")


def _hides_in_working_directory(patient: Patient) -> None:
    (patient.work / "numpy.py").write_text("nothing = None\n")


def _library_path(patient: Patient) -> None:
    """A library of the system's by name, and damaged."""
    folder = patient.home / "libraries"
    folder.mkdir()
    (folder / "libstdc++.so.6").write_bytes(b"\x7fELF")
    patient.environ["LD_LIBRARY_PATH"] = str(folder)


CASES: Final = (
    Case(
        name="user-site-hides-numpy",
        damage=_user_site,
        check="process.user-site",
        words=("user site", "numpy"),
        beside=("user.imports",),
    ),
    Case(
        name="user-site-exits",
        damage=_user_startup,
        check="user.startup",
        words=("zz-quit.pth", "every Python of yours"),
        evidence=("so process.variables failed",),
    ),
    Case(
        name="pythonpath-hides-numpy",
        heavy=True,
        damage=_python_path,
        check="process.pythonpath",
        words=("PYTHONPATH", "numpy"),
        beside=("user.imports",),
    ),
    Case(
        name="working-directory-hides-numpy",
        damage=_hides_in_working_directory,
        check="process.working-directory",
        words=("working directory", "numpy"),
        heals=False,
    ),
    Case(
        name="variable-that-breaks-the-import",
        damage=set_variables(EDITOR="vi", NPY_DISABLE_CPU_FEATURES="SSE SSE2 X86_V2 NEON", PAGER="less"),
        check="user.imports",
        words=("With your own settings, importing numpy fails", "NPY_DISABLE_CPU_FEATURES"),
    ),
    Case(
        name="working-directory-hides-the-standard-library",
        heavy=True,
        damage=lambda patient: (patient.work / "random.py").write_text("raise SystemExit(9)\n"),
        check="process.working-directory",
        words=("working directory", "random"),
        heals=False,
    ),
    Case(
        name="variable-that-stops-python",
        damage=set_variables(PYTHONMALLOC="nonsense", EDITOR="vi"),
        check="process.variables",
        words=("Python does not start with your own settings", "PYTHONMALLOC=nonsense"),
    ),
    Case(
        name="library-path",
        heavy=True,
        damage=_library_path,
        check="user.imports",
        words=("With your own settings, importing numpy fails", "LD_LIBRARY_PATH"),
    ),
    Case(
        name="preloaded-library",
        heavy=True,
        damage=set_variables(LD_PRELOAD="/nowhere/libnothing.so"),
        check="process.variables",
        words=("LD_PRELOAD",),
    ),
)
