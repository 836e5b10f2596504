"""Wheels whose fate on Macs is public, each judged as it turned out there; of healthy ones nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from builder.binaries.system_symbols import release
from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import examine
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.finding import Status
from builder.platforms import Subdir
from tests.integration.wheels import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.network

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parents[1] / "data" / "verdicts.yaml").read_text())
#: The few that every run fetches; the others are asked for (`-m heavy`).
QUICK = {"bonsai", "tket", "xmlsec", "ecrt", "mediapipe", "rocksdict", "rocksdict-0.3.0"}


def cases() -> Iterator[Any]:
    for case in CASES:
        marks = [] if case["name"] in QUICK else [pytest.mark.heavy]
        yield pytest.param(case, id=case["name"], marks=marks)


@pytest.mark.parametrize("case", list(cases()))
def test_verdict(tmp_path: Path, case: dict[str, Any]) -> None:
    folder = unpacked(tmp_path, *case["wheels"], python=case["python"], macos=case.get("macos", "14.0"))
    judged = case.get("judged")
    subject = Subject(
        Environment(folder, subdir=Subdir.OSX_ARM64), macos=release(judged) if judged is not None else None
    )
    every = list(examine(subject, checks=catalogue(), needs=frozenset((Needs.FILES,))))
    found = [
        finding
        for finding in every
        if finding.status in (Status.FAIL, Status.WARN) and finding.check != "link.macos-floor"
    ]
    told = "\n".join(line for finding in found for line in (finding.title, *finding.evidence))
    failed = {finding.check for finding in found if finding.status is Status.FAIL}
    warned = {finding.check for finding in found if finding.status is Status.WARN}
    assert (failed, warned) == (set(case.get("fails", ())), set(case.get("warns", ()))), told
    assert case.get("says", "") in told
    if "lowest" in case:
        (floor,) = [finding.title for finding in every if finding.check == "link.macos-floor"]
        assert f" macOS {case['lowest']}" in floor
