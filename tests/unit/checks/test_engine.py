"""The engine: which checks run, in which order, and what becomes of one that crashes or reports under a wrong id."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builder.checks.catalogue import by_id, catalogue, page
from builder.checks.check import Check, Needs
from builder.checks.engine import UnknownCheckError, examine, observed
from builder.checks.subject import Subject
from builder.environment.environment import Environment
from builder.finding import Finding, Status
from builder.platforms import Subdir
from builder.probes.level import Level
from tests.unit.checks.trees import dist, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.unit.checks.support import Tree

FILES = frozenset((Needs.FILES,))


def check(name: str, run: Callable[[Subject], Iterable[Finding]], *, needs: Needs = Needs.FILES) -> Check:
    return Check(id=name, area="user", needs=needs, catches="x", otherwise="x", run=run)


def passed(name: str) -> Finding:
    return Finding(check=name, status=Status.PASS, title="Good")


def test_a_check_that_crashes_is_a_skip_that_names_the_defect(tree: Tree) -> None:
    def crash(_: Subject) -> list[Finding]:
        raise ZeroDivisionError("by nothing")

    checks = [check("a.crash", crash), check("a.good", lambda _: [passed("a.good")])]
    crashed, good = observed(tree.subject(), checks=checks, needs=FILES)
    assert crashed.status is Status.SKIP
    assert "ZeroDivisionError: by nothing" in crashed.title
    assert "test_engine.py" in crashed.evidence[0]
    assert good.status is Status.PASS


def test_an_id_that_is_not_its_checks_raises(tree: Tree) -> None:
    """A finding nobody can look up is a defect of ours, not one of the environment."""
    with pytest.raises(UnknownCheckError, match=r"no\.such"):
        observed(tree.subject(), checks=[check("a.check", lambda _: [passed("no.such")])], needs=FILES)


def test_findings_come_in_the_order_of_the_checks_whichever_ends_first(tree: Tree) -> None:
    later = threading.Event()

    def slow(_: Subject) -> list[Finding]:
        later.wait(5)
        return [passed("a.files")]

    def quick(_: Subject) -> list[Finding]:
        later.set()
        return [passed("b.machine")]

    checks = [check("a.files", slow), check("b.machine", quick, needs=Needs.MACHINE)]
    found = observed(tree.subject(), checks=checks, needs=frozenset((Needs.FILES, Needs.MACHINE)))
    assert [finding.check for finding in found] == ["a.files", "b.machine"]


def test_only_what_the_subject_offers_is_run(tree: Tree) -> None:
    """An environment of another platform is read, and nothing of it is run."""
    ran: list[str] = []

    def run(needs: Needs) -> Callable[[Subject], list[Finding]]:
        def note(_: Subject) -> list[Finding]:
            ran.append(needs.value)
            return []

        return note

    checks = [check(f"a.{needs}", run(needs), needs=needs) for needs in Needs]
    foreign = Subject(Environment(tree.path, subdir=Subdir.OSX_ARM64), host=Subdir.LINUX_64, user=tree.subject().user)
    checks.append(by_id()["process.interpreter"])
    (finding,) = observed(foreign, checks=checks)
    assert ran == ["files"]
    assert (finding.check, finding.status) == ("process.interpreter", Status.SKIP)
    assert "it is for osx-arm64" in finding.title


def test_progress_counts_the_checks_by_name(tree: Tree) -> None:
    told: list[tuple[str, int, int]] = []
    checks = [check(name, lambda _: []) for name in ("a.one", "a.two")]
    observed(tree.subject(), checks=checks, needs=FILES, progress=lambda *step: told.append(step))
    assert told == [
        ("reading your own settings (a.one)", 1, 2),
        ("reading your own settings (a.two)", 2, 2),
    ]


def test_a_mandatory_check_that_was_skipped_or_did_not_run_fails(tree: Tree) -> None:
    tree.stamp(mandatory=("a.skipped", "a.absent"))
    skipped = Finding(check="a.skipped", status=Status.SKIP, title="No")
    found = examine(tree.subject(), checks=[check("a.skipped", lambda _: [skipped])], needs=FILES)
    assert [(finding.check, finding.status) for finding in found] == [
        ("a.skipped", Status.FAIL),
        ("a.absent", Status.FAIL),
    ]
    assert {finding.remedy.say for finding in found if finding.remedy} == {
        "Run `envbuild verify ml-m1 --full` on a machine of the environment's platform."
    }


def test_what_follows_from_a_damaged_file_is_evidence_of_it(tmp_path: Path) -> None:
    """One cause, one finding: the reader has one thing to mend."""
    (tmp_path / "guest").mkdir()
    (tmp_path / "guest" / "core.so").write_bytes(put("module.so", tmp_path / "guest" / "module.so").read_bytes())
    dist(tmp_path, "guest", "1.0", ["guest/module.so", "guest/core.so"])
    (tmp_path / "guest" / "module.so").write_bytes(b"\xcf\xfa\xed\xfe")
    subject = Subject(Environment(tmp_path, subdir=Subdir.OSX_ARM64))
    alone = {finding.check for finding in observed(subject, checks=catalogue(), needs=FILES) if _failed(finding)}
    assert {"pkg.integrity", "arch.binary"} <= alone
    found = [finding for finding in examine(subject, checks=catalogue(), needs=FILES) if _failed(finding)]
    assert [finding.check for finding in found] == ["pkg.integrity"]
    assert "1 file of guest 1.0 is not as installed: guest/module.so" in found[0].title
    assert any(line.startswith("so arch.binary failed: ") for line in found[0].evidence)


def test_what_fails_in_an_environment_that_is_not_finished_is_no_finding_of_its_own(tree: Tree) -> None:
    """Killed while packages were linked, an environment lacks most of its files."""
    found = [
        Finding(check=name, status=status, title=name)
        for name, status in (
            ("env.finished", Status.FAIL),
            ("pkg.integrity", Status.FAIL),
            ("process.variables", Status.WARN),
        )
    ]
    checks = [replace(by_id()[one.check], needs=Needs.FILES, run=partial(_says, one)) for one in found]
    said = examine(tree.subject(), checks=checks, needs=FILES)
    assert [finding.check for finding in said] == ["env.finished", "process.variables"]
    assert said[0].evidence == ("so pkg.integrity failed: pkg.integrity.",)


def test_failures_that_have_nothing_to_do_with_each_other_stay_apart(tree: Tree) -> None:
    def failed(name: str, *about: str) -> Finding:
        return Finding(check=name, status=Status.FAIL, title=name, about=frozenset(about))

    found = [failed("pkg.integrity", "numpy"), failed("import.alone", "scipy"), failed("import.used", "numpy")]
    checks = [replace(by_id()[one.check], needs=Needs.FILES, run=partial(_says, one)) for one in found]
    assert [finding.check for finding in examine(tree.subject(), checks=checks, needs=FILES)] == [
        "pkg.integrity",
        "import.alone",
    ]


def test_every_expectation_of_the_stamp_reaches_the_checks(tree: Tree) -> None:
    """Blanked on its way, an expectation is a check that passes for nothing."""
    wanted: dict[str, Any] = {
        "framework": "tensorflow",
        "provider": "metal",
        "gpu": True,
        "blas": "newaccelerate",
        "macos": "14.0",
        "devices": {"GPU": 2},
        "tolerances": {"float32": 1e-3},
        "snippets": ("print(1)",),
        "mandatory": ("numerics.device",),
    }
    tree.stamp(**wanted)
    expected = tree.subject().expectations
    assert {name: getattr(expected, name) for name in wanted} == wanted


def test_the_quick_level_leaves_out_what_is_slow(tree: Tree) -> None:
    quick = {one.id for one in catalogue() if Level.QUICK.includes(one.level) and one.needs is Needs.FILES}
    assert "arch.binary" in quick
    assert "pkg.locked" in quick
    # What the user has set is read in no time.
    assert all(
        Level.QUICK.includes(one.level) for one in catalogue() if one.area == "user" and one.needs is Needs.MACHINE
    )
    assert not any(one.hashes for one in catalogue() if one.id in quick)
    assert all(Level.FULL.includes(one.level) for one in catalogue())
    del tree


def test_ids_are_unique_and_belong_to_an_area() -> None:
    assert len(by_id()) == len(catalogue())


def test_the_page_of_checks_is_up_to_date() -> None:
    """Regenerate it with `python -m builder.checks.catalogue > docs/reference/checks.md`."""
    documented = Path(__file__).parents[3] / "docs" / "reference" / "checks.md"
    assert documented.read_text(encoding="utf-8") == page()


def _says(finding: Finding, _: Subject) -> list[Finding]:
    return [finding]


def _failed(finding: Finding) -> bool:
    return finding.status is Status.FAIL
