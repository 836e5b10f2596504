"""What a repository may have beside its recipes: a workflow and a pre-commit hook that run envbuild."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from builder.platforms import Subdir
from builder.published import published

if TYPE_CHECKING:
    from builder.published import Published
    from builder.recipe.model import Recipe

WORKFLOW_FILE: Final = ".github/workflows/envbuild.yml"
PRE_COMMIT_FILE: Final = ".pre-commit-config.yaml"
#: GitHub's runners by platform (their documentation of GitHub-hosted runners).
GITHUB_RUNNERS: Final = {
    Subdir.OSX_ARM64: "macos-14",
    Subdir.OSX_64: "macos-15-intel",
    Subdir.LINUX_64: "ubuntu-latest",
    Subdir.LINUX_AARCH64: "ubuntu-24.04-arm",
}
_WORKFLOW: Final = """\
# Written by `envbuild init`: the lock is checked, built and proven on the machines of the team.
name: envbuild

on:
  push:
    branches: [main]
  pull_request:
    paths: ["recipes/**", "environments/**", "@FILE@"]

permissions:
  contents: read

jobs:
  environment:
    strategy:
      fail-fast: false
      matrix:
        runner: [@RUNNERS@]
    runs-on: ${{ matrix.runner }}
    timeout-minutes: 60
    permissions:
      contents: read
      pull-requests: write # for the comment that says what changed in the lock
    steps:
      - uses: actions/checkout@v5
      # The one place that says which envbuild is used: a revision of its repository, which installs itself.
      - uses: @USES@
        with:
          environment: @NAME@
"""
_PRE_COMMIT: Final = """\
# Written by `envbuild init`. `pre-commit install` makes git run it before each commit.
repos:
"""
_HOOK: Final = """\
  - repo: @URL@
    rev: @REVISION@
    hooks:
      - id: envbuild-check
"""


def workflow(recipe: Recipe, source: Published | None = None) -> str:
    """A GitHub workflow that builds and verifies a recipe's environment on a runner of each of its platforms."""
    return _filled(
        _WORKFLOW,
        source or published(),
        FILE=WORKFLOW_FILE,
        RUNNERS=", ".join(GITHUB_RUNNERS[subdir] for subdir in recipe.subdirs),
        NAME=recipe.name,
    )


def pre_commit(source: Published | None = None) -> str:
    """A whole `.pre-commit-config.yaml`."""
    return _PRE_COMMIT + pre_commit_hook(source)


def pre_commit_hook(source: Published | None = None) -> str:
    """The entry under `repos:` of a `.pre-commit-config.yaml` that is there already."""
    return _filled(_HOOK, source or published())


def _filled(text: str, source: Published, **values: str) -> str:
    given = {"USES": f"{source.repository}@{source.revision}", "REVISION": source.revision, "URL": source.url, **values}
    for name, value in given.items():
        text = text.replace(f"@{name}@", value)
    return text
