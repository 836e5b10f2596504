"""What runs, in the environment, whenever its Python starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.sabotage.case import Case
from tests.sabotage.damages import write

if TYPE_CHECKING:
    from tests.sabotage.patient import Patient


def _foreign_path(patient: Patient) -> None:
    other = patient.home / "other" / "lib" / "python3.12" / "site-packages"
    other.mkdir(parents=True)
    (patient.site / "colleague.pth").write_text(f"{other}\n")


CASES: Final = (
    Case(
        name="pth-prints",
        damage=write("zz-hello.pth", "import sys; print('hello')\n"),
        check="env.startup",
        words=("zz-hello.pth", "whenever Python starts"),
        evidence=("prints text",),
    ),
    Case(
        name="pth-exits",
        damage=write("zz-quit.pth", "import os; os._exit(0)\n"),
        check="env.startup",
        words=("zz-quit.pth",),
        evidence=("so process.interpreter failed",),
    ),
    Case(
        name="pth-sets-a-variable",
        heavy=True,
        damage=write("zz-set.pth", "import os; os.environ['KERAS_BACKEND'] = 'jax'\n"),
        check="env.startup",
        words=("zz-set.pth",),
        evidence=("sets KERAS_BACKEND",),
    ),
    Case(
        name="pth-replaces-a-module",
        damage=write("zz-fake.pth", "import sys, types; sys.modules['numpy'] = types.ModuleType('numpy')\n"),
        check="env.startup",
        words=("zz-fake.pth",),
        evidence=("so process.startup failed", "so import.alone failed"),
    ),
    Case(
        name="pth-is-no-text",
        heavy=True,
        damage=lambda patient: (patient.site / "zz.pth").write_bytes(b"\xff\xfe"),
        check="env.startup",
        words=("zz.pth",),
        evidence=("not UTF-8 text", "so process.interpreter failed"),
    ),
    Case(
        name="sitecustomize-exits",
        damage=write("sitecustomize.py", "raise SystemExit(3)\n"),
        check="env.startup",
        words=("sitecustomize.py",),
        evidence=("so process.interpreter failed",),
    ),
    Case(
        name="pth-of-another-environment",
        damage=_foreign_path,
        check="process.prefix",
        words=("another environment",),
        evidence=("colleague.pth",),
    ),
)
