"""Adding a framework is one file, one probe and facts: here one from outside, planned, rendered, run and judged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from builder.compat.load import load_facts
from builder.errors import UsageError
from builder.finding import Status
from builder.frameworks import registry
from builder.plan.make import make_plans, parity_names
from builder.platforms import Subdir
from builder.probes import harness
from builder.probes.level import Level
from builder.probes.schedule import Request, tasks
from builder.render.environment import render
from tests.unit.checks.support import Tree
from tests.unit.plan.support import recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = """
from pathlib import Path

from builder.frameworks.judging import standard_claims
from builder.frameworks.model import Framework, Probe

FRAMEWORK = Framework(
    name="toy", title="Toy", aliases=("toylib",), modules=("toy",), imports=("toy",), main="toy", conda="toy",
    conda_build="cpu_*", distributions=("toy",), partners=("toy-data",), parity=("toy",),
    probes=(Probe(script="toy_ops", module="toy", doing="Toy: training", folder=Path(__file__).parent),),
    claims=standard_claims(title="Toy", module="toy"),
    facts=Path(__file__).parent / "facts",
)
"""

PROBE = """
def main(probe, arguments):
    with probe.step("import.alone", "toy"):
        pass
    with probe.step("toy.devices") as facts:
        facts["devices"] = ["cpu:0"]
    with probe.step("toy.fit", "cpu") as facts:
        facts["losses"] = [1.0, 0.9]
"""

FACTS = """
packages:
  - {package: toy, title: Toy, needs_proof: [toy-data]}
releases:
  - id: toy-1.4
    package: toy
    version: "1.4.0"
    origin: conda-forge
    builds:
      osx-arm64: {pythons: ["3.11", "3.12"]}
      linux-64: {pythons: ["3.11"]}
    source: toy's release notes
    established: published
    date: "2026-11-01"
  - id: toy-data-2
    package: toy-data
    version: "2.0.0"
    origin: pypi
    builds: {any: {requires_python: ">=3.9"}}
    source: metadata of toy-data 2.0.0 on PyPI
    established: metadata
    date: "2026-11-01"
relations:
  - id: toy-with-data
    left: {package: toy, versions: "1.4"}
    right: {package: toy-data, versions: "2.0"}
    verdict: works
    cause: Toy 1.4 was released with toy-data 2.0
    source: toy's release notes
    established: published
    date: "2026-11-01"
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package beside envbuild that brings the framework `toy`."""
    folder = tmp_path / "beside"
    info = folder / "envbuild_toy-1.0.dist-info"
    (folder / "facts").mkdir(parents=True)
    info.mkdir()
    (folder / "envbuild_toy.py").write_text(MODULE)
    (folder / "toy_ops.py").write_text(PROBE)
    (folder / "facts" / "toy.yaml").write_text(FACTS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: envbuild-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\ntoy = envbuild_toy:FRAMEWORK\n")
    monkeypatch.syspath_prepend(str(folder))
    registry.clear()
    yield folder
    registry.clear()
    sys.modules.pop("envbuild_toy", None)


@pytest.mark.usefixtures("toy")
def test_it_is_planned_by_its_own_facts_and_rendered() -> None:
    asked = recipe(framework={"name": "toylib", "provider": "conda-forge"})
    plans = make_plans(asked)
    assert {spec.name: spec.spec for spec in plans[Subdir.LINUX_64].specs[:4]} == {
        "python": "3.11.*",  # the newest that its builds for both platforms have
        "toy": "1.4.* cpu_*",
        "toy-data": ">=2.0,<2.1",
        "numpy": plans[Subdir.LINUX_64].specs[3].spec,
    }
    assert "toy" in parity_names(plans[Subdir.LINUX_64])
    text = render(plans).files["environment.yml"]
    assert "- toy 1.4.* cpu_*" in text
    assert "- toy-data >=2.0,<2.1" in text


def test_its_probe_is_run_and_judged(toy: Path, tmp_path: Path) -> None:
    tree = Tree(tmp_path / "prefix")
    tree.dist("toy", "1.4.0", "toy/__init__.py")
    subject = tree.subject(framework="toy")
    assert "toy" in subject.modules
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    asked = Request(level=Level.DEFAULT, modules=subject.modules, snippets=(), has=subject.has)
    task = next(task for task in tasks(asked) if task.probe == "toy_ops")
    assert task.folder == toy
    outcome = harness.run(
        sys.executable,  # type: ignore[arg-type]
        task.probe,
        environ={},
        cwd=scratch,
        limit=60,
        arguments=task.arguments | {"scratch": str(scratch)},
        folder=task.folder,
    )
    assert outcome.finished
    judges = {claim.id: claim.judge for claim in registry.claims()}
    found = {}
    for step in outcome.steps:
        judge = judges.get(step.check)
        if judge is not None:
            found[step.check] = judge(tree.case(step.check, step.subject, subject=subject, **step.facts))
    devices, fit = found["toy.devices"], found["toy.fit"]
    assert devices is not None
    assert devices.status is Status.PASS
    assert fit is not None
    assert fit.status is Status.FAIL
    assert "Toy does not learn on cpu" in fit.title


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("envbuild_toy:NOTHING", "cannot be loaded"),
        ("envbuild_toy:Path", "is not a Framework"),
        ("builder.frameworks.mlx:FRAMEWORK", "which exists"),
    ],
)
def test_an_entry_point_that_brings_none_is_named(toy: Path, value: str, says: str) -> None:
    (toy / "envbuild_toy-1.0.dist-info" / "entry_points.txt").write_text(f"[{registry.GROUP}]\ntoy = {value}\n")
    registry.clear()
    with pytest.raises(UsageError, match=says) as caught:
        registry.all_frameworks()
    assert caught.value.hint


def test_without_the_package_nothing_of_it_is_left() -> None:
    assert all(entry.name != "toy" for entry in registry.all_frameworks())
    assert "toy" not in load_facts().packages
