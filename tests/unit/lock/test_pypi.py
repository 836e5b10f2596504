"""Which wheel the target would take, and what conda's packages mean to the resolver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from packaging.version import Version

from builder.errors import UnsatisfiableError
from builder.lock.model import LockedPackage
from builder.lock.provided import provided_distributions
from builder.lock.pypi import PypiRequest, _best_wheel, _edges, _failure
from builder.platforms import Subdir
from builder.uv import platform_name
from builder.wheels import accepted_tags
from tests.unit.lock.small import SmallWorld

if TYPE_CHECKING:
    from pathlib import Path


def _request(
    subdir: Subdir, *, macos: str | None = None, glibc: str | None = None, python: str = "3.12.7"
) -> PypiRequest:
    return PypiRequest(subdir=subdir, python=python, requirements=(), provided={}, exact={}, macos=macos, glibc=glibc)


def _taken(request: PypiRequest, *files: str) -> str | None:
    """The file that is chosen, whatever the order in which the index lists them."""
    wheels = [{"name": file} for file in files]
    tags = accepted_tags(request.target)
    forwards, backwards = _best_wheel(wheels, tags), _best_wheel(wheels[::-1], tags)
    assert forwards == backwards
    return str(forwards["name"]) if forwards else None


NUMPY = ("numpy-2.1.0-cp312-cp312-macosx_11_0_arm64.whl", "numpy-2.1.0-cp312-cp312-macosx_14_0_arm64.whl")


@pytest.mark.parametrize(
    ("macos", "accelerate"), [("11.0", False), ("13.6", False), ("14.0", True), ("15.2", True), ("26.1", True)]
)
def test_numpy_with_accelerate_from_macos_14_on(macos: str, accelerate: bool) -> None:
    """NumPy publishes two wheels; the newer one uses Accelerate, and cannot be installed before macOS 14."""
    assert _taken(_request(Subdir.OSX_ARM64, macos=macos), *NUMPY) == NUMPY[accelerate]


def test_own_architecture_before_universal() -> None:
    files = ("x-1-cp312-cp312-macosx_11_0_universal2.whl", "x-1-cp312-cp312-macosx_11_0_arm64.whl")
    assert _taken(_request(Subdir.OSX_ARM64, macos="14.0"), *files) == files[1]
    assert _taken(_request(Subdir.OSX_64, macos="14.0"), *files) == files[0]


@pytest.mark.parametrize(
    "file",
    [
        "x-1-cp312-cp312-macosx_11_0_x86_64.whl",
        "x-1-cp311-cp311-macosx_11_0_arm64.whl",
        "x-1-cp313-cp313-macosx_11_0_arm64.whl",
        "x-1-cp312-cp312-macosx_15_0_arm64.whl",
        "x-1-cp312-cp312-manylinux_2_17_x86_64.whl",
        "x-1-cp312-cp312t-macosx_11_0_arm64.whl",
        "not a wheel.txt",
    ],
)
def test_never_taken_on_an_apple_silicon_mac(file: str) -> None:
    """macOS 14 with Python 3.12: a wheel of another processor, Python or newer system."""
    assert _taken(_request(Subdir.OSX_ARM64, macos="14.0"), file) is None


def test_abi3_and_pure_wheels() -> None:
    request = _request(Subdir.OSX_ARM64, macos="14.0")
    abi3, pure = "x-1-cp310-abi3-macosx_11_0_arm64.whl", "x-1-py3-none-any.whl"
    assert _taken(request, pure) == pure
    assert _taken(request, abi3, pure) == abi3
    own = "x-1-cp312-cp312-macosx_11_0_arm64.whl"
    assert _taken(request, abi3, pure, own) == own


@pytest.mark.parametrize(
    ("glibc", "expected"),
    [
        ("2.17", "x-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
        ("2.28", "x-1-cp312-cp312-manylinux_2_28_x86_64.whl"),
    ],
)
def test_manylinux_level(glibc: str, expected: str) -> None:
    files = (
        "x-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "x-1-cp312-cp312-manylinux_2_28_x86_64.whl",
        "x-1-cp312-cp312-manylinux_2_34_x86_64.whl",
        "x-1-cp312-cp312-musllinux_1_2_x86_64.whl",
        "x-1-cp312-cp312-manylinux_2_17_aarch64.whl",
    )
    assert _taken(_request(Subdir.LINUX_64, glibc=glibc), *files) == expected


def test_old_name_of_a_manylinux_level() -> None:
    file = "x-1-cp312-cp312-manylinux2014_x86_64.whl"
    assert _taken(_request(Subdir.LINUX_64, glibc="2.28"), file) == file


def test_build_number_decides_between_equal_wheels() -> None:
    files = ("x-1-2-py3-none-any.whl", "x-1-10-py3-none-any.whl", "x-1-py3-none-any.whl")
    assert _taken(_request(Subdir.LINUX_64, glibc="2.28"), *files) == files[1]


@pytest.mark.parametrize(
    ("glibc", "platform"), [(17, "2_17"), (27, "2_17"), (28, "2_28"), (30, "2_28"), (35, "2_35"), (99, "2_40")]
)
def test_platform_that_uv_is_told(glibc: int, platform: str) -> None:
    """uv knows some manylinux levels only; the newest that the target has."""
    assert platform_name(Subdir.LINUX_64, glibc_minor=glibc) == f"x86_64-manylinux_{platform}"


def _conda(name: str, version: str, *depends: str) -> LockedPackage:
    return LockedPackage(
        manager="conda",
        name=name,
        version=version,
        subdir=Subdir.LINUX_64,
        url=f"https://example.org/c/noarch/{name}-{version}-0.conda",
        sha256="a" * 64,
        dependencies=dict.fromkeys(depends, ""),
    )


def test_what_conda_provides_to_uv() -> None:
    """Packages that need Python hold a distribution: under its PyPI name, without local version labels."""
    packages = [
        _conda("pytorch", "2.5.1", "python"),
        _conda("Jinja2", "3.1.4", "python"),
        _conda("openssl", "3.3.2"),
        _conda("tzdata", "2024b", "python"),
        _conda("odd", "not a version", "python"),
    ]
    provided = provided_distributions(packages)
    assert provided == {"torch": "2.5.1", "jinja2": "3.1.4", "tzdata": str(Version("2024b").public)}


def test_who_needs_whom() -> None:
    tree = (
        "keras==3.6.0              # via -r requirements.in\n"
        "ml-dtypes==0.4.1          # via keras, Tensor_Flow\n"
        "numpy==2.0.2              # via -r requirements.in, keras\n"
        "colorama==0.4.6 ; sys_platform == 'win32'  # via keras\n"
        "# a comment\n"
    )
    assert _edges(tree) == {"keras": ("colorama", "ml-dtypes", "numpy"), "tensor-flow": ("ml-dtypes",)}


@pytest.mark.parametrize(
    ("subdir", "requirement", "hint"),
    [
        (Subdir.LINUX_64, "tensorflow-metal==1.2.0", "write \"tensorflow-metal==1.2.0; sys_platform == 'darwin'\""),
        (Subdir.OSX_ARM64, "nvidia-nccl-cu12", "write \"nvidia-nccl-cu12; sys_platform == 'linux'\""),
        (Subdir.LINUX_64, "keras", "loosen the requirement"),
    ],
)
def test_a_wheel_for_other_platforms_only(subdir: Subdir, requirement: str, hint: str) -> None:
    """uv's words (0.9) where a requirement of the recipe, or of a package, has wheels for other platforms."""
    named = requirement if requirement != "keras" else "elsewhere==1.0"
    said = f"Because {named} has no wheels with a matching platform tag (e.g., `x`) and you require {named}, we can"
    request = PypiRequest(
        subdir=subdir, python="3.12.1", requirements=(requirement,), provided={}, exact={}, macos=None, glibc=None,
        free_threaded=False, preferred={}, locked_from={}, exclude_newer=None,
    )  # fmt: skip
    assert hint in (_failure(said, request).hint or "")


def test_a_package_that_does_not_exist_is_one_sentence(tmp_path: Path) -> None:
    """uv's explanation ("you require … unsatisfiable") says nothing about what to do."""
    world = SmallWorld(tmp_path)
    world.publish("python 3.12.1")
    world.upload("needy 1.0 : nowhere-to-be-found")
    with pytest.raises(UnsatisfiableError, match=r"^no index .* has a package called 'xgbost'$") as caught:
        world.lock("python", pip=["xgbost>=2"])
    assert (caught.value.hint or "").startswith("did you mean xgboost? ")
    with pytest.raises(UnsatisfiableError, match="needy"):  # who asks for it is uv's to say
        world.lock("python", pip=["needy"])
