"""One version on every platform: within conda, within PyPI, across both; and what differs is always said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.errors import UnsatisfiableError
from builder.plan.make import make_plans, parity_names
from tests.unit.lock.small import LINUX, MAC, SmallWorld, versions
from tests.unit.plan.support import framework, recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.lock.make import Made
    from builder.platforms import Subdir


def _names(**fields: str) -> tuple[str, ...]:
    """What a recipe of the team asks to be kept at one version."""
    (plan,) = make_plans(recipe(framework=framework(), platforms=["linux-64"], **fields)).values()
    return parity_names(plan)


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    world = SmallWorld(tmp_path, platforms=(MAC, LINUX), parity=_names())
    world.publish("python 3.12.1")
    return world


def _both(made: Made, name: str) -> tuple[str, str]:
    return versions(made, MAC)[name], versions(made, LINUX)[name]


def test_the_newest_that_all_have(world: SmallWorld) -> None:
    """3.10 is newer than 3.9; the platform that is ahead steps back."""
    world.publish("keras 3.9", "keras 3.8", subdirs=("osx-arm64", "linux-64"))
    world.publish("keras 3.10", subdirs=("linux-64",))
    made = world.lock("python", "keras")
    assert _both(made, "keras") == ("3.9", "3.9")
    assert made.warnings == ()
    world.parity = _names(parity="none")
    assert _both(world.lock("python", "keras"), "keras") == ("3.9", "3.10"), "without parity they differ"


def test_the_newest_that_all_have_may_be_older_than_what_any_got(world: SmallWorld) -> None:
    world.publish("numpy 2.3", "numpy 2.1", subdirs=("osx-arm64",))
    world.publish("numpy 2.2", "numpy 2.1", subdirs=("linux-64",))
    made = world.lock("python", "numpy")
    assert _both(made, "numpy") == ("2.1", "2.1")
    assert made.warnings == ()


def test_what_equalising_parts_is_made_equal_again(world: SmallWorld) -> None:
    """Keras 3.1 for Linux wants an older NumPy: NumPy, equal before, was left apart without a word."""
    world.publish("numpy 2.2", "numpy 2.0")
    world.publish("keras 3.1 : numpy", subdirs=("osx-arm64",))
    world.publish("keras 3.2 : numpy", "keras 3.1 : numpy <2.1", subdirs=("linux-64",))
    made = world.lock("python", "numpy", "keras")
    assert (_both(made, "keras"), _both(made, "numpy")) == (("3.1", "3.1"), ("2.0", "2.0"))
    assert made.warnings == ()


def test_what_cannot_be_equal_is_said(world: SmallWorld) -> None:
    """And it does not keep the others from being equal."""
    world.publish("numpy 2.2", "keras 3.1", subdirs=("osx-arm64",))
    world.publish("numpy 2.3", "keras 3.2", "keras 3.1", subdirs=("linux-64",))
    made = world.lock("python", "numpy", "keras")
    assert _both(made, "keras") == ("3.1", "3.1")
    assert made.warnings == (
        "numpy differs between platforms (2.2 on osx-arm64, 2.3 on linux-64): no version works on all of them",
    )


def test_other_packages_that_the_recipe_names_are_compared_and_not_held(world: SmallWorld) -> None:
    """By their projects: conda's `backports.zstd` is PyPI's `backports-zstd`. What comes with them is nobody's wish."""
    world.publish("numpy 2.2", "backports.zstd 1.6", subdirs=("osx-arm64",))
    world.publish("pandas 2.3 : tzdata", "tzdata 2026a", subdirs=("osx-arm64",))
    world.publish("pandas 2.2 : tzdata", "tzdata 2026b", "numpy 2.2", subdirs=("linux-64",))
    world.upload("backports-zstd 1.7")
    lines = ("python", "numpy", "pandas", "backports.zstd  # [arm64]")
    made = world.lock(*lines, pip=["Backports.ZSTD  # [linux64]"])
    assert made.warnings == (
        "pandas differs between platforms (2.3 on osx-arm64, 2.2 on linux-64)",
        "backports-zstd differs between platforms (1.6 on osx-arm64, 1.7 on linux-64)",
    )
    world.parity = _names(parity="none")
    assert world.lock(*lines, pip=["Backports.ZSTD  # [linux64]"]).warnings == ()


def test_tensorflow_is_one_project_under_two_names(world: SmallWorld) -> None:
    world.publish("tensorflow 2.18 : python", subdirs=("osx-arm64",))
    world.publish("tensorflow-cpu 2.19 : python", "tensorflow-cpu 2.18 : python", subdirs=("linux-64",))
    lines = ("python", "tensorflow  # [arm64]", "tensorflow-cpu  # [linux64]")
    made = world.lock(*lines)
    assert versions(made, MAC)["tensorflow"] == versions(made, LINUX)["tensorflow-cpu"] == "2.18"
    world.withdraw("tensorflow-cpu", "2.18")
    assert world.lock(*lines).warnings == (
        "tensorflow differs between platforms (2.18 on osx-arm64, 2.19 on linux-64): no version works on all of them",
    )


def test_conda_s_order_of_versions(world: SmallWorld) -> None:
    """`9e` is no PyPI version; the older one is the older one all the same."""
    world.publish("numpy 9e", subdirs=("osx-arm64",))
    world.publish("numpy 9e", "numpy 9f", subdirs=("linux-64",))
    assert _both(world.lock("python", "numpy"), "numpy") == ("9e", "9e")


def test_within_pypi(world: SmallWorld) -> None:
    world.upload("keras 3.9", "keras 3.8")
    world.upload("numpy 2.2", tag="cp312-cp312-manylinux_2_17_x86_64")
    world.upload("numpy 2.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    world.upload("numpy 2.0", tag="cp312-cp312-macosx_11_0_arm64")
    made = world.lock("python", pip=["keras", "numpy"])
    assert (_both(made, "keras"), _both(made, "numpy")) == (("3.9", "3.9"), ("2.0", "2.0"))
    assert made.warnings == ()


def test_across_conda_and_pypi(world: SmallWorld) -> None:
    """On the Mac NumPy comes from PyPI (as with Apple's plug-in), on Linux from conda: either may have to step back."""
    world.publish("numpy 2.2 : python", "numpy 2.1 : python", "numpy 2.0 : python")
    world.upload("numpy 2.1", "numpy 2.0")
    lines = ("python", "numpy  # [linux64]")
    made = world.lock(*lines, pip=["numpy  # [arm64]"])
    assert _both(made, "numpy") == ("2.1", "2.1")
    world.upload("numpy 2.3", "numpy 2.2")
    made = world.lock(*lines, pip=["numpy  # [arm64]"])
    assert (_both(made, "numpy"), made.warnings) == (("2.2", "2.2"), ())


def test_within_pypi_where_it_cannot_be(world: SmallWorld) -> None:
    world.upload("numpy 2.2", tag="cp312-cp312-manylinux_2_17_x86_64")
    world.upload("numpy 2.0", tag="cp312-cp312-macosx_11_0_arm64")
    made = world.lock("python", pip=["numpy"])
    assert made.warnings == (
        "numpy differs between platforms (2.0 on osx-arm64, 2.2 on linux-64): no version works on all of them",
    )


def test_the_locked_set_is_judged_on_every_platform(world: SmallWorld) -> None:
    """Whoever brought a package in: the recipe, a dependency, PyPI, the solver."""
    world.publish("keras 3.1 : numpy", "numpy 2.2 : python")
    world.upload("rich 13 : pygments", "pygments 2")
    seen: dict[Subdir, Mapping[tuple[str, str], str]] = {}

    def judge(subdir: Subdir, packages: Mapping[tuple[str, str], str]) -> Iterator[str]:
        seen[subdir] = packages
        yield "NumPy 2.2 with Keras 3.1 is unproven"

    made = world.lock("python", "keras", pip=["rich"], judge=judge)
    assert made.warnings == ("NumPy 2.2 with Keras 3.1 is unproven",), "the same on two platforms is said once"
    expected = {("conda", "keras"): "3.1", ("conda", "numpy"): "2.2", ("pip", "pygments"): "2"}
    assert all(expected.items() <= seen[subdir].items() for subdir in (MAC, LINUX))

    def refuse(_subdir: Subdir, _packages: Mapping[tuple[str, str], str]) -> Iterator[str]:
        raise UnsatisfiableError("tensorflow-metal 1.1 cannot load with TensorFlow 2.20")

    with pytest.raises(UnsatisfiableError, match="cannot load"):
        world.lock("python", "keras", judge=refuse)


def test_one_version_spelt_in_two_ways(world: SmallWorld) -> None:
    """conda-forge leaves zeros out, and PyTorch's wheels for Linux say `+cpu`: neither is another version."""
    world.publish("keras 3.0 : python", "torch 2.5.1 : python")
    world.upload("keras 3.0.0")
    world.upload("torch 2.5.1+cpu", tag="cp312-cp312-manylinux_2_17_x86_64")
    made = world.lock(
        "python", "keras  # [arm64]", "torch  # [arm64]", pip=["keras  # [linux64]", "torch  # [linux64]"]
    )
    assert (_both(made, "keras"), _both(made, "torch")) == (("3.0", "3.0.0"), ("2.5.1", "2.5.1+cpu"))
    assert made.warnings == ()
