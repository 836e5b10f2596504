"""A new lock stays at what the old one has: only what must move moves, and the reason is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from builder.errors import UnsatisfiableError
from builder.lock.moves import Previous, told
from builder.lock.rattler_solver import RattlerSolver
from tests.unit.lock.small import LINUX, MAC, SmallWorld, moved, versions

if TYPE_CHECKING:
    from pathlib import Path

    from builder.lock.model import LockedPackage
    from builder.lock.solver import SolveRequest


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    world = SmallWorld(tmp_path)
    world.publish(
        "python 3.12.1", "numpy 1.26.0 : python; libblas", "libblas 3.9", "scipy 1.11 : numpy >=1.26,<2",
        "pandas 2.1 : numpy", "words 1.0 : python",
    )  # fmt: skip
    return world


def _newer(world: SmallWorld) -> None:
    """Everything that is in the lock comes out anew, in a version and in a build."""
    world.publish(
        "python 3.12.2", "numpy 2.1.0 : python; libblas", "libblas 3.10", "scipy 1.14 : numpy >=1.26",
        "pandas 2.2 : numpy", "tqdm 4.66 : python", "libblas 3.9 1",
    )  # fmt: skip


def test_adding_tqdm_moves_nothing_else(world: SmallWorld) -> None:
    first = world.lock("python", "scipy", "pandas")
    assert first.moves == ()
    _newer(world)
    made = world.lock("python", "scipy", "pandas", "tqdm", previous=Previous(lock=first.lock))
    assert moved(made) == {"tqdm": ("added", "the recipe asks for it (tqdm)")}
    before = {package.url for package in first.lock.packages}
    assert {package.url for package in made.lock.packages if package.name != "tqdm"} == before
    anew = world.lock("python", "scipy", "pandas", "tqdm")
    assert versions(anew)["numpy"] == "2.1.0", "the channel has newer ones, or this proves nothing"


def test_locking_again_moves_nothing(world: SmallWorld) -> None:
    first = world.lock("python", "scipy")
    _newer(world)
    made = world.lock("python", "scipy", previous=Previous(lock=first.lock))
    assert made.moves == ()
    assert made.lock == first.lock


def test_what_is_asked_for_moves_and_takes_along_what_must(world: SmallWorld) -> None:
    """SciPy 1.11 wants NumPy below 2; pandas goes with both and stays."""
    first = world.lock("python", "scipy", "pandas")
    _newer(world)
    made = world.lock("python", "numpy >=2", "scipy", "pandas", previous=Previous(lock=first.lock))
    assert moved(made) == {
        "numpy": ("moved", "the recipe asks for numpy >=2"),
        "scipy": ("moved", "scipy 1.11 needs numpy >=1.26,<2; numpy is now 2.1.0"),
    }


def test_named_packages_move(world: SmallWorld) -> None:
    first = world.lock("python", "pandas")
    _newer(world)
    made = world.lock("python", "pandas", previous=Previous(lock=first.lock, moving=frozenset({"Pandas"})))
    assert moved(made) == {"pandas": ("moved", "its update was requested")}
    everything = world.lock("python", "pandas", previous=Previous(lock=first.lock, everything=True))
    assert versions(everything)["python"] == "3.12.2"
    assert {name for name, (kind, _) in moved(everything).items() if kind == "moved"} == {
        "python", "numpy", "pandas", "libblas",
    }  # fmt: skip


def test_a_dependent_that_is_new_may_move_others(world: SmallWorld) -> None:
    first = world.lock("python", "numpy")
    _newer(world)
    world.publish("jax 0.5 : numpy >=2")
    made = world.lock("python", "numpy", "jax", previous=Previous(lock=first.lock))
    assert moved(made)["numpy"] == ("moved", "jax 0.5 needs numpy >=2")
    assert "python" not in moved(made)


def test_gone_from_the_channel_and_no_longer_needed(world: SmallWorld) -> None:
    first = world.lock("python", "scipy", "words")
    _newer(world)
    world.withdraw("python", "3.12.1")
    made = world.lock("python", "scipy", previous=Previous(lock=first.lock))
    assert moved(made) == {
        "python": ("moved", "no longer on the channel, or incompatible with the other packages"),
        "words": ("removed", "no longer needed"),
    }


def test_another_build(world: SmallWorld) -> None:
    first = world.lock("libblas ==3.9 0")
    world.publish("libblas 3.9 1")
    made = world.lock("libblas ==3.9 1", previous=Previous(lock=first.lock))
    assert told(made.moves) == ["libblas 3.9 0 → 3.9 1 (linux-64): another build fits the other packages"]


@pytest.mark.parametrize("version", ["1.0", "2024a", "1!2.0", "1.0+cpu.2", "1.0_1", "1.1.1w", "0.0.0.dev3"])
def test_versions_of_all_kinds_are_stayed_at(world: SmallWorld, version: str) -> None:
    world.publish(f"odd {version} h0_0")
    first = world.lock("odd")
    world.publish("odd 2!9999 h0_0")
    assert versions(world.lock("odd", previous=Previous(lock=first.lock))) == {"odd": version}
    assert versions(world.lock("odd")) == {"odd": "2!9999"}, "or this proves nothing"


def test_platforms_that_agree_are_told_together(world: SmallWorld) -> None:
    world.platforms = (MAC, LINUX)
    first = world.lock("python", "numpy")
    _newer(world)
    made = world.lock("python", "numpy >=2", "tqdm", previous=Previous(lock=first.lock))
    assert told(made.moves) == [
        "numpy 1.26.0 → 2.1.0 (osx-arm64, linux-64): the recipe asks for numpy >=2",
        "+ tqdm 4.66 (osx-arm64, linux-64): the recipe asks for it (tqdm)",
    ]


def test_a_new_platform_takes_what_is_new_there(world: SmallWorld) -> None:
    first = world.lock("python")
    world.platforms = (MAC, LINUX)
    made = world.lock("python", previous=Previous(lock=first.lock))
    assert [(move.subdir, move.kind) for move in made.moves] == [(MAC, "added")]


def test_pypi_packages_stay_as_well(world: SmallWorld) -> None:
    world.upload("rich 13.0 : pygments", "pygments 2.0")
    first = world.lock("python", pip=["rich"])
    assert versions(first)["pygments"] == "2.0"
    world.upload("rich 14.0 : pygments", "pygments 2.1", "tqdm 4.66", "click 8.1 : pygments>=2.1")
    made = world.lock("python", pip=["rich", "tqdm"], previous=Previous(lock=first.lock))
    assert moved(made) == {"tqdm": ("added", "the recipe asks for it (tqdm)")}
    asked = world.lock("python", pip=["rich"], previous=Previous(lock=first.lock, moving=frozenset({"rich"})))
    assert moved(asked) == {"rich": ("moved", "its update was requested")}
    bound = world.lock("python", pip=["rich", "pygments>=2.1"], previous=Previous(lock=first.lock))
    assert moved(bound) == {"pygments": ("moved", "the recipe asks for pygments>=2.1")}


def test_excluding_what_is_newer(world: SmallWorld) -> None:
    before = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(UnsatisfiableError):
        world.lock("python", exclude_newer=before)
    assert versions(world.lock("python", exclude_newer=datetime(2024, 1, 1, tzinfo=UTC))) == {"python": "3.12.1"}


class _Forgetful(RattlerSolver):
    """As conda, mamba and micromamba are."""

    name = "conda"
    prefers = False

    async def solve(self, request: SolveRequest) -> list[LockedPackage]:
        return await super().solve(replace(request, preferred=()))


def test_a_solver_that_does_not_stay_is_named(world: SmallWorld) -> None:
    world.solver = _Forgetful(cache=world.root / "cache")
    first = world.lock("python")
    assert first.warnings == ()
    made = world.lock("python", previous=Previous(lock=first.lock))
    assert "conda solves from scratch" in made.warnings[0]
    assert world.lock("python", previous=Previous(lock=first.lock, everything=True)).warnings == ()


def test_why_something_came_along(world: SmallWorld) -> None:
    """Its first dependent is named, as a whole: name and version of the same package."""
    first = world.lock("python")
    made = world.lock("python", "pandas", "scipy", previous=Previous(lock=first.lock))
    assert moved(made)["libblas"] == ("added", "numpy 1.26.0 needs it")
    assert moved(made)["numpy"] == ("added", "pandas 2.1 needs it")


def test_from_conda_to_pypi_and_back(world: SmallWorld) -> None:
    world.upload("words 1.0")
    first = world.lock("python", "words")
    made = world.lock("python", pip=["words"], previous=Previous(lock=first.lock))
    changes = {(move.manager, move.kind): move.why for move in made.moves if move.name == "words"}
    assert changes == {
        ("conda", "removed"): "it now comes from PyPI",
        ("pip", "added"): "the recipe asks for it (words)",
    }
    back = world.lock("python", "words", previous=Previous(lock=made.lock))
    changes = {(move.manager, move.kind): move.why for move in back.moves if move.name == "words"}
    assert changes[("pip", "removed")] == "it now comes from conda"
