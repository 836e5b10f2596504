"""Files of packages: changed, gone, of another kind, or too many; of the standard library too."""

from __future__ import annotations

import marshal
import os
from typing import TYPE_CHECKING, Final

from tests.sabotage.case import Case
from tests.sabotage.damages import append, core, delete, write

if TYPE_CHECKING:
    from tests.sabotage.patient import Patient


def _truncate_library(patient: Patient) -> None:
    file = core(patient)
    file.write_bytes(file.read_bytes()[:5000])


def _edit_rpath(patient: Patient) -> None:
    """As a careless `patchelf` does."""
    file = core(patient)
    data = file.read_bytes()
    assert b"numpy.libs" in data
    file.write_bytes(data.replace(b"numpy.libs", b"numpy.lost"))


def _edit_bytecode(patient: Patient) -> None:
    """Another program under the date and size of the source."""
    (compiled,) = patient.site.glob("numpy/linalg/__pycache__/__init__.*.pyc")
    code = compile("raise RuntimeError('not the source')", "numpy/linalg/__init__.py", "exec")
    compiled.write_bytes(compiled.read_bytes()[:16] + marshal.dumps(code))


def _break_link(patient: Patient) -> None:
    (patient.site / "six.py").unlink()
    (patient.site / "six.py").symlink_to("/nowhere/six.py")


def _link_to_device(patient: Patient) -> None:
    """Which never ends, for who reads it."""
    (patient.site / "six.py").unlink()
    (patient.site / "six.py").symlink_to("/dev/zero")


def _delete_from_library(patient: Patient) -> None:
    (patient.site.parent / "json" / "decoder.py").unlink()


def _rename_package(patient: Patient) -> None:
    (patient.site / "numpy").rename(patient.site / "numpy_old")


def _folder_for_library(patient: Patient) -> None:
    file = core(patient)
    file.unlink()
    file.mkdir()


def _pipe(patient: Patient) -> None:
    os.mkfifo(patient.site / "numpy" / "pipe.py")


CASES: Final = (
    Case(
        name="file-edited",
        heavy=True,
        damage=append("numpy/matlib.py", "\nraise RuntimeError\n"),
        check="pkg.integrity",
        words=("1 file of numpy", "not as installed", "numpy/matlib.py"),
    ),
    Case(
        name="file-deleted",
        damage=delete("numpy/_core/numeric.py"),
        check="pkg.integrity",
        words=("1 file of numpy", "missing", "numpy/_core/numeric.py"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-truncated",
        damage=_truncate_library,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-deleted",
        damage=delete("numpy.libs/libscipy_openblas*"),
        check="pkg.integrity",
        words=("numpy", "missing", "libscipy_openblas"),
        evidence=("so link.missing-library failed", "so import.alone failed"),
    ),
    Case(
        name="rpath-edited",
        damage=_edit_rpath,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("so import.alone failed", "cannot open shared object file"),
    ),
    Case(
        name="bytecode-edited",
        damage=_edit_bytecode,
        check="pkg.bytecode",
        words=("1 compiled file", "numpy/linalg/__pycache__/__init__"),
        evidence=("so import.alone failed",),
    ),
    Case(
        name="library-unreadable",
        heavy=True,
        damage=lambda patient: core(patient).chmod(0),
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("nobody may read it",),
    ),
    Case(
        name="folder-in-place-of-a-library",
        heavy=True,
        damage=_folder_for_library,
        check="pkg.integrity",
        words=("1 file of numpy", "_multiarray_umath"),
        evidence=("Is a directory",),
    ),
    Case(
        name="package-renamed",
        damage=_rename_package,
        check="pkg.integrity",
        words=("numpy was renamed to numpy_old",),
    ),
    Case(
        name="leftover-file",
        damage=write("numpy/leftover.py", "x = 1\n"),
        check="pkg.integrity",
        words=("belongs to no package", "numpy/leftover.py"),
    ),
    Case(
        name="leftover-pipe",
        heavy=True,
        damage=_pipe,
        check="pkg.integrity",
        words=("belongs to no package", "numpy/pipe.py"),
    ),
    Case(
        name="standard-library-not-found",
        heavy=True,
        damage=delete("../os.py"),
        check="pkg.integrity",
        words=("1 file of python", "os.py"),
        evidence=("so process.prefix failed",),
    ),
    Case(
        name="standard-library-damaged",
        heavy=True,
        damage=_delete_from_library,
        check="pkg.integrity",
        words=("1 file of python", "json/decoder.py"),
    ),
    Case(
        name="standard-library-exits",
        damage=append("../json/__init__.py", "\nraise SystemExit(4)\n"),
        check="pkg.integrity",
        words=("1 file of python", "json/__init__.py"),
        evidence=("so process.interpreter failed", "exits with status 4"),
    ),
    Case(
        name="device-in-place-of-a-file",
        heavy=True,
        damage=_link_to_device,
        check="pkg.integrity",
        words=("1 file of six", "six.py"),
        evidence=("it is a link now, to /dev/zero",),
    ),
    Case(
        name="file-link-broken",
        damage=_break_link,
        check="env.links",
        words=("six.py leads nowhere",),
        evidence=("/nowhere/six.py",),
    ),
    Case(
        name="exit-at-import",
        damage=append("numpy/__init__.py", "\nimport os\nos._exit(0)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("exits with status 0",),
    ),
    Case(
        name="crash-at-import",
        heavy=True,
        damage=append("numpy/__init__.py", "\nimport ctypes\nctypes.string_at(0)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("SIGSEGV",),
    ),
    Case(
        name="hang-at-import",
        damage=append("numpy/__init__.py", "\nimport time\ntime.sleep(3600)\n"),
        check="pkg.integrity",
        words=("numpy/__init__.py",),
        evidence=("timed out after 5 s", "numpy/__init__.py"),
        options="--timeout 5",
    ),
)
