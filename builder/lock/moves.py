"""What a new lock changes against the old one, and why: for people, and for the tests that nothing else moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from builder.lock.parity import subject
from builder.names import project

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from builder.lock.model import Lock, LockedPackage
    from builder.platforms import Subdir
    from builder.render.model import PlatformSpecs, Rendered


class Previous(Struct, frozen=True, kw_only=True):
    """The lock there was, whose versions a new one stays at; what may move is named.

    `moving` are names (any spelling, conda's or PyPI's) to take anew; with `everything` all are.
    """

    lock: Lock
    moving: frozenset[str] = frozenset()
    everything: bool = False

    def preferred(self, subdir: Subdir, manager: Literal["conda", "pip"]) -> tuple[LockedPackage, ...]:
        """The packages of one platform to stay at."""
        if self.everything:
            return ()
        return tuple(package for package in self.lock.on(subdir, manager=manager) if not self.asked(package.name))

    def asked(self, name: str) -> bool:
        return self.everything or canonicalize_name(name) in {canonicalize_name(moving) for moving in self.moving}


def names_in(lock: Lock, asked: str) -> frozenset[str]:
    """The canonical names of all packages of a lock that `asked` means, whichever spelling it is in.

    Conda's `pytorch` and PyPI's `torch` are one project, and so are `tensorflow` and its `tensorflow-base`. A name
    that is not in the lock in any spelling gives nothing.
    """
    canonical = canonicalize_name(asked)
    wanted = {project(asked.lower()), project(asked, conda=False)}
    return frozenset(
        canonicalize_name(package.name)
        for package in lock.packages
        if canonicalize_name(package.name) == canonical or subject(package) in wanted
    )


class Move(Struct, frozen=True, kw_only=True):
    """One package of one platform that the new lock has in another version or build; None: it was, or is, not there."""

    subdir: Subdir
    manager: Literal["conda", "pip"]
    name: str
    before: LockedPackage | None
    after: LockedPackage | None
    why: str

    @property
    def kind(self) -> Literal["added", "removed", "moved", "rebuilt"]:
        if self.before is None:
            return "added"
        if self.after is None:
            return "removed"
        return "moved" if self.before.version != self.after.version else "rebuilt"


class _Side(Struct, frozen=True, kw_only=True):
    """The packages of one platform, by manager and name."""

    packages: Mapping[tuple[str, str], LockedPackage]
    requested: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """What the recipe asks for, as it is written in environment.yml."""

    def dependents(self, name: str) -> list[LockedPackage]:
        wanted = canonicalize_name(name)
        return [
            package
            for package in self.packages.values()
            if any(canonicalize_name(dependency) == wanted for dependency in package.dependencies)
        ]


def moves(
    previous: Previous, packages: Sequence[LockedPackage], rendered: Rendered, *, exact: frozenset[str]
) -> tuple[Move, ...]:
    """What the new `packages` of all platforms change, in the order of platform, manager and name.

    `exact` are the projects whose versions were fixed for parity.
    """
    found: list[Move] = []
    for specs in rendered.platforms:
        old = _Side(packages=_by_name(previous.lock.on(specs.subdir)))
        new = _Side(
            packages=_by_name(package for package in packages if package.subdir is specs.subdir),
            requested=_requested(specs),
        )
        for key in sorted(old.packages.keys() | new.packages.keys()):
            before, after = old.packages.get(key), new.packages.get(key)
            if (
                before is None
                or after is None
                or (before.version, before.without_names) != (after.version, after.without_names)
            ):
                manager: Literal["conda", "pip"] = "conda" if key[0] == "conda" else "pip"
                why = _why(key, old, new, previous=previous, exact=exact)
                found.append(
                    Move(subdir=specs.subdir, manager=manager, name=key[1], before=before, after=after, why=why)
                )
    return tuple(found)


def told(found: Iterable[Move]) -> list[str]:
    """One line for each change, platforms that agree together: `numpy 2.1.0 → 2.2.0 (osx-arm64): the recipe …`."""
    lines: dict[tuple[str, str], list[Subdir]] = {}
    for move in found:
        before, after = (_version(move, side) for side in (move.before, move.after))
        change = {"added": f"+ {move.name} {after}", "removed": f"- {move.name} {before}"}.get(
            move.kind, f"{move.name} {before} → {after}"
        )
        lines.setdefault((change, move.why), []).append(move.subdir)
    return [f"{change} ({', '.join(subdirs)}): {why}" for (change, why), subdirs in lines.items()]


def _version(move: Move, package: LockedPackage | None) -> str:
    if package is None:
        return ""
    return f"{package.version} {package.build}" if move.kind == "rebuilt" else package.version


def _by_name(packages: Iterable[LockedPackage]) -> dict[tuple[str, str], LockedPackage]:
    return {(package.manager, package.name): package for package in packages}


def _requested(specs: PlatformSpecs) -> dict[tuple[str, str], str]:
    return {(line.manager, canonicalize_name(line.name)): line.text for line in (*specs.conda, *specs.pip)}


def _why(key: tuple[str, str], old: _Side, new: _Side, *, previous: Previous, exact: frozenset[str]) -> str:
    manager, name = key
    before, after = old.packages.get(key), new.packages.get(key)
    asked = new.requested.get((manager, canonicalize_name(name)))
    dependents = new.dependents(name)
    if after is None:
        now = sorted(text for other, text in new.packages if other != manager and text == name)
        return f"it now comes from {'PyPI' if manager == 'conda' else 'conda'}" if now else "no longer needed"
    if before is None:
        if asked is not None:
            return f"the recipe asks for it ({asked})"
        return f"{dependents[0].name} {dependents[0].version} needs it" if dependents else "the solver added it"
    if previous.asked(name):
        return "its update was requested"
    if asked is not None and not _allows(asked.removeprefix(name).strip(), before.version, manager=manager):
        return f"the recipe asks for {asked}"
    for package in dependents:
        allowed = package.dependencies.get(name, "*")
        if not _allows(allowed, before.version, manager=package.manager):
            return f"{package.name} {package.version} needs {name} {allowed}"
    if subject(before) in exact:
        return "so that all platforms have the same version"
    for need, text in before.dependencies.items():
        other = new.packages.get((manager, need))
        if other is None and not need.startswith("__"):
            return f"{name} {before.version} needs {need}, which is no longer there"
        if other is not None and not _allows(text, other.version, manager=manager):
            return f"{name} {before.version} needs {need} {text}; {need} is now {other.version}"
    if before.version == after.version:
        return "another build fits the other packages"
    return "no longer on the channel, or incompatible with the other packages"


def _allows(spec: str, version: str, *, manager: str) -> bool:
    """Whether a conda or PyPI version range allows a version; what cannot be read allows everything."""
    spec = spec.split(" ")[0] if manager == "conda" else spec.partition(";")[0].strip()
    if spec in ("", "*"):
        return True
    if manager == "pip":
        try:
            return SpecifierSet(spec.partition("]")[2] if spec.startswith("[") else spec).contains(
                version, prereleases=True
            )
        except (InvalidSpecifier, InvalidVersion):
            return True
    import rattler
    from rattler.exceptions import InvalidVersionError, InvalidVersionSpecError

    try:
        return rattler.VersionSpec(spec).matches(rattler.Version(version))
    except (InvalidVersionSpecError, InvalidVersionError):
        return True
