"""Measurements, kept as they were made: runs of the functional suite and symbol comparisons.

Each becomes relations when the facts are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from builder.compat.model import (
    Date,
    Minor,
    PackageName,
    Relation,
    RequirementText,
    Side,
    Text,
    VersionText,
)
from builder.models import Model

if TYPE_CHECKING:
    from collections.abc import Mapping


class Suite(Model):
    """What the `runs` of a file are about: a framework and the package that was run beside it."""

    host: PackageName
    partner: PackageName
    legacy: PackageName | None = None
    """What stood in for `partner` in runs with `legacy`."""


class SuiteRun(Model):
    """One run of the functional suite (`tools.measuring.keras_suite`) with exact versions."""

    host: VersionText
    partner: VersionText
    python: VersionText
    date: Date
    overrides: tuple[RequirementText, ...] = ()
    """What replaced declared requirements."""
    legacy: VersionText | None = None
    """The version of what stood in for `partner`."""
    subject: PackageName | None = None
    """What a failure is laid on (default: `partner`); `resolution`: on nothing alone, it shows a fresh install."""
    companions: dict[PackageName, VersionText] = msgspec.field(default_factory=dict)
    result: Literal["pass", "fail", "refused"]
    passed: tuple[str, ...] = ()
    failed: dict[str, str] = msgspec.field(default_factory=dict)
    reason: str | None = None

    def relations(self, suite: Suite, *, measured_on: str, titles: Mapping[str, str]) -> tuple[Relation, ...]:
        """What the run shows: about host and partner, and about the host and the NumPy it ran beside.

        A failure is laid on the run's `subject`; what was forced against the metadata shows nothing about the rest.
        """
        if self.result == "refused":
            return ()
        if self.legacy is not None:
            beside = {suite.legacy or suite.partner: self.legacy}
        else:
            beside = {suite.partner: self.partner, "numpy": self.companions.get("numpy", "")}
            subject = self.subject or suite.partner
            if self.result == "fail":
                beside = {name: version for name, version in beside.items() if name == subject}
            elif self.overrides:
                beside = {name: version for name, version in beside.items() if subject in (name, "resolution")}
        return tuple(
            self._relation(suite, name, version, measured_on=measured_on, titles=titles)
            for name, version in beside.items()
            if version
        )

    def _relation(
        self, suite: Suite, name: str, version: str, *, measured_on: str, titles: Mapping[str, str]
    ) -> Relation:
        host, minor = (".".join(text.split(".")[:2]) for text in (self.host, version))
        pair = f"{titles.get(name, name)} {version} with {titles.get(suite.host, suite.host)} {self.host}"
        if self.result == "pass":
            known = (
                f", with the known defects of {titles.get(suite.partner, suite.partner)} {self.partner.split('.')[0]} "
                f"({', '.join(self.failed)})"
                if self.failed
                else ""
            )
            cause = f"{pair} passed {len(self.passed)} functional steps{known}"
        else:
            step, error = next(iter(self.failed.items()))
            cause = f"{pair} fails in the step {step}: {error}"
        beside = f"-{suite.partner}-{self.partner}" if name not in (suite.partner, suite.legacy) else ""
        python = "".join(self.python.split(".")[:2])
        forced = "-forced" if self.overrides else ""
        binary = self.result != "pass" and name not in (suite.partner, suite.legacy)
        return Relation(
            id=f"run-{suite.host}-{self.host}-{name}-{version}{beside}-py{python}{forced}",
            source="envbuild's functional suite, run in a throw-away environment",
            established="measured",
            date=self.date,
            measured_on=f"{measured_on}, Python {self.python}",
            # That a wheel cannot live beside a NumPy says nothing about a channel's build, compiled against another.
            left=Side(package=suite.host, versions=host, origin="pypi" if binary else None),
            right=Side(package=name, versions=minor),
            verdict="works" if self.result == "pass" else "fails",
            cause=cause,
        )


class Linkage(Model):
    """What the `symbols` of a file are about: a package whose binaries bind another one's."""

    plugin: PackageName
    host: PackageName
    label: str
    """Short name for the ids of the facts."""


class SymbolRun(Model):
    """One binary against one release of its host: the symbols it binds, and those that are not there."""

    plugin: VersionText
    pythons: tuple[Minor, ...]
    host: VersionText
    wheel: Text
    date: Date
    bound: int
    missing: int
    libraries: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def relation(self, linkage: Linkage, *, measured_on: str, titles: Mapping[str, str]) -> Relation:
        """The comparison as a fact about the binary's package and the minor of its host."""
        minor = ".".join(self.host.split(".")[:2])
        plugin = f"{titles.get(linkage.plugin, linkage.plugin)} {self.plugin}"
        host = f"{titles.get(linkage.host, linkage.host)} {minor}"
        first = next(iter(self.symbols), None)
        if self.libraries:
            cause = f"{plugin} cannot load with {host}: it needs {self.libraries[0]}, and no library of {host} has "
            cause += "that install name"
        elif first is not None:
            more = f" and {self.missing - 1} more symbols" if self.missing > 1 else ""
            cause = f"{plugin} cannot load with {host}: it needs {first}{more}, which {host} does not export"
        else:
            cause = f"all {self.bound} symbols that {plugin} binds are in {host}"
        return Relation(
            id=f"symbols-{linkage.label}-{self.plugin}-cp{self.pythons[0].replace('.', '')}-{linkage.host}-{self.host}",
            source=f"envbuild's symbol comparison of the plug-in with {self.wheel}",
            established="measured",
            date=self.date,
            measured_on=measured_on,
            left=Side(package=linkage.plugin, versions=f"=={self.plugin}"),
            right=Side(package=linkage.host, versions=minor, origin="pypi"),
            verdict="fails" if self.missing else "links",
            cause=cause,
            symbol=self.libraries[0] if self.libraries else first,
            pythons=self.pythons,
        )
