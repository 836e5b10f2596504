"""Symbols of macOS's own libraries, judged for a release: what stops the load there is found before anyone is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import observed
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.environment.stamp import Expectations
from builder.finding import Finding, Status
from builder.platforms import Subdir
from tests.unit.binaries.images import renamed, with_versions
from tests.unit.checks.test_static import stamped
from tests.unit.checks.trees import dist, guest, interpreter, put, site_of

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.system_symbols import MacOS


def late(site: Path) -> Path:
    """A wheel whose module strongly needs what came with macOS 14.4, and was built for 12."""
    put("system-symbols.so", site / "late" / "_core.so")
    dist(site, "late", "1.2", ["late/_core.so"])
    return site


def judged(
    path: Path, check: str, *, macos: MacOS | None = None, host: MacOS | None = None, subdir: Subdir = Subdir.OSX_ARM64
) -> list[Finding]:
    subject = Subject(Environment(path, subdir=subdir), macos=macos, host_macos=host)
    checks = [one for one in catalogue() if one.id == check]
    return list(observed(subject, checks=checks, needs=frozenset((Needs.FILES,))))


def test_a_symbol_that_the_target_lacks(tmp_path: Path) -> None:
    (finding,) = judged(late(tmp_path), "link.system-symbols", macos=(13, 0))
    assert finding.status is Status.FAIL
    assert finding.title == (
        "late/_core.so of late 1.2 needs _os_sync_wait_on_address, which macOS 13.0 does not have."
    )
    assert finding.evidence == (
        "Symbol not found: _os_sync_wait_on_address",
        "Referenced from: late/_core.so (late 1.2)",
        "Expected in: /usr/lib/libSystem.B.dylib",
        "first in macOS 15.1 (not yet in 14.0)",
    )
    assert finding.remedy is not None
    assert "Use macOS 15.1 or newer" in str(finding.remedy.say)


@pytest.mark.parametrize(
    ("macos", "undecided"),
    [((15, 1), False), ((14, 4), True), ((26, 0), False)],
)
def test_present_and_undecided(tmp_path: Path, macos: MacOS, undecided: bool) -> None:
    """Undecided is neither passed off as present nor taken for missing: it is counted."""
    (finding,) = judged(late(tmp_path), "link.system-symbols", macos=macos)
    assert finding.status is Status.PASS
    assert any("undecided" in line for line in finding.evidence) == undecided
    assert any("_os_sync_wait_on_address" in line for line in finding.evidence) == undecided


def test_a_symbol_that_no_macos_has(tmp_path: Path) -> None:
    late(tmp_path)
    renamed(tmp_path / "late" / "_core.so", "_os_sync_wait_on_address", "_os_sync_wait_on_nothing")
    (finding,) = judged(tmp_path, "link.system-symbols")
    assert finding.status is Status.FAIL
    assert "which no macOS has" in finding.title
    (floor,) = judged(tmp_path, "link.macos-floor")
    assert floor.status is Status.FAIL


def test_what_the_target_is(tmp_path: Path) -> None:
    """Asked for, before the recipe's oldest, before this Mac's."""
    interpreter(tmp_path)
    late(site_of(tmp_path))
    stamped(tmp_path, Expectations(macos="13.0"))
    for macos, host, status in (((15, 1), None, Status.PASS), (None, (15, 1), Status.FAIL)):
        (finding,) = judged(tmp_path, "link.system-symbols", macos=macos, host=host)
        assert finding.status is status
    other = tmp_path / "other"
    other.mkdir()
    (finding,) = judged(late(other), "link.system-symbols", host=(13, 0))
    assert finding.status is Status.FAIL


def test_the_lowest_macos_of_a_folder_of_wheels(tmp_path: Path) -> None:
    """Nobody asked for one: what the binaries themselves need is said."""
    (finding,) = judged(late(tmp_path), "link.macos-floor")
    assert (finding.status, finding.title) == (Status.PASS, "The environment loads on macOS 15.1 and newer.")
    assert finding.evidence[0] == (
        "decided by _os_sync_wait_on_address in late/_core.so (late 1.2): first in macOS 15.1 (not yet in 14.0)"
    )


def test_the_lowest_macos_is_the_deployment_target_where_symbols_allow_it(tmp_path: Path) -> None:
    guest(tmp_path)
    (finding,) = judged(tmp_path, "link.macos-floor")
    assert finding.title == "The environment loads on macOS 12.0 and newer."


@pytest.mark.parametrize(("asked", "status"), [((13, 0), Status.WARN), ((12, 0), Status.WARN), ((15, 1), Status.PASS)])
def test_floor_above_what_was_promised(tmp_path: Path, asked: MacOS, status: Status) -> None:
    late(tmp_path)
    guest(tmp_path)
    with_versions(tmp_path / "guest" / "module.so", minos=(12, 3), sdk=(14, 0))
    (finding,) = judged(tmp_path, "link.macos-floor", macos=asked)
    assert finding.status is status
    assert any("guest/module.so" in line and "12.3" in line for line in finding.evidence)


def test_intel_macs_are_not_judged_by_facts_about_apple_silicon(tmp_path: Path) -> None:
    put("libgreet-x86_64.dylib", tmp_path / "greet" / "_core.so")
    (finding,) = judged(tmp_path, "link.system-symbols", subdir=Subdir.OSX_64)
    assert finding.status is Status.SKIP
    (floor,) = judged(tmp_path, "link.macos-floor", subdir=Subdir.OSX_64)
    assert floor.title == "The environment loads on macOS 10.13 and newer."


def test_parts_that_need_not_load_do_not_count(tmp_path: Path) -> None:
    """A Qt plug-in for a newer macOS is loaded on demand, if at all."""
    guest(tmp_path)
    put("system-symbols.so", tmp_path / "PySide6" / "Qt" / "plugins" / "platforms" / "libnew.dylib")
    (finding,) = judged(tmp_path, "link.system-symbols", macos=(13, 0))
    assert finding.status is Status.PASS
