"""pixi's manifests, on their own and within pyproject.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.importing.drafts import read, recipe_of

if TYPE_CHECKING:
    from pathlib import Path

_PIXI = """\
[workspace]
name = "arm"
channels = ["conda-forge", { channel = "bioconda", priority = 1 }]
platforms = [
  "linux-64",
  "win-64",
  { name = "gpu", platform = "linux-64", cuda = "12" },
  { platform = "osx-arm64", macos = "14" },
]

[tasks]
train = "python train.py"

[dependencies]
python = ">=3.11,<3.13"
numpy = { version = ">=1.26", channel = "conda-forge" }
own = { path = "." }

[pypi-dependencies]
keras = { version = ">=3.5", extras = ["x"] }
exact = "1.0"
repo = { git = "https://host.example/x" }

[target.osx-arm64.dependencies]
libblas = { version = "*", build = "*accelerate" }

[target.gpu.dependencies]
ninja = "*"

[target.win-64.dependencies]
wincertstore = "*"

[feature.test.dependencies]
pytest = "8.*"
python = "3.12.*"

[environments]
test = { features = ["test"], no-default-feature = true }
all = ["test", "docs"]

[environments.spot.dependencies]
ruff = "*"
"""


@pytest.mark.parametrize("inside", [False, True])
def test_pixi(tmp_path: Path, inside: bool) -> None:
    text = _PIXI
    if inside:
        text = text.replace("\n[", "\n[tool.pixi.").replace("[workspace]", "[tool.pixi.workspace]", 1)
    draft = read(tmp_path, "pyproject.toml" if inside else "pixi.toml", text)
    recipe = recipe_of(draft, tmp_path)
    assert draft.name == "arm"
    assert (recipe["platforms"], recipe["macos"]) == (["osx-arm64", "linux-64"], "14.0")
    assert recipe["channels"] == ["conda-forge", "bioconda"]
    assert recipe["python"] == ">=3.11,<3.13"
    assert recipe["dependencies"] == [
        "numpy >=1.26",
        {"conda": "libblas * *accelerate", "platforms": ["osx-arm64"]},
        {"conda": "ninja", "platforms": ["linux-64"]},
    ]
    assert recipe["pypi"] == ["keras[x]>=3.5", "exact==1.0"]
    assert recipe["groups"] == {"test": {"dependencies": ["pytest 8.*"]}, "spot": {"dependencies": ["ruff"]}}
    told = {one.place.rpartition(":")[2]: f"{one.what}: {one.reason}" for one in draft.left}
    for line, reason in {
        "4": "manylinux",
        "11": "runs no tasks",
        "16": "searches its channels in order",
        "17": "is built from its path",
        "22": "comes from a git",
        "31": "does not build for",
        "35": "one Python",
        "38": "over the main packages",
        "39": "a recipe is one environment",
    }.items():
        assert reason in told[line], line


def test_pixi_over_several_lines_as_toml_1_1_has_it(tmp_path: Path) -> None:
    text = '[dependencies]\nnumpy = {\n  version = ">=1.26",\n}\n[workspace]\nplatforms = ["linux-64"]\n'
    assert [one.text for one in read(tmp_path, "pixi.toml", text).asked] == ["numpy >=1.26"]
