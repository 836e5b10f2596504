"""The interpreter, and where the environment lies and leads."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.sabotage.case import Case
from tests.sabotage.patient import copied

if TYPE_CHECKING:
    from tests.sabotage.patient import Patient


def _move(patient: Patient) -> None:
    elsewhere = patient.prefix.with_name("elsewhere")
    patient.prefix.rename(elsewhere)
    patient.prefix = elsewhere


def _copy(patient: Patient) -> None:
    """A colleague's environment, copied; the one it was copied from still works."""
    elsewhere = patient.prefix.with_name("copied")
    copied(patient.prefix, elsewhere)
    patient.prefix = elsewhere


def _break_interpreter(patient: Patient) -> None:
    patient.python.unlink()
    patient.python.symlink_to("python-that-is-gone")


def _other_interpreter(patient: Patient) -> None:
    """One of another machine, as an archive of a colleague's may hold."""
    real = Path(os.path.realpath(patient.python))
    real.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, 183) + bytes(44))


def _interpreter_by_script(patient: Patient) -> None:
    patient.python.unlink()
    patient.python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    patient.python.chmod(0o755)


def _link_packages_out(patient: Patient) -> None:
    patient.site.rename(patient.home / "packages")
    patient.site.symlink_to(patient.home / "packages")


def _unfinished(patient: Patient) -> None:
    (patient.prefix / "conda-meta" / "envbuild.building").write_text("")


CASES: Final = (
    Case(
        name="interpreter-deleted",
        heavy=True,
        damage=lambda patient: patient.python.unlink(),
        check="pkg.integrity",
        words=("1 file of python", "bin/python"),
    ),
    Case(
        name="interpreter-is-another",
        heavy=True,
        damage=_interpreter_by_script,
        check="pkg.integrity",
        words=("1 file of python", "bin/python"),
        evidence=("which was a link", "so process.prefix failed"),
    ),
    Case(
        name="interpreter-of-another-machine",
        heavy=True,
        damage=_other_interpreter,
        check="pkg.integrity",
        words=("python",),
        evidence=("so arch.binary failed", "so process.interpreter failed"),
    ),
    Case(
        name="interpreter-link-broken",
        damage=_break_interpreter,
        check="env.links",
        words=("bin/python leads nowhere",),
        evidence=("python-that-is-gone",),
    ),
    Case(
        name="packages-lie-elsewhere",
        heavy=True,
        damage=_link_packages_out,
        check="env.links",
        words=("site-packages is a link out of the environment",),
    ),
    Case(
        name="pyvenv-cfg",
        damage=lambda patient: (patient.prefix / "pyvenv.cfg").write_text("home = /usr/bin\n"),
        check="env.pyvenv",
        words=("pyvenv.cfg", "/usr/bin"),
    ),
    Case(name="moved", damage=_move, check="env.moved", words=("was moved or copied here from", "envs/small")),
    Case(
        name="copied",
        heavy=True,
        damage=_copy,
        check="env.moved",
        words=("was moved or copied here from", "envs/small"),
    ),
    Case(
        name="unfinished",
        damage=_unfinished,
        check="env.finished",
        words=("`envbuild create` is at work here, or was interrupted",),
        heals=False,
    ),
)
