"""The jobs of a continuous integration, as GitHub Actions, GitLab and Buildkite take them."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from builder.operations.repository_files import GITHUB_RUNNERS
from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.operations.ci_matrix import Job

#: Machines that GitLab offers itself (its documentation of hosted runners). Of Buildkite, queues are one's own.
_GITLAB: Final = {
    Subdir.OSX_ARM64: "saas-macos-medium-m1",
    Subdir.OSX_64: "saas-macos-medium-m1",
    Subdir.LINUX_64: "saas-linux-medium-amd64",
    Subdir.LINUX_AARCH64: "saas-linux-medium-arm64",
}
#: GitHub takes no more jobs from one matrix (its documentation of usage limits).
GITHUB_MOST: Final = 256
_CACHE: Final = ".envbuild-cache"
_REPORT: Final = "report.xml"


def _placed(jobs: tuple[Job, ...], usual: dict[Subdir, str]) -> Iterator[tuple[Job, tuple[str, ...]]]:
    """Each job with the labels of each of its runners."""
    for job in jobs:
        for labels in job.runners or ((usual[job.platform],),):
            yield job, labels


def github(jobs: tuple[Job, ...]) -> str:
    """One line for `$GITHUB_OUTPUT`, to be used as `matrix: ${{ fromJSON(…) }}`. GitHub runs no empty matrix."""
    include = [
        {
            "environment": job.environment,
            "platform": job.platform.value,
            "runner": labels[0] if len(labels) == 1 else list(labels),
            "cache": job.cache,
        }
        for job, labels in _placed(jobs, GITHUB_RUNNERS)
    ]
    return json.dumps({"include": include})


def gitlab(jobs: tuple[Job, ...], *, setup: str | None) -> str:
    """A child pipeline, for `trigger: include: artifact`; a job for each environment, platform and runner."""
    pipeline: dict[str, Any] = {}
    for job, labels in _placed(jobs, _GITLAB):
        name = f"{job.environment} {job.platform}" + (f" ({' '.join(labels)})" if len(job.runners) > 1 else "")
        pipeline[name] = {
            "tags": list(labels),
            "variables": _variables("$CI_PROJECT_DIR"),
            "cache": {"key": job.cache, "paths": [f"{_CACHE}/"]},
            "script": _script(job, setup),
            "artifacts": {"when": "always", "reports": {"junit": _REPORT}},
        }
    # GitLab takes no pipeline without jobs.
    return _yaml(pipeline or {"nothing has changed": {"script": ["true"]}})


def buildkite(jobs: tuple[Job, ...], *, setup: str | None) -> str:
    """Steps for `buildkite-agent pipeline upload`; a label `KEY=VALUE` is an agent's tag, any other a queue."""
    steps: list[dict[str, Any]] = []
    for job, labels in _placed(jobs, {subdir: subdir.value for subdir in TARGETS}):
        steps.append(
            {
                "label": f"{job.environment} {job.platform}",
                "agents": dict(_tag(label) for label in labels),
                "env": _variables("."),
                "command": "\n".join(_script(job, setup)),
                "artifact_paths": _REPORT,
            }
        )
    return _yaml({"steps": steps or [{"label": "nothing has changed", "command": "true"}]})


def _tag(label: str) -> tuple[str, str]:
    """An agent's tag, of Buildkite."""
    key, equals, value = label.partition("=")
    return (key, value) if equals else ("queue", label)


def plain(jobs: tuple[Job, ...]) -> list[dict[str, Any]]:
    """Everything that is known of each job."""
    return [
        {
            "environment": job.environment,
            "platform": job.platform.value,
            "runners": [list(labels) for labels in job.runners],
            "digest": job.digest,
            "cache": job.cache,
            "why": job.why,
        }
        for job in jobs
    ]


def _variables(folder: str) -> dict[str, str]:
    return {"RATTLER_CACHE_DIR": f"{folder}/{_CACHE}/rattler", "UV_CACHE_DIR": f"{folder}/{_CACHE}/uv"}


def _script(job: Job, setup: str | None) -> list[str]:
    name = shlex.quote(job.environment)
    return [
        *([setup] if setup else []),
        f"envbuild create {name} --locked --no-verify",
        f"envbuild verify {name} --junit {_REPORT}",
    ]


def _yaml(data: dict[str, Any]) -> str:
    import yaml

    text: str = yaml.safe_dump(data, sort_keys=False, width=120)
    return text.rstrip()
