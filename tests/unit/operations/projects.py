"""Projects for tests of operations: with a lock that is up to date, without solving."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from builder.lock.freshness import input_hashes
from builder.lock.read import read_lock
from builder.operations.preparing import PackageOptions, prepare
from builder.resources import shipped
from tests.workspaces import workspace

if TYPE_CHECKING:
    from pathlib import Path


def with_lock(home: Path, root: Path, name: str = "mine", *, extends: bool = False) -> Path:
    """A project whose recipe `name` is ml-m1 by another name, or extends one that is, with its lock."""
    (root / "recipes").mkdir(parents=True, exist_ok=True)
    text = (shipped("recipes") / "ml-m1.yaml").read_text()
    written = f"base-of-{name}" if extends else name
    (root / "recipes" / f"{written}.yaml").write_text(text.replace("name: ml-m1", f"name: {written}"))
    if extends:
        (root / "recipes" / f"{name}.yaml").write_text(f"name: {name}\nextends: {written}\n")
    folder = root / "environments" / name
    shutil.copytree(shipped("environments") / "ml-m1", folder)
    here = workspace(home, root=root)
    rendered = prepare(here, here.project.recipe(name), PackageOptions()).rendered
    lock = (folder / "conda-lock.yml").read_text()
    before = read_lock(folder / "conda-lock.yml").inputs
    for file, digest in input_hashes(rendered.files).items():
        lock = lock.replace(before[file].sha256, digest.sha256).replace(before[file].md5, digest.md5)
        (folder / file).write_text(rendered.files[file])
    (folder / "conda-lock.yml").write_text(lock)
    return root
