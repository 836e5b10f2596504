"""A small prefix on disk, and cases for judges."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from builder.checks.case import Case
from builder.checks.catalogue import catalogue
from builder.checks.check import Needs
from builder.checks.engine import observed
from builder.checks.subject import Subject, User
from builder.environment.environment import Environment
from builder.environment.stamp import RELATIVE_PATH, Expectations, Stamp, StampedPackage
from builder.platforms import Subdir
from builder.probes.harness import Outcome, Step
from builder.probes.level import Level

if TYPE_CHECKING:
    from pathlib import Path

    from builder.finding import Finding


def outcome(
    *steps: Step, probe: str = "imports", returncode: int = 0, finished: bool = True, stderr: str = ""
) -> Outcome:
    """What became of a probe that took these steps; by default it reached its end and said nothing."""
    return Outcome(
        probe=probe,
        steps=steps,
        finished=finished,
        returncode=returncode,
        timed_out=False,
        limit=9.0,
        seconds=1.0,
        peak_mib=1.0,
        stdout="",
        stderr=stderr,
    )


class Tree:
    """Builds a prefix of conda-meta records, dist-info folders and a stamp below `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.site = path / "lib" / "python3.12" / "site-packages"
        self.site.mkdir(parents=True)
        (path / "bin").mkdir()
        (path / "conda-meta").mkdir()
        (path / "bin" / "python").write_text("")

    def dist(self, name: str, version: str, *files: str, installer: str = "uv") -> None:
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n")
        (folder / "INSTALLER").write_text(f"{installer}\n")
        (folder / "RECORD").write_text("".join(f"{file},,\n" for file in files))
        for file in files:
            place = self.site / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("")

    def conda(self, name: str, version: str, build: str, *files: str) -> None:
        record = {"name": name, "version": version, "build": build, "subdir": "linux-64", "files": list(files)}
        (self.path / "conda-meta" / f"{name}-{version}-{build}.json").write_text(json.dumps(record))

    def stamp(
        self, *packages: StampedPackage, groups: tuple[str, ...] = ("main",), recipe: str = "", **expectations: Any
    ) -> None:
        stamp = Stamp(
            name="ml-m1",
            subdir=Subdir.LINUX_64,
            lock_sha256="a" * 64,
            envbuild_version="0",
            packages=packages,
            groups=groups,
            recipe=recipe,
            expectations=Expectations(**expectations),
        )
        (self.path / RELATIVE_PATH).write_text(stamp.dumps())

    @property
    def environment(self) -> Environment:
        return Environment(self.path)

    def subject(
        self,
        *,
        subdir: Subdir = Subdir.LINUX_64,
        environ: dict[str, str] | None = None,
        home: Path | None = None,
        level: Level = Level.DEFAULT,
        **expectations: Any,
    ) -> Subject:
        """The prefix as it is now, seen from a machine of its platform, with these expectations."""
        subject = Subject(
            Environment(self.path, subdir=subdir),
            level=level,
            host=subdir,
            user=User(environ=environ or {}, home=home or self.path, cwd=self.path / "work"),
        )
        if expectations:
            subject.expectations = Expectations(**expectations)
        return subject

    def case(self, check: str, about: str = "", *, subject: Subject | None = None, **facts: Any) -> Case:
        step = Step(check=check, subject=about, how="done", facts=facts, seconds=1.0)
        return Case(step=step, whole=subject or self.subject())

    def findings(self, check: str, **options: Any) -> list[Finding]:
        """What one check that only reads says about the prefix as it is now."""
        chosen = [one for one in catalogue() if one.id == check]
        return list(observed(self.subject(**options), checks=chosen, needs=frozenset((Needs.FILES,))))
