"""Python's own files: requirements, pyproject.toml with Poetry's tables, and pylock.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.importing.poetry import pep440
from tests.unit.importing.drafts import SECRET, left_of, read, recipe_of

if TYPE_CHECKING:
    from pathlib import Path


def test_requirements(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "dev.txt").write_text("pytest\n-r ../requirements.txt\n")
    draft = read(
        tmp_path,
        "requirements.txt",
        f"""\
# what we need
numpy>=1.26,<3 ; sys_platform != "win32"
Keras[extra]==3.5.0 \\
    --hash=sha256:{"0" * 64} \\
    --hash=sha256:{"1" * 64}
-r more/dev.txt
-r gone.txt
-c constraints.txt
--index-url https://me:{SECRET}@host.example/simple
--pre
./wheels/own-1.0.whl
own==${{VERSION}}
https://host.example/other-1.0.whl
black --config-settings x=y
not a requirement
""",
    )
    assert [one.text for one in draft.asked] == [
        'numpy>=1.26,<3 ; sys_platform != "win32"',
        "Keras[extra]==3.5.0",
        "pytest",
        "black",
    ]
    left = left_of(draft)
    for place, told in {
        "more/dev.txt:2": "in a circle",
        "requirements.txt:7": "No such file",
        "requirements.txt:8": "constrains",
        "requirements.txt:9": "indexes are named to uv",
        "requirements.txt:10": "option of pip",
        "requirements.txt:11": "is a path",
        "requirements.txt:12": "variable",
        "requirements.txt:13": "is a URL",
        "requirements.txt:14": "--config-settings",
        "requirements.txt:15": "is not a requirement",
    }.items():
        assert told in left[place], place
    assert SECRET not in str(draft)
    assert draft.name == tmp_path.name, "a generic name says nothing"


_PYPROJECT = """\
[build-system]
requires = ["hatchling"]

[project]
name = "our.models"
requires-python = ">= 3.11, < 3.14"
dependencies = [
  "numpy>=1.26",
  "own @ git+https://host.example/own.git",
]
dynamic = ["optional-dependencies"]

[project.optional-dependencies]
Plots = ["matplotlib"]
all = ["our.models[Plots]", "seaborn"]

[dependency-groups]
test = ["pytest", {include-group = "lint"}]
lint = ["ruff"]

[tool.uv]
dev-dependencies = ["ipython"]
constraint-dependencies = ["six<2"]

[tool.uv.sources]
numpy = { git = "https://host.example/numpy" }

[tool.hatch.envs.docs]
dependencies = ["mkdocs"]

[tool.pdm.dev-dependencies]
doc = ["sphinx"]
"""


def test_pyproject(tmp_path: Path) -> None:
    draft = read(tmp_path, "pyproject.toml", _PYPROJECT)
    recipe = recipe_of(draft, tmp_path)
    assert draft.name == "our.models"
    assert recipe["python"] == ">=3.11,<3.14"
    assert recipe["pypi"] == ["numpy>=1.26"]
    assert recipe["groups"] == {
        "plots": {"pypi": ["matplotlib"]},
        "all": {"pypi": ["seaborn"]},
        "test": {"pypi": ["pytest", "ruff"]},
        "lint": {"pypi": ["ruff"]},
        "dev": {"pypi": ["ipython"]},
        "doc": {"pypi": ["sphinx"]},
    }
    left = left_of(draft)
    for line, told in {
        2: "builds the project itself",
        9: "version control",
        11: "computed when the project is built",
        15: "names other groups",
        23: "constrains",
        26: "names another source (git)",
        28: "does not read",
    }.items():
        assert told in left[f"pyproject.toml:{line}"], line


_POETRY = """\
[tool.poetry]
name = "models"

[tool.poetry.dependencies]
python = "^3.11"
numpy = "^1.26.4"
pandas = {version = "~2.2", extras = ["parquet"], markers = "sys_platform == 'darwin'"}
seaborn = {version = "*", optional = true}
scipy = [{version = ">=1.11 <1.14", python = "<3.13"}, {version = "1.14.*", python = ">=3.13"}]
own = {path = "../own"}
six = "1.16 || 1.17"

[tool.poetry.extras]
plots = ["seaborn"]

[tool.poetry.group.dev.dependencies]
pytest = "8.0"
"""


def test_poetry(tmp_path: Path) -> None:
    draft = read(tmp_path, "pyproject.toml", _POETRY)
    recipe = recipe_of(draft, tmp_path)
    assert recipe["python"] == ">=3.11,<4"
    assert recipe["pypi"] == [
        "numpy>=1.26.4,<2",
        "pandas[parquet]>=2.2,<2.3 ; (sys_platform == 'darwin')",
        "scipy>=1.11,<1.14 ; (python_full_version < '3.13')",
        "scipy==1.14.* ; (python_full_version >= '3.13')",
    ]
    assert recipe["groups"] == {"plots": {"pypi": ["seaborn"]}, "dev": {"pypi": ["pytest==8.0"]}}
    left = left_of(draft)
    assert "comes from a path" in left["pyproject.toml:10"]
    assert "alternatives" in left["pyproject.toml:11"]


@pytest.mark.parametrize(
    ("poetry", "range_"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("^1", ">=1,<2"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("*", ""),
        ("1.2.3", "==1.2.3"),
        (">=1.2, <1.5", ">=1.2,<1.5"),
        (">= 1.2 < 1.5", ">=1.2,<1.5"),
        ("~=1.4", "~=1.4"),
    ],
)
def test_poetrys_ranges(poetry: str, range_: str) -> None:
    """The tables of Poetry's own documentation."""
    assert pep440(poetry) == range_


def test_pylock(tmp_path: Path) -> None:
    draft = read(
        tmp_path,
        "pylock.toml",
        """\
lock-version = "1.0"
requires-python = ">=3.11"
[[packages]]
name = "keras"
version = "3.6.0"
dependencies = [{name = "ml-dtypes"}]
wheels = [{name = "k.whl", url = "https://host.example/k.whl", hashes = {sha256 = "00"}}]
[[packages]]
name = "ml-dtypes"
version = "0.4.1"
wheels = [{name = "m.whl", url = "https://host.example/m.whl", hashes = {sha256 = "00"}}]
[[packages]]
name = "own"
[packages.vcs]
type = "git"
""",
    )
    assert [one.text for one in draft.asked] == ["keras==3.6.0"]
    assert "does not come from an index" in left_of(draft)["pylock.toml:13"]
