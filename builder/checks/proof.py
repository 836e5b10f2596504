"""The static checks over summaries: an environment that was never laid out, judged as `verify --static` judges one.

The checks are the same; what they look at is made of summaries. Those that need what an
installer made of the packages are `skip` with the reason.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.binaries.elf import ElfTree
from builder.binaries.hashing import Answer
from builder.binaries.summary_linking import ROOT, SummarizedBinary
from builder.checks.catalogue import by_id, catalogue
from builder.checks.check import Needs
from builder.checks.engine import examine
from builder.checks.files import Files
from builder.checks.subject import Subject
from builder.checks.survey import Survey
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from builder.binaries.elf import ElfBinary
    from builder.binaries.inventory import Binary, Inventory
    from builder.binaries.summary_python import Generated
    from builder.binaries.system_symbols import MacOS
    from builder.environment.summarized import SummarizedEnvironment

#: The area, and checks of others, that look at what an installer made of the packages, and not at the packages.
_OF_INSTALLED: Final = frozenset(("installation", "pkg.integrity", "pkg.locked"))
_WHY_INSTALLED: Final = "Only an environment that was built can be asked this"


@dataclass(frozen=True, kw_only=True)
class Proven:
    """What the static checks said. Counts are of Mach-O or ELF files for the platform and the symbols in them."""

    findings: tuple[Finding, ...]
    binaries: int
    symbols: int
    system_symbols: int
    undecided: int
    """Symbols of which nothing says whether the system has them: the lowest macOS, or a Linux distribution."""
    lowest: tuple[int, ...] | None
    """The lowest macOS, or glibc, on which everything loads; None where that is not known."""


class _Survey(Survey):
    """A survey whose binaries are those of a layout. `environment` holds the metadata alone."""

    def __init__(self, environment: SummarizedEnvironment) -> None:
        super().__init__(environment)
        self._layout = environment.layout

    @cached_property
    def inventory(self) -> Inventory:
        return self._layout.inventory

    @cached_property
    def generated(self) -> dict[str, list[Generated]]:
        found: dict[str, list[Generated]] = {}
        for one in self._layout.generated:
            found.setdefault(self.packages.owner(one.rel), []).append(one)
        return found

    @cached_property
    def elf(self) -> ElfTree:
        # Nothing of this machine counts: a proof is the same wherever it is made.
        return ElfTree.of(ROOT, self._layout.elf, self.packages, real=self._layout.real)

    @property
    def _python(self) -> str | None:
        """The interpreter's real path in the layout."""
        if self.environment.python is None:
            return None
        return f"{ROOT}/{os.path.relpath(os.path.realpath(self.environment.python), self.environment.path)}"

    @cached_property
    def interpreter(self) -> Binary | None:
        return self.inventory.by_path.get(self._python or "")

    @cached_property
    def elf_program(self) -> ElfBinary | None:
        return next((binary for binary in self.elf.binaries if binary.path == self._python), None)


class _Files(Files):
    """What summaries say of the files: whether their signatures are right. Nothing is hashed."""

    def begin(self) -> None:
        """There is nothing to begin."""

    def digest(self, rel: str) -> Answer | None:
        return None

    def pages(self, path: str) -> Answer | None:
        binary = self._survey.inventory.by_path.get(path)
        return Answer(verdicts=(binary.signature,)) if isinstance(binary, SummarizedBinary) and binary.serves else None


class _Subject(Subject):
    """A subject without files, user or stamp."""

    def __init__(
        self, environment: SummarizedEnvironment, *, macos: MacOS | None, glibc: tuple[int, ...] | None
    ) -> None:
        super().__init__(environment, macos=macos, glibc=glibc)
        self._summarized = environment

    @cached_property
    def survey(self) -> Survey:
        return _Survey(self._summarized)

    @cached_property
    def files(self) -> Files:
        return _Files(self.environment, survey=self.survey)


def prove_environment(
    environment: SummarizedEnvironment, *, macos: MacOS | None, glibc: tuple[int, ...] | None = None
) -> Proven:
    """Run the static checks over an environment that was never laid out.

    `macos` or `glibc` is the release to judge for. No finding names a path outside the environment.
    """
    subject = _Subject(environment, macos=macos, glibc=glibc)
    static = [check for check in catalogue() if check.needs is Needs.FILES and subject.level.includes(check.level)]
    able = [check for check in static if not {check.area, check.id} & _OF_INSTALLED]
    found = list(examine(subject, checks=able, needs=frozenset((Needs.FILES,))))
    found += [
        Finding(check=check.id, status=Status.SKIP, title=f"{_WHY_INSTALLED}.") for check in static if check not in able
    ]
    order = {check: place for place, check in enumerate(by_id())}
    survey = subject.survey
    lowest: tuple[int, ...] | None
    if survey.is_mac:
        binaries = sum(binary.serves for binary in survey.inventory.binaries)
        floor = survey.system_imports.floor
        symbols, lowest = survey.binder.tally.checked, floor.macos
        system, undecided = survey.system_imports.count, len(floor.undecided)
    else:
        binaries = sum(binary.machine == survey.elf_machine for binary in survey.elf.binaries)
        symbols, lowest = survey.elf_symbols.checked, survey.elf_floor.glibc
        system, undecided = survey.elf_symbols.system, len(survey.elf_symbols.undecided)
    return Proven(
        findings=tuple(
            _plain(finding, environment) for finding in sorted(found, key=lambda finding: order[finding.check])
        ),
        binaries=binaries,
        symbols=symbols,
        system_symbols=system,
        undecided=undecided,
        lowest=lowest,
    )


def _plain(finding: Finding, environment: SummarizedEnvironment) -> Finding:
    """The finding without paths of this machine and without a remedy, whose commands are for an environment."""

    def told(text: str) -> str:
        return text.replace(str(environment.path), "{prefix}").replace(ROOT, "{prefix}")

    return replace(
        finding, title=told(finding.title), evidence=tuple(told(line) for line in finding.evidence), remedy=None
    )
