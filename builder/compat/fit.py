"""Do these exact versions fit on this target? The one place that turns facts into an answer.

The chooser asks it about candidates, `envbuild compat explain` about what a user types, and a verification may ask
it about what is installed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.compat.facts import Refusal, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from builder.compat.facts import Facts
    from builder.compat.model import Build, Fact, Origin, Relation, Release
    from builder.platforms import Subdir

#: An origin as people write it.
WHERE: Final[Mapping[Origin, str]] = {"pypi": "PyPI", "conda-forge": "conda-forge"}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The target: platform, Python minor, macOS floor, and where each package comes from (PyPI unless said)."""

    subdir: Subdir | None = None
    python: str | None = None
    macos: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)

    def origin(self, package: str) -> Origin:
        return self.origins.get(package, "pypi")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the facts say about a set of versions. It fits when there is no refusal."""

    refusals: tuple[Refusal, ...] = ()
    unsafe: tuple[Relation, ...] = ()
    proofs: tuple[Fact, ...] = ()
    unproven: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        return not self.refusals

    def __add__(self, other: Judgement) -> Judgement:
        return Judgement(
            refusals=self.refusals + other.refusals,
            unsafe=self.unsafe + other.unsafe,
            proofs=self.proofs + other.proofs,
            unproven=self.unproven + other.unproven,
        )


def judge(versions: Mapping[str, Version], *, setting: Setting, facts: Facts) -> Judgement:
    """Everything the facts say about these exact versions together on the target."""
    result = Judgement()
    for package, version in versions.items():
        if package != "python":
            result += judge_one(package, version, setting=setting, facts=facts)
            result += _openmp(package, version, setting=setting, facts=facts)
    for (left, left_version), (right, right_version) in combinations(sorted(versions.items()), 2):
        if "python" not in (left, right):
            result += judge_pair((left, left_version), (right, right_version), setting=setting, facts=facts)
    return result


def judge_one(package: str, version: Version, *, setting: Setting, facts: Facts) -> Judgement:
    """Whether the release exists for the target's platform, Python and macOS."""
    origin = setting.origin(package)
    release = facts.release(package, version, origin) or _newer_patch(package, version, origin, facts)
    name = facts.display(package, version)
    if release is None:
        return Judgement(unproven=(_unknown(package, version, origin, facts),))
    if setting.subdir is None:
        return _python_fits(release, next(iter(release.builds.values())), name, setting, facts)
    build = release.build(setting.subdir)
    if build is None:
        return _no_build(release, name, setting, facts)
    floor = build.floor(setting.python)
    if setting.subdir.is_osx and setting.macos and floor and Version(floor) > Version(setting.macos):
        wheels = f" for Python {setting.python}" if setting.python in build.floors else ""
        return _refused(
            f"{name}{wheels} needs macOS {floor} and the floor is macOS {setting.macos}",
            release,
            package,
            remedy=f'raise `macos:` to "{floor}"',
        )
    return _python_fits(release, build, name, setting, facts)


def _openmp(package: str, version: Version, *, setting: Setting, facts: Facts) -> Judgement:
    """That a wheel for Apple silicon looks for its OpenMP runtime outside: whether that is there, nobody here knows."""
    if setting.origin(package) != "pypi" or setting.subdir not in (None, "osx-arm64"):
        return Judgement()
    wheel = facts.openmp_of(package, version)
    told = wheel.lacks(facts.display(package, version)) if wheel is not None else None
    return Judgement(unproven=(told,) if told is not None else ())


def _no_build(release: Release, name: str, setting: Setting, facts: Facts) -> Judgement:
    """The platform is not among the release's builds: refused where those are all there are."""
    package, origin = release.package, release.origin
    places = ", ".join(release.builds)
    if not facts.exhaustive(package, origin):
        return Judgement(
            unproven=(
                f"as of {release.date} no build of {name} for {setting.subdir} was seen on {WHERE[origin]} "
                f"(only for {places})",
            )
        )
    if not any(other.build(setting.subdir or "") for other in facts.releases_of(package, origin)):
        text = f"{facts.display(package)} has no build for {setting.subdir} on {WHERE[origin]} at all"
        return _refused(text, release, package)
    text = f"{name} has no build for {setting.subdir} on {WHERE[origin]} (there is one for {places})"
    return _refused(text, release, package)


def _python_fits(release: Release, build: Build, name: str, setting: Setting, facts: Facts) -> Judgement:
    python = setting.python
    place = f" on {setting.subdir}" if setting.subdir else ""
    if python is not None and build.pythons and python not in build.pythons:
        known = ", ".join(build.pythons)
        if not facts.exhaustive(release.package, release.origin):
            text = f"as of {release.date} {name} had {WHERE[release.origin]} builds for Python {known}{place}"
            return Judgement(unproven=(f"{text}; whether there is one for {python} was not seen",))
        text = f"{name} has {WHERE[release.origin]} builds for Python {known}{place}, not for {python}"
        return _refused(text, release, release.package, "python")
    declared = build.requires_python
    if python is not None and declared and not SpecifierSet(declared).contains(f"{python}.99"):
        return _refused(f"{name} declares Python {declared}, so not {python}", release, release.package, "python")
    return Judgement(proofs=(release,))


def judge_pair(left: tuple[str, Version], right: tuple[str, Version], *, setting: Setting, facts: Facts) -> Judgement:
    """What either declares about the other, and what is known about both together."""
    result = Judgement()
    for (package, version), (other, other_version) in ((left, right), (right, left)):
        release = facts.release(package, version, setting.origin(package))
        if release is not None:
            result += _declared(release, other, other_version, setting=setting, facts=facts)
    relations = facts.related(left, right, python=setting.python, origins=setting.origins, subdir=setting.subdir)
    names = tuple(sorted((left[0], right[0])))
    for relation in relations:
        if relation.verdict == "fails":
            refusal = Refusal(statement=relation.cause, facts=(relation,), remedy=relation.remedy, packages=names)
            result += Judgement(refusals=(refusal,))
        elif relation.verdict == "unsafe":
            result += Judgement(unsafe=(relation,))
        else:
            result += Judgement(proofs=(relation,))
    if facts.needs_proof(*names) and not any(relation.verdict in ("works", "fails") for relation in relations):
        unproven = f"no fact says that {facts.display(*left)} works with {facts.display(*right)}"
        result += Judgement(unproven=(unproven,))
    return result


def connected(left: tuple[str, Version], right: tuple[str, Version], *, setting: Setting, facts: Facts) -> bool:
    """Whether a fact is about both, or the metadata of either names the other."""
    if facts.related(left, right, python=setting.python, origins=setting.origins, subdir=setting.subdir):
        return True
    for (package, version), (other, _) in ((left, right), (right, left)):
        release = facts.release(package, version, setting.origin(package))
        if release is not None and any(_names(build, other) for build in release.builds.values()):
            return True
    return False


def _names(build: Build, other: str) -> bool:
    return any(canonicalize_name(Requirement(text).name) == canonicalize_name(other) for text in build.requires)


def older_patches(package: str, version: Version, *, facts: Facts) -> Iterator[Version]:
    """The older patches that the newest of a minor stands for, newest first; none of a package facts know exactly."""
    if not facts.knows_every_patch(package):
        for patch in range(version.micro - 1, -1, -1):
            yield Version(f"{version.major}.{version.minor}.{patch}")


def _newer_patch(package: str, version: Version, origin: Origin, facts: Facts) -> Release | None:
    """The newest patch of the version's minor, where facts keep no older ones."""
    if facts.knows_every_patch(package):
        return None
    for release in facts.releases_of(package, origin):
        known = Version(release.version)
        if known.release[:2] == version.release[:2] and known > version:
            return release
    return None


def _declared(release: Release, other: str, version: Version, *, setting: Setting, facts: Facts) -> Judgement:
    """What a release's own metadata says about another package, on the target or on any platform it is built for."""
    from builder.platforms import TARGETS

    subdirs = (setting.subdir,) if setting.subdir else TARGETS
    for subdir in subdirs:
        build = release.build(subdir)
        if build is None:
            continue
        python = setting.python or (build.pythons[-1] if build.pythons else "3.12")
        specifiers = facts.requirement(build, other, subdir=subdir, python=python)
        if specifiers is not None and not specifiers.contains(version, prereleases=True):
            text = f"{facts.display(release.package, release.version)} declares {other} {in_order(specifiers)}"
            return _refused(f"{text}, and {version} is outside", release, release.package, other)
    return Judgement()


def _refused(statement: str, release: Release, *packages: str, remedy: str | None = None) -> Judgement:
    refusal = Refusal(statement=statement, facts=(release,), remedy=remedy, packages=packages)
    return Judgement(refusals=(refusal,))


def _unknown(package: str, version: Version, origin: Origin, facts: Facts) -> str:
    known = facts.releases_of(package, origin)
    if not known:
        return f"no facts about {facts.display(package)} from {WHERE[origin]}"
    newest, oldest = Version(known[0].version), Version(known[-1].version)
    if version > newest:
        return f"{facts.display(package, version)} is newer than the newest release facts are about ({newest})"
    if version < oldest:
        return f"{facts.display(package, version)} is older than the oldest release facts are about ({oldest})"
    return f"{facts.display(package, version)} is not among the releases facts are about"
