"""Every format, read back by what reads it: as many packages, with the same hashes, as the lock has."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from packaging.requirements import Requirement

from builder.errors import UsageError
from builder.exports.formats import FORMATS, export
from builder.exports.model import Export, Format
from builder.lock.digest import lock_digest
from builder.lock.model import LockedPackage
from builder.lock.read import read_lock
from builder.platforms import Subdir
from builder.render.read import read_rendered

if TYPE_CHECKING:
    from builder.lock.model import Lock

LOCK = Path(__file__).parents[2] / "data" / "locks" / "good.yml"
MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64
_ENVIRONMENT = """\
name: small
channels: [conda-forge, nodefaults]
platforms: [linux-64, osx-arm64]
dependencies:
  - python 3.12.*
  - libblas * *_newaccelerate  # [arm64]
  - tensorflow 2.19.* cpu_py312*
  - pip:
      - "keras>=3.5,<3.7"
      - "Uvicorn[standard]>=0.30"
      - "tensorflow-metal==1.2.0"  # [arm64]
      - "pyobjc; sys_platform == 'darwin'"
"""
_GROUP = "name: small\nchannels: [conda-forge]\nplatforms: [linux-64, osx-arm64]\ndependencies: [ruff]\n"
_VIRTUAL = """\
subdirs:
  osx-arm64: {packages: {__osx: "14.0", __unix: "0"}}
  linux-64: {packages: {__glibc: "2.28", __linux: "5.10", __unix: "0"}}
"""


def _wanted(form: Format, *, platforms: tuple[Subdir, ...] = (), lock: Lock | None = None) -> Export:
    lock = lock or read_lock(LOCK)
    default = (LINUX,) if FORMATS[form].one_platform else lock.platforms
    return Export(name="small", lock=lock, platforms=platforms or default, digest=lock_digest(LOCK))


def _export(form: Format, **more: Any) -> str:
    return export(_wanted(form, **more), form).text


def _of_python(python: LockedPackage, name: str) -> LockedPackage:
    """A conda package that needs Python, for the platform of `python`."""
    return replace(python, name=name, url=python.url.replace("python", name), dependencies={"python": ">=3.12"})


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.PIXI])
def test_the_same_lock_gives_the_same_bytes(form: Format) -> None:
    assert _export(form) == _export(form)


def test_explicit() -> None:
    told = export(_wanted(Format.EXPLICIT, platforms=(MAC,)), Format.EXPLICIT)
    lines = [line for line in told.text.splitlines() if not line.startswith("#")]
    locked = read_lock(LOCK).on(MAC, manager="conda")
    assert lines == ["@EXPLICIT", *(f"{package.url}#sha256:{package.sha256}" for package in locked)]
    assert "# platform: osx-arm64" in told.text
    assert "keras" in told.left_out[0], "that wheels are left out is said"


def test_environment() -> None:
    document = yaml.safe_load(_export(Format.ENVIRONMENT, platforms=(MAC,)))
    assert document["channels"] == ["conda-forge", "nodefaults"]
    assert document["dependencies"] == [
        "python=3.12.7=h739c21a_0_cpython",
        "openssl=3.3.2=h8359307_0",
        "pip",
        {"pip": ["keras==3.6.0", "ml-dtypes==0.4.1"]},
    ]


def test_requirements_are_hashed_and_marked() -> None:
    joined = _export(Format.REQUIREMENTS).replace("\\\n", " ")
    lines = [line.split() for line in joined.splitlines() if not line.startswith("#")]
    assert [line[0] for line in lines] == ["keras==3.6.0", "ml-dtypes==0.4.1"]
    assert len([part for part in lines[1] if part.startswith("--hash=sha256:")]) == 2, "a wheel for each platform"
    assert ";" not in joined.partition("ml-dtypes")[2], "what every platform has needs no marker"
    fewer = replace(read_lock(LOCK), packages=read_lock(LOCK).packages[:-2] + read_lock(LOCK).packages[-1:])
    text = _export(Format.REQUIREMENTS, lock=fewer).replace("\\\n", " ").splitlines()[-1]
    requirement = Requirement(text.partition("--hash")[0])
    assert requirement.marker is not None
    assert requirement.marker.evaluate({"sys_platform": "darwin", "platform_machine": "arm64"})
    assert not requirement.marker.evaluate({"sys_platform": "linux", "platform_machine": "x86_64"})


@pytest.mark.parametrize("form", [Format.REQUIREMENTS, Format.PYLOCK])
def test_an_empty_file_is_no_export(form: Format) -> None:
    lock = read_lock(LOCK)
    conda = replace(lock, packages=tuple(one for one in lock.packages if one.manager == "conda"))
    with pytest.raises(UsageError, match="nothing of small comes from PyPI"):
        _export(form, lock=conda)


def test_pylock_holds_every_wheel() -> None:
    text = _export(Format.PYLOCK)
    document = tomllib.loads(text)
    wheels = {wheel["url"]: wheel["hashes"]["sha256"] for entry in document["packages"] for wheel in entry["wheels"]}
    assert wheels == {one.url: one.sha256 for one in read_lock(LOCK).packages if one.manager == "pip"}
    assert document["requires-python"] == "==3.12.*"


def test_a_pylock_of_two_pythons_says_neither() -> None:
    lock = read_lock(LOCK)
    packages = tuple(
        replace(one, version="3.11.9") if (one.name, one.subdir) == ("python", MAC) else one for one in lock.packages
    )
    assert "requires-python" not in tomllib.loads(_export(Format.PYLOCK, lock=replace(lock, packages=packages)))


def test_pylock_for_packaging() -> None:
    pylock = pytest.importorskip("packaging.pylock", reason="packaging before 26 does not read pylock.toml")
    read = pylock.Pylock.from_dict(tomllib.loads(_export(Format.PYLOCK)))
    read.validate()
    assert [str(package.name) for package in read.packages] == ["keras", "ml-dtypes"]


def test_pixi_lock_for_rattler(tmp_path: Path) -> None:
    from rattler import LockFile

    lock = read_lock(LOCK)
    group = replace(
        lock.packages[2], name="extra", groups=("dev",), url=lock.packages[2].url.replace("openssl", "extra")
    )
    file = tmp_path / "pixi.lock"
    file.write_text(_export(Format.PIXI_LOCK, lock=replace(lock, packages=(*lock.packages, group))))
    read = LockFile.from_path(file)
    default = read.default_environment()
    assert default is not None
    assert sorted(name for name, _ in read.environments()) == ["default", "dev"]
    for subdir in (MAC, LINUX):
        platform = next(one for one in default.platforms() if one.name == subdir)
        conda = default.conda_repodata_records()[subdir.value]
        assert {(one.url, (one.sha256 or b"").hex()) for one in conda} == {
            (one.url, one.sha256) for one in lock.on(subdir, manager="conda")
        }
        assert len(default.packages(platform) or []) == len(lock.on(subdir))
    dev = read.environment("dev")
    assert dev is not None
    assert "extra" in {one.name.normalized for one in dev.conda_repodata_records()["linux-64"]}


def test_pixi_lock_writes_everything_out_and_names_what_conda_has_of_pypi() -> None:
    lock = read_lock(LOCK)
    ruff = replace(_of_python(lock.packages[0], "ruff"), groups=("dev",))
    text = _export(Format.PIXI_LOCK, lock=replace(lock, packages=(*lock.packages, ruff)))
    assert "&id" not in text, "no anchors"
    assert ["pkg:pypi/ruff"] in [entry.get("purls") for entry in yaml.safe_load(text)["packages"]]


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    (tmp_path / "environment.yml").write_text(_ENVIRONMENT)
    (tmp_path / "environment.dev.yml").write_text(_GROUP)
    (tmp_path / "virtual-packages.yml").write_text(_VIRTUAL)
    return tmp_path


def test_pixi_manifest(rendered: Path) -> None:
    wanted = replace(_wanted(Format.PIXI), rendered=read_rendered(rendered))
    document = tomllib.loads(export(wanted, Format.PIXI).text)
    assert document == {
        "workspace": {"name": "small", "channels": ["conda-forge"], "platforms": ["linux-64", "osx-arm64"]},
        "system-requirements": {"libc": {"family": "glibc", "version": "2.28"}, "linux": "5.10", "macos": "14.0"},
        "dependencies": {"python": "3.12.*", "tensorflow": {"version": "2.19.*", "build": "cpu_py312*"}},
        "pypi-dependencies": {
            "keras": "<3.7,>=3.5",
            "uvicorn": {"version": ">=0.30", "extras": ["standard"]},
        },
        "target": {
            "osx-arm64": {
                "dependencies": {"libblas": {"version": "*", "build": "*_newaccelerate"}},
                "pypi-dependencies": {"tensorflow-metal": "==1.2.0", "pyobjc": "*"},
            }
        },
        "feature": {"dev": {"dependencies": {"ruff": "*"}}},
        "environments": {"dev": ["dev"]},
    }


def test_dockerfile() -> None:
    text = _export(Format.DOCKERFILE)
    for package in read_lock(LOCK).on(LINUX):
        assert package.sha256 is not None
        assert package.sha256 in text
    assert "--require-hashes" in text
    with pytest.raises(UsageError, match="containers are Linux"):
        _export(Format.DOCKERFILE, platforms=(MAC,))


def test_a_dockerfile_borrows_pip_where_the_lock_has_none() -> None:
    lock = read_lock(LOCK)
    assert "-m venv /tmp/pip" in _export(Format.DOCKERFILE)
    pip = replace(lock.packages[0], name="pip", url=lock.packages[0].url.replace("python", "pip"))
    text = _export(Format.DOCKERFILE, lock=replace(lock, packages=(*lock.packages, pip)))
    assert "venv" not in text
    assert "RUN micromamba run --name base python -m pip install" in text


def test_dockerfile_for_hadolint(tmp_path: Path) -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}") or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("no hadolint here")
    file = tmp_path / "Dockerfile"
    file.write_text(_export(Format.DOCKERFILE))
    answer = subprocess.run([hadolint, str(file)], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (0, "")


def _awkward() -> Lock:
    """Names that meet once `_` is not allowed, a package from this machine, and a version with a local part."""
    lock = read_lock(LOCK)
    first = lock.packages[0]
    one, other = (
        LockedPackage(
            manager="conda",
            name=name,
            version="1.0+cpu",
            subdir=LINUX,
            url=f"file:///home/me/channel/linux-64/{name}-1.0+cpu-0.tar.bz2",
            sha256=digit * 64,
            dependencies={"python": ">=3.9", "openssl": ""},
        )
        for name, digit in (("_mutex_a", "1"), ("_mutex-a", "2"))
    )
    return replace(lock, packages=(first, *lock.packages[1:], one, other))


def test_cyclonedx() -> None:
    document = json.loads(_export(Format.SBOM_CYCLONEDX, lock=_awkward()))
    needs = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert [ref.split("@")[0] for ref in needs["pkg:pypi/keras@3.6.0"]] == ["pkg:pypi/ml-dtypes"]
    python = next(entry for entry in document["components"] if entry["name"] == "python")
    assert python["purl"] == (
        "pkg:conda/python@3.12.7?build=hc5c86c4_0_cpython&channel=conda-forge&subdir=linux-64&type=conda"
    )
    assert "/home/me" not in json.dumps(document), "a folder of this machine is nobody's business"
    assert "%2Fhome%2Fme" not in json.dumps(document)


def test_a_wheel_that_needs_what_conda_has_is_tied_to_it() -> None:
    lock = read_lock(LOCK)
    dtypes = _of_python(lock.packages[0], "ml_dtypes")
    packages = (*(one for one in lock.packages if one.name != "ml-dtypes"), dtypes)
    document = json.loads(_export(Format.SBOM_CYCLONEDX, lock=replace(lock, packages=packages)))
    needs = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    assert [ref.split("@")[0] for ref in needs["pkg:pypi/keras@3.6.0"]] == ["pkg:conda/ml_dtypes"]


def test_spdx_tells_the_moment_it_is_given() -> None:
    wanted = _wanted(Format.SBOM_SPDX)
    told = replace(wanted, created=datetime(2026, 11, 24, 9, 30, tzinfo=UTC))
    created = [json.loads(export(one, Format.SBOM_SPDX).text)["creationInfo"]["created"] for one in (wanted, told)]
    assert created == ["1970-01-01T00:00:00Z", "2026-11-24T09:30:00Z"]


def test_cyclonedx_for_its_validator() -> None:
    pytest.importorskip("cyclonedx", reason="cyclonedx-python-lib is not installed")
    pytest.importorskip("jsonschema", reason="cyclonedx-python-lib has no validation without jsonschema")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = _export(Format.SBOM_CYCLONEDX, lock=_awkward())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace("SHA-256", "SHA-9")) is not None


def test_spdx_for_its_validator(tmp_path: Path) -> None:
    pytest.importorskip("spdx_tools", reason="spdx-tools is not installed")
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    file = tmp_path / "small.spdx.json"
    file.write_text(_export(Format.SBOM_SPDX, lock=_awkward()))
    document = parse_file(str(file))
    assert validate_full_spdx_document(document) == []
    assert len(document.packages) == 6
