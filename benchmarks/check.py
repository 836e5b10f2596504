"""`envbuild check` of many environments beside bare reads of their locks, in one run. Prints medians and ratios.

    python benchmarks/check.py [--environments COUNT] [--packages COUNT] [--runs N]

The project is made up: each environment has the lock of ml-m1, filled up to so many packages on each of its two
platforms. The yardstick is a process that reads those locks by PyYAML's C loader, and no more; `sha256` hashes them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import sys
import tempfile
from pathlib import Path

from measured import Command, compare

from builder.lock.read import read_lock
from builder.operations.preparing import PackageOptions, prepare
from builder.workspace import Workspace

ROOT = Path(__file__).parent.parent
MODEL = "ml-m1"

BARE = """
import glob, yaml
for file in glob.glob("environments/*/conda-lock.yml"):
    with open(file, encoding="utf-8") as stream:
        yaml.load(stream.read(), Loader=yaml.CSafeLoader)
"""
HASHED = """
import glob, hashlib
for file in glob.glob("environments/*/conda-lock.yml"):
    with open(file, "rb") as stream:
        hashlib.sha256(stream.read()).hexdigest()
"""
FILLER = """\
- name: filler-{number}
  version: 1.2.{number}
  manager: conda
  platform: {platform}
  dependencies:
    numpy: '>=1.22,<3'
    packaging: ''
    python: '>=3.9'
  url: https://conda.anaconda.org/conda-forge/noarch/filler-{number}-1.2.{number}-pyhd8ed1ab_0.conda
  hash:
    md5: {md5}
    sha256: {sha256}
  category: main
  optional: false
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=10)
    parser.add_argument("--packages", type=int, default=500, help="on each platform")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        for number in range(arguments.environments):
            make(folder, f"env-{number:03}", arguments.packages)
        environ = os.environ | {"XDG_DATA_HOME": f"{scratch}/data", "HOME": f"{scratch}/home"}
        answers = Path(scratch) / "data" / "envbuild" / "answers"
        check = [sys.executable, "-P", "-m", "builder", "check", "--quiet"]
        here = {"cwd": folder, "environ": environ | {"PYTHONPATH": str(ROOT)}}
        compare(
            {
                "PyYAML reads the locks": Command(arguments=[sys.executable, "-c", BARE], cwd=folder),
                "hashlib hashes the locks": Command(arguments=[sys.executable, "-c", HASHED], cwd=folder),
                "check, for the first time": Command(
                    arguments=check, before=lambda: shutil.rmtree(answers, ignore_errors=True), **here
                ),
                "check, with nothing changed": Command(arguments=check, **here),
            },
            runs=arguments.runs,
        )


def make(project: Path, name: str, packages: int) -> None:
    """An environment of `project` whose lock is up to date."""
    (project / "recipes").mkdir(parents=True, exist_ok=True)
    recipe = (ROOT / "recipes" / f"{MODEL}.yaml").read_text()
    (project / "recipes" / f"{name}.yaml").write_text(recipe.replace(f"name: {MODEL}", f"name: {name}"))
    folder = project / "environments" / name
    folder.mkdir(parents=True)
    workspace = Workspace.here(project=project)
    rendered = prepare(workspace, workspace.project.recipe(name), PackageOptions()).rendered.files
    model = ROOT / "environments" / MODEL / "conda-lock.yml"
    lock, text = read_lock(model), model.read_text()
    for file, content in rendered.items():
        (folder / file).write_text(content)
        text = text.replace(lock.inputs[file].sha256, hashlib.sha256(content.encode()).hexdigest())
        text = text.replace(lock.inputs[file].md5, hashlib.md5(content.encode(), usedforsecurity=False).hexdigest())
    chance = random.Random(name)  # noqa: S311 - hashes of packages that are nowhere
    for platform in re.findall(r"^  - (\S+-\S+)$", text.partition("\npackage:")[0], re.MULTILINE):
        for number in range(packages - text.count(f"\n  platform: {platform}\n")):
            digest = chance.randbytes(32).hex()
            text += FILLER.format(number=number, platform=platform, md5=digest[:32], sha256=digest)
    (folder / "conda-lock.yml").write_text(text)


if __name__ == "__main__":
    main()
