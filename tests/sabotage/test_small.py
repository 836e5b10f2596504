"""Every damage of the table, on a small environment with NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sabotage.cases import CASES

if TYPE_CHECKING:
    from tests.sabotage.case import Case
    from tests.sabotage.patient import Patient

pytestmark = pytest.mark.network


def test_the_undamaged_environment_raises_no_alarm(patient: Patient) -> None:
    """False alarms teach people to ignore verification."""
    report = patient.verify(options="--full")
    assert not report.bad, str(report)
    assert {"pkg.locked", "pkg.integrity", "numerics.numpy", "user.imports"} <= {
        finding["check"] for finding in report.status("pass")
    }


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=case.name, marks=[pytest.mark.heavy] if case.heavy else []) for case in CASES]
)
def test_it_is_found_named_and_healed(case: Case, patient: Patient) -> None:
    case.proven(patient)
