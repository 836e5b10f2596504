"""Recipes for the planner's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from builder.models import validated
from builder.plan.catalogue import Build
from builder.recipe.model import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from builder.platforms import Subdir

BASE: dict[str, Any] = {
    "name": "team",
    "platforms": ["osx-arm64", "linux-64"],
    "python": ">=3.11,<3.13",
    "macos": "14.0",
    "dependencies": [
        "numpy",
        "pandas",
        "scikit-learn",
        {"conda": "matplotlib-base", "pypi": "matplotlib"},
        "ipykernel",
    ],
}


def recipe(**changes: Any) -> Recipe:
    """The team's recipe with some fields replaced."""
    return validated(BASE | changes, Recipe)


def framework(provider: str = "conda-forge", **fields: Any) -> dict[str, Any]:
    return {"name": "tensorflow", "provider": provider, **fields}


METAL = framework("metal", gpu=True)


@dataclass(frozen=True)
class Channel:
    """A channel that has exactly these builds, by name and, where it matters, by `name/subdir`."""

    offered: dict[str, Sequence[Build]]
    described: str = "conda-forge"

    def ask(self, names: Iterable[str], subdirs: Iterable[Subdir]) -> None:
        """Everything is at hand."""

    def builds(self, name: str, subdir: Subdir) -> Sequence[Build]:
        return self.offered.get(f"{name}/{subdir}", self.offered.get(name, ()))

    def similar(self, name: str) -> tuple[str, ...]:
        return tuple(other for other in self.offered if other[:3] == name[:3])


def built(version: str, *minors: str, build: str = "", **depends: str) -> list[Build]:
    """One build for each Python minor; `ml_dtypes="<1"` is a dependency."""
    return [
        Build(
            version=version,
            build=build.format(py=minor.replace(".", "")),
            depends={"python": f">={minor},<3.{int(minor.split('.')[1]) + 1}.0a0", **depends},
        )
        for minor in minors
    ]


def channel(*, tensorflow: Mapping[str, Sequence[str]], **others: Sequence[Build]) -> Channel:
    """A channel with TensorFlow's CPU builds for these Pythons, what the team's recipe asks for, and `others`."""
    noarch = [Build(version="1.0", depends={"python": ">=3.8"})]
    every = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
    offered: dict[str, Sequence[Build]] = {
        "tensorflow": [
            build for version, minors in tensorflow.items() for build in built(version, *minors, build="cpu_py{py}h0_0")
        ],
        "keras": [Build(version=version, depends={"python": ">=3.9"}) for version in ("2.15.0", "3.6.0", "3.12.0")],
        "numpy": [build for version in ("1.26.4", "2.1.3", "2.4.0") for build in built(version, *every)],
        **dict.fromkeys(("pandas", "scikit-learn", "matplotlib-base", "ipykernel"), noarch),
        "python": [Build(version=f"{minor}.9") for minor in every],
    }
    return Channel(offered | {name.replace("_", "-"): builds for name, builds in others.items()})


def channel_with(offered: Mapping[str, Sequence[Build]]) -> Channel:
    """As `channel`, with these builds (by name, or by `name/subdir`) in place of TensorFlow's."""
    there = channel(tensorflow={})
    del there.offered["tensorflow"]
    return Channel({**there.offered, **offered})
