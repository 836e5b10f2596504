"""Each kind of file: what is carried over, and that everything else is named with its line and a reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from builder.errors import UsageError
from builder.importing.compose import compose
from builder.importing.elsewhere import only_on
from builder.importing.poetry import pep440
from builder.importing.read import read_file
from builder.platforms import Subdir
from builder.recipe.load import load_recipe

if TYPE_CHECKING:
    from builder.importing.model import Draft

SECRET = "pl4nted-T0K3N"


def _read(folder: Path, name: str, text: str) -> Draft:
    (folder / name).write_text(text)
    return read_file(folder / name)


def _recipe(draft: Draft, folder: Path) -> dict[str, Any]:
    """The recipe as data, after envbuild has read it."""
    text = compose(draft, name="made", source="test", platforms=()).text
    (folder / "made.yaml").write_text(text)
    load_recipe(folder / "made.yaml")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def _left(draft: Draft) -> dict[str, str]:
    """Place → what was left there; of several the first."""
    found: dict[str, str] = {}
    for one in draft.left:
        found.setdefault(one.place, f"{one.what}: {one.reason}")
    return found


def test_environment_yml(tmp_path: Path) -> None:
    draft = _read(
        tmp_path,
        "environment.yml",
        f"""\
name: Vision
channels: [defaults, bioconda, nodefaults, "https://me:{SECRET}@host.example/c"]
dependencies:
  - python=3.11
  - numpy=1.26  # a comment
  - pandas[version='>=2,<3',build=*py311*]
  - bioconda::samtools >=1.19
  - libblas=*=*accelerate  # [osx]
  - scipy=1.11.3=py311h64a7726_1
  - cudatoolkit=11.8
  - pywin32
  - PyYAML
  - __glibc>=2.17
  - pip:
      - keras-tuner~=1.4
      - -e .
      - git+https://host.example/x.git
      - --extra-index-url https://me:{SECRET}@host.example/simple
      - torchmetrics @ file:///croot/torchmetrics
variables: {{A: b}}
prefix: /home/me/envs/vision
""",
    )
    assert _recipe(draft, tmp_path) == {
        "name": "made",
        "description": "Imported from test.",
        "platforms": ["osx-arm64", "linux-64"],
        "channels": ["conda-forge", "bioconda", "https://host.example/c"],
        "python": "3.11.*",
        "dependencies": [
            "numpy 1.26.*",
            "pandas >=2,<3 *py311*",
            "samtools >=1.19",
            {"conda": "libblas * *accelerate", "platforms": ["osx-arm64"]},
            "scipy ==1.11.3",
            {"conda": "cudatoolkit 11.8.*", "platforms": ["linux-64"]},
            "pyyaml",
        ],
        "pypi": ["keras-tuner~=1.4"],
    }
    left = _left(draft)
    for line, told in {
        2: "Anaconda's own",
        7: "ties no package to one",
        9: "a build is of one platform",
        11: "does not build for",
        13: "property of the machine",
        16: "in development",
        17: "version control",
        18: "indexes are named to uv",
        19: "is a file of the machine",
        20: "sets no environment variables",
        21: "chooses its own",
    }.items():
        assert told in left[f"environment.yml:{line}"], line
    assert SECRET not in str(draft)


def test_the_output_of_an_export_is_recognised(tmp_path: Path) -> None:
    lines = "".join(f"  - package{number}=1.{number}=h{number}bcdef0_0\n" for number in range(6))
    draft = _read(tmp_path, "environment.yml", f"name: x\ndependencies:\n{lines}")
    assert any("--from-history" in one.reason for one in draft.left)
    assert any(one.what == "the build of 6 packages" for one in draft.left)


def test_utf_16_as_powershell_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "environment.yml"
    file.write_bytes("name: x\r\ndependencies:\r\n  - numpy\r\n".encode("utf-16"))
    assert [one.text for one in read_file(file).asked] == ["numpy"]


def test_requirements(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "dev.txt").write_text("pytest\n-r ../requirements.txt\n")
    draft = _read(
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
    left = _left(draft)
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
    draft = _read(tmp_path, "pyproject.toml", _PYPROJECT)
    recipe = _recipe(draft, tmp_path)
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
    left = _left(draft)
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
    draft = _read(tmp_path, "pyproject.toml", _POETRY)
    recipe = _recipe(draft, tmp_path)
    assert recipe["python"] == ">=3.11,<4"
    assert recipe["pypi"] == [
        "numpy>=1.26.4,<2",
        "pandas[parquet]>=2.2,<2.3 ; (sys_platform == 'darwin')",
        "scipy>=1.11,<1.14 ; (python_full_version < '3.13')",
        "scipy==1.14.* ; (python_full_version >= '3.13')",
    ]
    assert recipe["groups"] == {"plots": {"pypi": ["seaborn"]}, "dev": {"pypi": ["pytest==8.0"]}}
    left = _left(draft)
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
    draft = _read(tmp_path, "pyproject.toml" if inside else "pixi.toml", text)
    recipe = _recipe(draft, tmp_path)
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
    assert [one.text for one in _read(tmp_path, "pixi.toml", text).asked] == ["numpy >=1.26"]


def test_conda_lock(tmp_path: Path) -> None:
    locks = Path(__file__).parents[2] / "data" / "locks"
    text = (locks / "good.yml").read_text().replace("url: conda-forge", f"url: https://host.example/t/{SECRET}/c")
    draft = _read(tmp_path, "conda-lock.yml", text)
    recipe = _recipe(draft, tmp_path)
    assert recipe["python"] == "==3.12.7"
    assert recipe["pypi"] == ["keras==3.6.0"]
    assert "dependencies" not in recipe, "openssl is Python's affair"
    assert any("packages that others need" in one.what for one in draft.left)
    assert SECRET not in str(draft)


def test_a_lock_whose_package_has_the_name_of_its_part(tmp_path: Path) -> None:
    """conda-forge's `tensorflow` needs `tensorflow-base`, and PyPI calls both `tensorflow`: it was asked for."""
    entries = "".join(
        f"- {{name: {name}, version: '2.19.0', manager: conda, platform: linux-64, dependencies: {{{needs}}}, "
        f"url: 'https://host.example/linux-64/{name}-2.19.0-0.conda', hash: {{sha256: {'0' * 64}}}}}\n"
        for name, needs in (("tensorflow", "tensorflow-base: ''"), ("tensorflow-base", "keras: ''"), ("keras", ""))
    )
    head = "version: 1\nmetadata: {content_hash: {}, channels: [conda-forge], platforms: [linux-64], sources: []}\n"
    draft = _read(tmp_path, "conda-lock.yml", f"{head}package:\n{entries}")
    assert [one.text for one in draft.asked] == ["tensorflow ==2.19.0"]


def test_explicit(tmp_path: Path) -> None:
    base = "https://conda.anaconda.org/conda-forge"
    draft = _read(
        tmp_path,
        "spec.txt",
        f"""\
# platform: osx-arm64
@EXPLICIT
{base}/osx-arm64/python-3.12.7-h739c21a_0_cpython.conda#{"a" * 32}
{base}/noarch/pip-24.2-pyh8b19718_1.conda
https://me:{SECRET}@host.example/t/{SECRET}/own/osx-arm64/libx-1.0-0.tar.bz2
not a url
""",
    )
    recipe = _recipe(draft, tmp_path)
    assert recipe["platforms"] == ["osx-arm64"]
    assert recipe["channels"] == ["conda-forge", "https://host.example/own"]
    assert (recipe["python"], recipe["dependencies"]) == ("==3.12.7", ["pip ==24.2", "libx ==1.0"])
    assert SECRET not in str(draft)
    assert "is not the URL" in _left(draft)["spec.txt:6"]


def test_pylock(tmp_path: Path) -> None:
    draft = _read(
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
    assert "does not come from an index" in _left(draft)["pylock.toml:13"]


def test_a_framework_becomes_the_recipes(tmp_path: Path) -> None:
    """By any of its names, with its plug-in; what is over it stays a dependency."""
    text = "python=3.11\n".join(["dependencies:\n  - ", "  - pip:\n      - tensorflow-macos==2.15.0\n"])
    draft = _read(tmp_path, "environment.yml", f"{text}      - tensorflow-metal==1.1.0\n      - keras==2.15.0\n")
    recipe = _recipe(draft, tmp_path)
    assert recipe["framework"] == {
        "name": "tensorflow",
        "provider": "metal",
        "gpu": True,
        "version": "==2.15.0",
        "plugin": "==1.1.0",
    }
    assert recipe["pypi"] == ["keras==2.15.0"]
    conda = _read(tmp_path, "environment.yml", "dependencies: [pytorch=2.4, torchvision]\n")
    assert _recipe(conda, tmp_path)["framework"] == {"name": "pytorch", "version": "==2.4.*"}


@pytest.mark.parametrize(
    "channel",
    [f"https://me:{SECRET}@host.example/c", "https://$ME:${PW}@host.example/c", "https://host.example/t/${TOKEN}/c"],
)
def test_a_channel_is_carried_over_without_its_credentials(tmp_path: Path, channel: str) -> None:
    draft = _read(tmp_path, "environment.yml", f"channels: ['{channel}']\ndependencies: [numpy]\n")
    assert draft.channels == ("https://host.example/c",)
    assert "credentials of channel https://host.example/c" in _left(draft)["environment.yml:1"]
    assert SECRET not in str(draft)


@pytest.mark.parametrize(
    ("name", "where"),
    [("numpy", None), ("ld_impl_linux-64", (Subdir.LINUX_64,)), ("vs2015_runtime", ()), ("appnope", "mac")],
)
def test_where_packages_exist(name: str, where: object) -> None:
    expected = (Subdir.OSX_ARM64, Subdir.OSX_64) if where == "mac" else where
    assert only_on(name) == expected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("environment.yml", b"dependencies: [a\n", "environment.yml:2: not valid YAML"),
        ("environment.yml", b"- a\n", "not an environment.yml"),
        ("environment.yml", b"name: x\n", "neither `dependencies` nor"),
        ("environment.yml", b"\xff\x00\x01", "not text"),
        ("environment.yml", b"a: &x [*x]\n", "anchors"),
        ("environment.yml", b"[" * 100_000, "nested"),
        ("environment.yml", b"", "the file is empty"),
        ("pyproject.toml", b"[project\n", "pyproject.toml:1: not valid TOML"),
        ("pyproject.toml", b"a = " + b"[" * 50_000, "not valid TOML"),
        ("pyproject.toml", b"[tool.black]\n", "has no [project]"),
        ("pixi.toml", b"[workspaces]\n", "describes no workspace"),
        ("pylock.toml", b"packages = 1\n", "not a pylock.toml"),
        ("conda-lock.yml", b"version: 2\nmetadata: {}\npackage: []\n", "not a conda-lock.yml of version 1"),
        ("conda-lock.yml", b"metadata: {}\npackage: " + b"[" * 50_000, "nested too deeply"),
        ("spec.txt", b"@EXPLICIT\n", "names no conda package"),
        ("requirements.txt", b"# nothing\n", "asks for nothing"),
        ("requirements.txt", b"\0\0", "NUL"),
        ("pixi.lock", b"version: 6\n", "says what was chosen"),
        ("Pipfile", b"[packages]\n", "is not read"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_file(file)
    assert reason in caught.value.message


def test_files_that_are_none(tmp_path: Path) -> None:
    """Neither waited for nor followed for ever."""
    os.mkfifo(tmp_path / "environment.yml")
    (tmp_path / "requirements.txt").symlink_to("requirements.txt")
    for name in ("environment.yml", "requirements.txt", "gone.yml"):
        with pytest.raises(UsageError):
            read_file(tmp_path / name)


def test_odd_types_are_left_out_and_told(tmp_path: Path) -> None:
    yaml_text = (
        "name: [x]\nchannels: {a: b}\nplatforms: 3\ndependencies: [1.5, {conda: [x]}, {pip: x}, [y], null, numpy]\n"
    )
    draft = _read(tmp_path, "environment.yml", yaml_text)
    assert [one.text for one in draft.asked] == ["numpy"]
    assert len(draft.left) >= 6
    toml = 'dependencies = 3\n[workspace]\nplatforms = [1]\n[pypi-dependencies]\na = 1\nb = [1]\nc = "*"\n'
    assert [one.text for one in _read(tmp_path, "pixi.toml", toml).asked] == ["c"]
    toml = '[project]\nname = 1\ndependencies = "numpy"\n[dependency-groups]\nx = 1\ny = ["six"]\n[tool]\npoetry = 1\n'
    assert [one.text for one in _read(tmp_path, "pyproject.toml", toml).asked] == ["six"]
