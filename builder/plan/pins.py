"""What the user's recipe already says about versions, gathered from all the places where it can say it."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.errors import RecipeError
from builder.frameworks.keras import OVER_FRAMEWORKS
from builder.plan.terms import MAIN_GROUP
from builder.recipe.specs import specifier_set
from builder.wheels import applies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.compat.facts import Facts
    from builder.frameworks.model import Framework
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe

_CONDA: Final = re.compile(r"^(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*?)(?:(?:\s*(?=[=<>!~*])|\s+(?=\d))(?P<version>.*))?$")


class Pin(Struct, frozen=True, kw_only=True):
    """One restriction of the user's: `package` as facts name it, and where the recipe says it."""

    package: str
    versions: tuple[SpecifierSet, ...]
    """Alternatives, one of which must hold: conda's `1.26|2.0`."""
    text: str
    where: str

    def allows(self, version: str | Version) -> bool:
        return any(specifiers.contains(Version(str(version)), prereleases=True) for specifiers in self.versions)

    def __str__(self) -> str:
        return f"{self.package} {self.text} ({self.where})"


class Wanted(Struct, frozen=True, kw_only=True):
    """A dependency of the recipe for one platform: its name and spec on either side."""

    group: str
    where: str
    conda_name: str | None = None
    conda_spec: str = ""
    pypi: Requirement | None = None
    always_pypi: bool = False
    subject: str = ""
    """What facts call the package."""


def series(version: Version) -> str:
    """The part of a version within which releases are taken as one: the minor, or everything while the major is 0."""
    release = (*version.release, 0, 0)
    kept = version.release if release[0] == 0 else release[:2]
    return ".".join(str(number) for number in kept)


#: No release of the packages in question has had more patches.
_PATCHES: Final = 30


def _patches(version: Version) -> list[Version]:
    return [version, *(Version(f"{series(version)}.{patch}") for patch in range(_PATCHES))]


def series_within(version: Version, pin: Pin) -> bool:
    """Whether every patch of the version's series is one that the pin allows."""
    return all(map(pin.allows, _patches(version)))


def touches_series(version: Version, pin: Pin) -> bool:
    """Whether some patch of the version's series is one that the pin allows."""
    return any(map(pin.allows, _patches(version)))


def split_conda(text: str) -> tuple[str, str]:
    """`numpy >=1.26,<3` as name and rest (version and build)."""
    found = _CONDA.match(text.strip())
    if found is None:
        raise RecipeError(f"{text!r} is not a match spec")
    return found["name"], (found["version"] or "").strip()


@cache
def conda_to_pep440(spec: str) -> tuple[SpecifierSet, ...]:
    """A conda version spec as PEP 440, one set per alternative (`|`); a build string is left out.

    `1.26`, `=1.26` and `1.26.*` are `==1.26.*`; `==1.26.4` and `=1.26.4=build` are that version; `*` is any. What is
    no version spec gives no alternative at all.
    """
    version = re.sub(r"\s*([<>=!~|,]+)\s*", r"\1", spec.strip()).split(" ")[0]
    exact = re.fullmatch(r"=([\w.]+)=[\w.*]+", version)
    if exact:
        version = f"=={exact[1]}"
    try:
        return tuple(SpecifierSet(",".join(_part(part) for part in text.split(","))) for text in version.split("|"))
    except InvalidSpecifier:
        return ()


def _part(text: str) -> str:
    if text in ("", "*"):
        return ""
    bare = re.fullmatch(r"=?(\d[\w.]*?)(?:\.?\*)?", text)
    return f"=={bare[1]}.*" if bare else text


def requirement_range(dependency: Wanted) -> SpecifierSet:
    """The version range of a dependency that comes from PyPI though the recipe gives it as a conda spec.

    Raises `RecipeError` where conda's syntax has no counterpart, rather than leave the restriction out.
    """
    found = conda_to_pep440(dependency.conda_spec)
    if len(found) != 1:
        raise RecipeError(
            f"`{dependency.where}`: {dependency.conda_name} {dependency.conda_spec} cannot be expressed as a PyPI "
            "requirement",
            hint=f"write {{conda: {dependency.conda_name} {dependency.conda_spec}, pypi: …}} with a PyPI requirement",
        )
    return found[0]


def wanted(recipe: Recipe, *, subdir: Subdir, facts: Facts) -> Iterator[Wanted]:
    """Every dependency of the recipe that applies to `subdir`, in order, groups last."""
    for dependency in _wanted(recipe, subdir=subdir):
        name = dependency.conda_name or (canonicalize_name(dependency.pypi.name) if dependency.pypi else "")
        yield replace(dependency, subject=facts.subject(name))


def _wanted(recipe: Recipe, *, subdir: Subdir) -> Iterator[Wanted]:
    groups = [(MAIN_GROUP, recipe.dependencies, recipe.pypi)]
    groups += [(name, group.dependencies, group.pypi) for name, group in sorted(recipe.groups.items())]
    for name, dependencies, pypi in groups:
        path = () if name == MAIN_GROUP else ("groups", name)
        for index, dependency in enumerate(dependencies):
            where = recipe.where(*path, "dependencies", index)
            if isinstance(dependency, str):
                conda_name, spec = split_conda(dependency)
                yield Wanted(group=name, where=where, conda_name=conda_name, conda_spec=spec)
            elif dependency.applies_to(subdir):
                requirement = Requirement(dependency.pypi) if dependency.pypi else None
                if dependency.conda is None:
                    yield Wanted(group=name, where=where, pypi=requirement, always_pypi=True)
                else:
                    conda_name, spec = split_conda(dependency.conda)
                    yield Wanted(group=name, where=where, conda_name=conda_name, conda_spec=spec, pypi=requirement)
        for index, text in enumerate(pypi):
            if applies(Requirement(text), subdir):
                where = recipe.where(*path, "pypi", index)
                yield Wanted(group=name, where=where, pypi=Requirement(text), always_pypi=True)


def pins(recipe: Recipe, *, subdir: Subdir, framework: Framework, facts: Facts) -> tuple[Pin, ...]:
    """Every restriction the recipe puts on a package that facts are about."""
    found = []
    asked = recipe.framework
    for name, text, where in (
        (framework.versioned, asked.version, "framework.version"),
        (OVER_FRAMEWORKS, asked.keras, "framework.keras"),
        (framework.plugin.name if framework.plugin is not None else None, asked.plugin, "framework.plugin"),
    ):
        if name and text is not None:
            found.append(Pin(package=name, versions=(specifier_set(text),), text=text, where=where))
    for dependency in wanted(recipe, subdir=subdir, facts=facts):
        if dependency.subject not in facts.packages and dependency.subject != "python":
            continue
        specifiers = conda_to_pep440(dependency.conda_spec)
        text = dependency.conda_spec
        if dependency.pypi is not None and (dependency.always_pypi or not text):
            specifiers, text = (dependency.pypi.specifier,), str(dependency.pypi.specifier)
        if any(map(len, specifiers)):
            found.append(Pin(package=dependency.subject, versions=specifiers, text=text, where=dependency.where))
    return tuple(found)
