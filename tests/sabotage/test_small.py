"""Every damage of the table, on a small environment with NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.sabotage.cases import CASES, Case

if TYPE_CHECKING:
    from tests.sabotage.patient import Patient

pytestmark = pytest.mark.network


def test_the_undamaged_environment_raises_no_alarm(patient: Patient) -> None:
    """False alarms teach people to ignore verification."""
    report = patient.verify(options="--full")
    assert not report.bad, str(report)
    assert {"pkg.locked", "pkg.integrity", "numerics.numpy", "user.imports"} <= {
        finding["check"] for finding in report.status("pass")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_found_named_and_healed(case: Case, patient: Patient) -> None:
    case.damage(patient)
    report = patient.verify(options=case.options)
    found = [finding for finding in report.bad if finding["check"] == case.check]
    assert found, str(report)
    finding = found[0]
    for word in case.words:
        assert word in finding["title"], str(report)
    evidence = "\n".join(finding["evidence"])
    for word in case.evidence:
        assert word in evidence, str(report)
    others = [one for one in report.bad if one is not finding and one["check"] not in case.beside]
    assert not others, f"one cause, one finding:\n{report}"
    assert report.seconds < 60
    commands = finding["remedy"]["commands"]
    if not case.heals:
        assert not commands
        return
    assert commands, finding["remedy"]
    after = patient.verify(*commands)
    assert not after.bad, f"did as told:\n{commands}\n{after}"
