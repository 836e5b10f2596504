"""Which wheels a target accepts, and how markers read there; nothing of the machine that asks is in the answer."""

from __future__ import annotations

import pytest
from packaging.markers import Marker
from packaging.tags import parse_tag

from builder.platforms import Subdir
from builder.wheels import WheelTarget, accepted_tags, marker_environment, recorded_tags, wheel_tags, why_unfit

MAC, INTEL, LINUX, ARM = Subdir.OSX_ARM64, Subdir.OSX_64, Subdir.LINUX_64, Subdir.LINUX_AARCH64


def _why(tag: str, subdir: Subdir | None, python: str | None = "3.12.7", **more: str | bool | None) -> str | None:
    target = WheelTarget(subdir=subdir, python=python, **more)  # type: ignore[arg-type]
    return why_unfit(parse_tag(tag), target)


@pytest.mark.parametrize(
    ("tag", "subdir"),
    [
        ("py3-none-any", LINUX),
        ("py2.py3-none-any", MAC),
        ("py312-none-any", MAC),
        ("cp312-none-any", MAC),
        ("cp312-cp312-macosx_11_0_arm64", MAC),
        ("cp312-cp312-macosx_10_9_universal2", MAC),
        ("cp312-cp312-macosx_10_9_universal2", INTEL),
        ("cp312-cp312-macosx_10_9_x86_64", INTEL),
        ("cp39-abi3-macosx_11_0_arm64", MAC),
        ("cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64", LINUX),
        ("cp312-cp312-manylinux1_x86_64", LINUX),
        ("cp312-cp312-linux_aarch64", ARM),
    ],
)
def test_fits(tag: str, subdir: Subdir) -> None:
    assert _why(tag, subdir) is None


@pytest.mark.parametrize(
    ("tag", "subdir", "why"),
    [
        ("cp312-cp312-macosx_11_0_x86_64", MAC, "is not for osx-arm64"),
        ("cp312-cp312-macosx_11_0_arm64", INTEL, "is not for osx-64"),
        ("cp312-cp312-manylinux_2_17_aarch64", LINUX, "is not for linux-64"),
        ("cp312-cp312-win_amd64", LINUX, "is not for linux-64"),
        ("cp312-cp312-musllinux_1_2_x86_64", LINUX, "is for musl, and linux-64 has glibc"),
        ("cp313-cp313-macosx_11_0_arm64", MAC, "is not for Python 3.12"),
        ("cp312-cp312t-macosx_11_0_arm64", MAC, "is not for Python 3.12"),
        ("cp313-abi3-macosx_11_0_arm64", MAC, "is not for Python 3.12"),
        ("py2-none-any", MAC, "is not for Python 3.12"),
        ("pp310-pypy310_pp73-manylinux_2_17_x86_64", LINUX, "is not for Python 3.12"),
        # The platform fits one tag, the Python another; together they fit none.
        ("cp311-cp311-macosx_11_0_arm64", MAC, "is not for Python 3.12"),
    ],
)
def test_does_not_fit(tag: str, subdir: Subdir, why: str) -> None:
    assert _why(tag, subdir) == why


def test_a_tag_must_fit_as_a_whole() -> None:
    tags = parse_tag("cp312-cp312-macosx_11_0_x86_64") | parse_tag("cp311-cp311-macosx_11_0_arm64")
    assert why_unfit(tags, WheelTarget(subdir=MAC, python="3.12")) == "is not for Python 3.12"


def test_floors() -> None:
    assert _why("cp312-cp312-macosx_14_0_arm64", MAC, macos="13.0") == "needs a newer macOS than 13.0"
    assert _why("cp312-cp312-macosx_14_0_arm64", MAC, macos="14.2") is None
    assert _why("cp312-cp312-macosx_26_0_arm64", MAC) is None, "a floor that is not known refuses nothing"
    assert _why("cp312-cp312-manylinux_2_34_x86_64", LINUX, glibc="2.28") == "needs a newer glibc than 2.28"
    assert _why("cp312-cp312-manylinux_2_34_x86_64", LINUX) is None


def test_an_installed_build_of_a_minor_macos_is_there() -> None:
    assert _why("cp312-cp312-macosx_13_3_arm64", MAC) is None
    assert _why("cp312-cp312-macosx_13_3_x86_64", MAC) == "is not for osx-arm64"


def test_free_threaded() -> None:
    tag = "cp313-cp313t-macosx_11_0_arm64"
    assert _why(tag, MAC, "3.13", free_threaded=True) is None
    assert _why(tag, MAC, "3.13", free_threaded=None) is None, "not known: either"
    assert _why("cp313-cp313-macosx_11_0_arm64", MAC, "3.13", free_threaded=True) == "is not for Python 3.13t"
    assert _why("cp310-abi3-macosx_11_0_arm64", MAC, "3.13", free_threaded=True) == "is not for Python 3.13t"


def test_what_is_not_known_refuses_nothing() -> None:
    assert _why("cp312-cp312-win_amd64", None) is None
    assert _why("cp27-cp27m-macosx_11_0_arm64", MAC, None) is None
    with pytest.raises(ValueError, match="platform"):
        accepted_tags(WheelTarget(subdir=None, python="3.12"))


def test_file_names_and_records() -> None:
    assert wheel_tags("x-1-py3-none-any.whl") == parse_tag("py3-none-any")
    assert wheel_tags("x-1.tar.gz") is None
    assert recorded_tags(["py2-none-any", "py3-none-any", "nonsense", ""]) == parse_tag("py2.py3-none-any")


@pytest.mark.parametrize(
    ("marker", "subdir", "holds"),
    [
        ("sys_platform == 'darwin'", MAC, True),
        ("sys_platform == 'darwin'", LINUX, False),
        ("platform_system == 'Linux' and platform_machine == 'aarch64'", ARM, True),
        ("platform_machine == 'arm64'", MAC, True),
        ("python_version < '3.12'", MAC, False),
        ("python_full_version >= '3.12.7'", MAC, True),
        ("implementation_name == 'cpython' and os_name == 'posix'", LINUX, True),
        ("extra == 'dev'", LINUX, False),
    ],
)
def test_markers(marker: str, subdir: Subdir, holds: bool) -> None:
    assert Marker(marker).evaluate(marker_environment(subdir, "3.12.7")) is holds


@pytest.mark.parametrize(
    "python", ["3.12" + "N" * 40, "3", "three.twelve", "", "3.x", "3." + "9" * 6000, "\u0663.\u0661\u0662"]
)
def test_a_python_that_is_no_version_has_no_minor(python: str) -> None:
    """A hostile lock may say anything."""
    assert WheelTarget(subdir=LINUX, python=python).minor in (None, (3, 12))
    assert isinstance(_why("cp312-cp312-manylinux_2_17_x86_64", LINUX, python), str | None)
