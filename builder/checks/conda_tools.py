"""The user's own conda, asked what it takes to be installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from builder.checks.check import Check, Needs
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.subject import Subject

_CONDA_SECONDS: Final = 60


def _conda(subject: Subject) -> Iterator[Finding]:
    """`conda list` beside conda-meta; nothing where the environment is no conda one or there is no conda to ask."""
    environ = subject.environ
    path = environ.get("PATH")
    tool = next((found for name in ("conda", "mamba", "micromamba") if (found := shutil.which(name, path=path))), None)
    if tool is None or not subject.environment.is_conda:
        return
    try:
        answer = subprocess.run(
            [tool, "list", "--prefix", str(subject.environment.path), "--json"],
            capture_output=True,
            text=True,
            timeout=_CONDA_SECONDS,
            env=dict(environ),
            check=False,
        )
        listed = {
            (entry["name"], entry["version"]) for entry in json.loads(answer.stdout) if entry.get("channel") != "pypi"
        }
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError, AttributeError) as error:
        yield Finding(
            check="process.conda",
            status=Status.SKIP,
            title="Could not query conda",
            evidence=(f"{tool} list: {error}",),
        )
        return
    recorded = {(record.name, record.version) for record in subject.environment.conda_records}
    if listed == recorded:
        yield Finding(
            check="process.conda", status=Status.PASS, title="Your conda lists the packages that are installed"
        )
        return
    yield Finding(
        check="process.conda",
        status=Status.WARN,
        title="Your conda does not list the packages that are installed",
        evidence=(
            *(f"only in conda-meta: {name} {version}" for name, version in sorted(recorded - listed)),
            *(f"only in `conda list`: {name} {version}" for name, version in sorted(listed - recorded)),
        ),
        remedy=Remedy(f"Update that conda ({tool}); damaged records are named by pkg.integrity."),
    )


CONDA_LISTS: Final = Check(
    id="process.conda",
    area="process",
    needs=Needs.MACHINE,
    level=Level.FULL,
    catches="A conda, mamba or micromamba of yours that lists other packages than the environment has.",
    otherwise="`conda install` that repairs what is sound, or breaks what it does not see.",
    run=_conda,
)
