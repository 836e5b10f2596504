"""Summaries of real wheels: the same from the archive and from where it was installed, and the same verdict.

The pairs are those whose symbols dyld was publicly reported to miss, and healthy ones beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from builder.binaries.dyld import Linker
from builder.binaries.summary import summarize
from builder.binaries.summary_linking import Layout
from builder.binaries.summary_sources import source_of
from builder.binaries.summary_store import SummaryStore
from builder.binaries.symbols import Binder
from builder.checks.survey import Survey
from builder.environment.contents import wheel_contents
from builder.environment.environment import Environment
from builder.platforms import Subdir
from tests.integration.wheels import unpacked

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.summary import PackageSummary

pytestmark = pytest.mark.network

HOSTS = {"tensorflow-plugins": "tensorflow"}


def downloaded(folder: Path, *specs: str, python: str = "3.11") -> list[Path]:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    command += [f"--python-version={python}"]
    command += [f"--platform=macosx_{version}_0_arm64" for version in (14, 13, 12, 11)]
    subprocess.run([*command, *specs], check=True, env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return sorted(folder.glob("*.whl"))


def missing(packages: list[PackageSummary]) -> set[tuple[str, bytes]]:
    """(file, symbol) of all that dyld would not find, by the summaries alone."""
    layout = Layout(packages, python="3.11", arch="arm64", plugin_hosts=HOSTS)
    linker = Linker(layout.inventory, layout.owners, main=layout.main)
    processes = [linker.process(binary) for binary in layout.inventory.binaries if binary.serves]
    failures = Binder(layout.inventory, layout.owners, linker).check(processes)
    return {(item.image.rel.rpartition("site-packages/")[2], item.symbol) for _, items in failures for item in items}


@pytest.mark.parametrize(
    "specs",
    [
        ("numpy==2.1.3", "scipy==1.14.1", "h5py==3.12.1", "ruff==0.9.1"),
        ("mlx==0.26.5", "mlx-metal==0.29.3"),
        pytest.param(("tensorflow==2.18.1", "tensorflow-metal==1.1.0"), marks=pytest.mark.heavy),
        pytest.param(("tensorflow==2.18.1", "tensorflow-metal==1.2.0"), marks=pytest.mark.heavy),
        pytest.param(("torch==2.5.1", "torchvision==0.21.0"), marks=pytest.mark.heavy),
    ],
    ids=lambda specs: " ".join(specs),
)
def test_archives_and_what_they_become(tmp_path: Path, specs: tuple[str, ...]) -> None:
    archives = downloaded(tmp_path / "archives", *specs)
    store = SummaryStore(tmp_path / "store")
    from_archives = [store.summary(f"{number:064x}", source_of(path)) for number, path in enumerate(archives)]
    environment = Environment(unpacked(tmp_path / "tree", *specs), subdir=Subdir.OSX_ARM64)
    installed = [summarize(wheel_contents(environment, dist)) for dist in environment.distributions]
    # Of what two wheels bring, the later one's is installed: their notes of contents differ there.
    shared = Counter(path for summary in from_archives for path in summary.paths)
    compared = [
        {
            found.identity.name: found
            if all(shared[path] == 1 for path in found.paths)
            else replace(found, digests=b"")
            for found in side
        }
        for side in (from_archives, installed)
    ]
    assert compared[0] == compared[1]
    kept = [store.get(f"{number:064x}") for number in range(len(archives))]
    assert kept == from_archives
    survey = Survey(environment)
    on_disk = {(item.image.rel, item.symbol) for _, items in survey.missing_symbols for item in items}
    assert missing([summary for summary in kept if summary is not None]) == on_disk
