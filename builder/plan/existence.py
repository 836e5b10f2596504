"""What the channel itself says exists, put in the place of the facts that stand in for it; and what it rules out."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING, cast

from msgspec import Struct
from packaging.version import Version

from builder.compat.facts import Refusal
from builder.compat.model import Build as FactBuild
from builder.compat.model import Release
from builder.errors import UnsatisfiableError
from builder.names import conda_name, meant_on_conda
from builder.plan.catalogue import PYTHONS, parsed
from builder.plan.pins import conda_to_pep440, series, wanted
from builder.plan.question import python_spec
from builder.plan.reasons import bounds
from builder.platforms import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from builder.compat.facts import Facts
    from builder.compat.model import Place
    from builder.frameworks.model import Framework
    from builder.plan.catalogue import Build, Catalogue
    from builder.plan.model import Combination
    from builder.plan.providers import Provider
    from builder.plan.question import Question, Target
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe


class Existing(Struct, frozen=True, kw_only=True):
    """The facts with the channel's own releases of a framework among them."""

    facts: Facts
    unknown: frozenset[Version] = frozenset()
    """Releases of the framework that the channel has and that no fact is about."""


def existing(
    facts: Facts, *, framework: Framework, catalogue: Catalogue, subdirs: Sequence[Subdir], pythons: Sequence[str]
) -> Existing:
    """Facts whose conda-forge releases of the framework are those that the channel has today.

    Only existence is taken from there: what a known release declares stays what facts say about it.
    """
    known = {Version(release.version) for release in facts.releases if release.package == framework.main}
    builds: dict[Version, dict[Place, FactBuild]] = {}
    for subdir in subdirs:
        offered = [
            build
            for build in catalogue.builds(framework.conda, subdir)
            if fnmatch(build.build, framework.conda_build.replace("{py}", "*") or "*")
        ]
        for version in {found for build in offered if (found := parsed(build.version)) is not None}:
            if version.is_prerelease:
                continue
            of_version = [build for build in offered if parsed(build.version) == version]
            minors = tuple(minor for minor in reversed(pythons) if any(b.fits_python(minor) for b in of_version))
            if not minors:
                continue
            declared = facts.release(framework.main, version, "conda-forge")
            told = declared.build(subdir) if declared is not None else None
            builds.setdefault(version, {})[cast("Place", subdir.value)] = FactBuild(
                distribution=framework.conda,
                pythons=minors,
                macos=told.macos if told is not None else None,
                requires=told.requires if told is not None else (),
            )
    releases = tuple(
        Release(
            id=f"channel-{framework.main}-{version}",
            source=f"{catalogue.described}'s own metadata",
            established="metadata",
            date=facts.newest_date,
            measured_on=None,
            package=framework.main,
            version=str(version),
            origin="conda-forge",
            builds=places,
            stubs={},
        )
        for version, places in builds.items()
    )
    return Existing(
        facts=facts.with_releases(framework.main, "conda-forge", releases),
        unknown=frozenset(builds) - known if not framework.open_above else frozenset(),
    )


def refuse_unknown_packages(
    recipe: Recipe, subdirs: Sequence[Subdir], providers: Sequence[Provider], *, facts: Facts, catalogue: Catalogue
) -> None:
    """Raise `UnsatisfiableError` for a dependency that the channels do not have, or not for a platform.

    Only for what is conda's with every one of the providers in question.
    """
    for subdir in subdirs:
        for dependency in wanted(recipe, subdir=subdir, facts=facts):
            name = dependency.conda_name
            if name is None or catalogue.builds(name, subdir):
                continue
            names = facts.names_of(name)
            links = names is not None and names.numpy
            if any(provider.pypi_reason(links_numpy=links) is not None for provider in providers):
                continue
            place = f"`{dependency.where}`"
            there = [other for other in TARGETS if other is not subdir and catalogue.builds(name, other)]
            if there:
                raise UnsatisfiableError(
                    f"{catalogue.described} has {name} for {', '.join(there)}, not for {subdir} ({place})",
                    hint=f"write {{conda: {name}, platforms: [{', '.join(there)}]}}, or leave {subdir} out",
                )
            other = meant_on_conda(name)
            close = (other,) if other != name and catalogue.builds(other, subdir) else catalogue.similar(name)
            meant = f"did you mean {close[0]}? What" if close else "what"
            raise UnsatisfiableError(
                f"{catalogue.described} has no package called {name!r} ({place})",
                hint=f"{meant} only PyPI has goes under `pypi:`",
            )


@dataclass(kw_only=True)
class Obstacles:
    """Asks the catalogue whether what goes with a combination exists for it; each answer is found once."""

    question: Question
    _builds: dict[tuple[str, Subdir], Sequence[Build]] = field(default_factory=dict)
    _there: dict[tuple[str, str, str, Subdir], bool] = field(default_factory=dict)

    @property
    def channel(self) -> str:
        return self.question.catalogue.described if self.question.catalogue is not None else "the channel"

    def first(self, combination: Combination) -> Refusal | None:
        """The first thing that the channel does not have for the combination; None where nothing is in the way."""
        return next((found for target in self.question.targets for found in self._on(target, combination)), None)

    def _on(self, target: Target, combination: Combination) -> Iterator[Refusal]:
        for name, spec in self._needed(target, combination):
            refusal = self._missing(name, spec, target, combination)
            if refusal is not None:
                yield refusal

    def _needed(self, target: Target, combination: Combination) -> Iterator[tuple[str, str]]:
        """Conda packages that the recipe asks for on the target, with their specs."""
        if target.provider.local:
            return
        given_up, python = self.question.given_up, combination.python
        free = "python" in given_up
        yield "python", f"{python}.*" if free else python_spec(python, self.question.recipe.python)
        if target.origin == "conda-forge":
            framework = self.question.framework
            for choice in combination.partners:
                if choice.package in framework.partners and choice.versions:
                    yield conda_name(choice.package), bounds(choice)
        chosen = {combination.main.package} if combination.main is not None else set()
        for dependency in wanted(self.question.recipe, subdir=target.subdir, facts=self.question.facts):
            if dependency.conda_name is None or dependency.subject in chosen:
                continue
            names = self.question.facts.names_of(dependency.conda_name)
            if target.provider.pypi_reason(links_numpy=names is not None and names.numpy) is None:
                yield dependency.conda_name, "" if dependency.where in given_up else dependency.conda_spec

    def has(self, package: str, version: Version, python: str, target: Target) -> bool:
        """Whether the channel has a build of a release's series for a Python."""
        key = (package, series(version), python, target.subdir)
        if key not in self._there:
            self._there[key] = any(
                (there := parsed(build.version)) is not None
                and series(there) == series(version)
                and build.fits_python(python)
                for build in self._offered(conda_name(package), target.subdir)
            )
        return self._there[key]

    def _offered(self, name: str, subdir: Subdir) -> Sequence[Build]:
        if (name, subdir) not in self._builds:
            catalogue = self.question.catalogue
            self._builds[name, subdir] = catalogue.builds(name, subdir) if catalogue is not None else ()
        return self._builds[name, subdir]

    def _missing(self, name: str, spec: str, target: Target, combination: Combination) -> Refusal | None:
        offered = self._offered(name, target.subdir)
        where = f" for {target.subdir}"
        if not offered:
            return Refusal(statement=f"{self.channel} has no {name}{where}", facts=(), packages=(name,))
        ranges = conda_to_pep440(spec)
        allowed = offered
        if ranges:
            inside = {
                text
                for text in {build.version for build in offered}
                if (version := parsed(text)) is None or any(one.contains(version, prereleases=True) for one in ranges)
            }
            allowed = [build for build in offered if build.version in inside]
        if not allowed:
            newest = max((v for build in offered if (v := parsed(build.version)) is not None), default=None)
            return Refusal(
                statement=f"{self.channel} has no {name} {spec}{where}{f' (newest: {newest})' if newest else ''}",
                facts=(),
                packages=(name,),
            )
        python = combination.python
        of_python = [build for build in allowed if build.fits_python(python)]
        if not of_python:
            has = tuple(minor for minor in reversed(PYTHONS) if any(build.fits_python(minor) for build in allowed))
            return Refusal(
                statement=self._of_other_pythons(_asked(name, spec), has, where, combination),
                facts=(),
                packages=(name, "python"),
            )
        if target.subdir.is_osx:
            of_python = [build for build in of_python if build.fits_macos(target.macos)] or of_python
        return self._beside(name, spec, of_python, target, combination)

    def _of_other_pythons(self, asked: str, has: Sequence[str], where: str, combination: Combination) -> str:
        """What a package has builds for, after the Python that was chosen or asked for, and for what."""
        question, main = self.question, combination.main
        builds = f"{asked} has builds for Python {', '.join(has) or 'none that envbuild plans for'} only{where}"
        if main is None and len(question.minors) > 1:
            some = set(has) & set(question.minors)
            allowed = f"and the recipe allows {question.recipe.python}"
            return f"{builds}, {f'not for {combination.python}' if some else allowed}"
        who = "the recipe asks for" if len(question.minors) == 1 else "envbuild chose"
        beside = f" for {question.facts.display(main.package, series(main.newest))}" if main is not None else ""
        return f"{who} Python {combination.python}{beside if who == 'envbuild chose' else ''}; {builds}"

    def _beside(
        self, name: str, spec: str, builds: Sequence[Build], target: Target, combination: Combination
    ) -> Refusal | None:
        """What else was chosen, one package after the other, against what the remaining builds depend on."""
        if target.origin != "conda-forge" or combination.main is None:
            return None
        framework = self.question.framework
        others = (*combination.partners, *((combination.numpy,) if combination.numpy else ()))
        choices = [(combination.main, framework.conda), (combination.main, framework.conda_base)]
        for choice, conda in (*choices, *((choice, conda_name(choice.package)) for choice in others)):
            if not choice.versions or conda in (name, ""):
                continue
            fitting = [build for build in builds if build.admits(conda, choice.versions)]
            if not fitting:
                ranges = sorted({build.depends[conda] for build in builds if build.depends.get(conda)})
                chosen = self.question.facts.display(choice.package, choice.newest)
                return Refusal(
                    statement=f"{_asked(name, spec)} for {target.subdir} needs {conda} {' or '.join(ranges[-2:])}, "
                    f"which leaves out {chosen}",
                    facts=(),
                    packages=(name, choice.package),
                )
            builds = fitting
        return None


def _asked(name: str, spec: str) -> str:
    return f"{name} {spec}" if spec else name
