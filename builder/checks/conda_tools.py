"""Whether the user's own conda sees the environment as its records have it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from builder.checks.registry import Check
from builder.finding import Finding, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.environment.environment import Environment

CHECKS: Final = (
    Check(
        id="process.conda",
        area="process",
        catches="A conda, mamba or micromamba of yours that lists other packages than the environment has.",
        otherwise="`conda install` that repairs what is sound, or breaks what it does not see.",
    ),
)
_SECONDS: Final = 60


def agreement(prefix: Environment, environ: Mapping[str, str]) -> Finding | None:
    """`conda list` beside conda-meta; None where the prefix is no conda one or there is no conda to ask."""
    path = environ.get("PATH")
    tool = next((found for name in ("conda", "mamba", "micromamba") if (found := shutil.which(name, path=path))), None)
    if tool is None or not prefix.is_conda:
        return None
    try:
        answer = subprocess.run(
            [tool, "list", "--prefix", str(prefix.path), "--json"],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=dict(environ),
            check=False,
        )
        listed = {
            (entry["name"], entry["version"]) for entry in json.loads(answer.stdout) if entry.get("channel") != "pypi"
        }
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError, AttributeError) as error:
        return Finding(
            check="process.conda",
            status=Status.SKIP,
            title="Your conda could not be asked what is in the environment.",
            evidence=(f"{tool} list: {error}",),
        )
    recorded = {(record.name, record.version) for record in prefix.conda_records}
    if listed == recorded:
        return Finding(check="process.conda", status=Status.PASS, title="Your conda lists what the environment has.")
    return Finding(
        check="process.conda",
        status=Status.WARN,
        title="Your conda lists other packages than the environment has.",
        evidence=(
            *(f"only in conda-meta: {name} {version}" for name, version in sorted(recorded - listed)),
            *(f"only in `conda list`: {name} {version}" for name, version in sorted(listed - recorded)),
        ),
        remedy=f"update that conda ({tool}); damaged records are named by pkg.integrity",
    )
