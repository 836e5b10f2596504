"""Made-up projects for the benchmarks: environments with the lock of ml-m1, filled up to so many packages."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

from builder.lock.read import read_lock
from builder.operations.preparing import PackageOptions, prepare
from builder.workspace import Workspace

ROOT = Path(__file__).parent.parent
MODEL = "ml-m1"
#: A package that the model's recipe asks for.
ASKED = "ipykernel"

FILLER = """\
- name: filler-{number}
  version: 1.2.{number}
  manager: conda
  platform: {platform}
  dependencies:
{following}    numpy: '>=1.22,<3'
    packaging: ''
    python: '>=3.9'
  url: https://conda.anaconda.org/conda-forge/noarch/filler-{number}-1.2.{number}-pyhd8ed1ab_0.conda
  hash:
    md5: {md5}
    sha256: {sha256}
  category: main
  optional: false
"""


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
        more = packages - text.count(f"\n  platform: {platform}\n")
        # Each leads to the next, and the recipe to the first: a package that nothing leads to would be a finding.
        asked = re.compile(
            rf"(- name: {ASKED}\n  version: \S+\n  manager: conda\n  platform: {platform}\n  dependencies:\n)"
        )
        text = asked.sub(r"\1    filler-0: ''\n", text)
        for number in range(more):
            digest = chance.randbytes(32).hex()
            following = f"    filler-{number + 1}: ''\n" if number + 1 < more else ""
            text += FILLER.format(number=number, following=following, platform=platform, md5=digest[:32], sha256=digest)
    (folder / "conda-lock.yml").write_text(text)
