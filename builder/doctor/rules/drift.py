"""How the environment that is meant differs from the project's lock, where it has one: notes, never a cause."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.doctor import stack
from builder.doctor.installed import normalized
from builder.doctor.model import Diagnosis, Level, Place
from builder.errors import EnvbuildError
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from builder.doctor.case import Case
    from builder.doctor.model import Interpreter

_NAMED = 4
_LOCK_LIMIT = 20_000_000


@dataclass(frozen=True, kw_only=True)
class _Locked:
    """A lock that is of this environment: what it holds (normalised name → version), and what restores it."""

    file: Path
    versions: Mapping[str, str]
    command: str


def diagnose(case: Case) -> Iterator[Diagnosis]:
    meant = case.meant.interpreter if case.meant is not None else None
    if meant is None or meant.prefix is None or case.around.project is None:
        return
    for locked in (*_conda_locks(case, meant, case.around.project), *_uv_lock(case, meant, case.around.project)):
        differing = {
            name: (version, meant.packages.get(name))
            for name, version in locked.versions.items()
            if meant.packages.get(name) != version
        }
        if not differing:
            continue
        order = {name: place for place, name in enumerate(stack.examined())}
        names = sorted(differing, key=lambda name: (order.get(name, len(order)), name))
        shown = [f"{name} {differing[name][1] or 'not installed'} instead of {differing[name][0]}" for name in names]
        rest = f", and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield Diagnosis(
            check="env.drift",
            klass="F",
            level=Level.NOTE,
            sentence=f"{case.show(meant.prefix)} is not as {case.show(locked.file)} has it: "
            f"{', '.join(shown[:_NAMED])}{rest}",
            decided_by=(Place(file=locked.file),),
            remedy=Remedy("make it as the lock has it", (locked.command,)),
            evidence=tuple(shown[:30]),
        )


def _conda_locks(case: Case, meant: Interpreter, project: Path) -> Iterator[_Locked]:
    """The lock of an environment of that name, or the only one of a project that has the environment as its own."""
    assert meant.prefix is not None
    name = meant.prefix.name
    candidates = [(project / "environments" / name / "conda-lock.yml", f"envbuild sync {name}")]
    if case.project.name == name or meant.prefix.is_relative_to(project):
        candidates.append(
            (project / "conda-lock.yml", f"conda-lock install -p {meant.prefix} {project}/conda-lock.yml")
        )
    for file, command in candidates:
        content = case.around.disk.read(file, limit=_LOCK_LIMIT)
        if meant.subdir is None or content is None:
            continue
        # Slow to import, and most projects have no lock.
        from builder.lock.read import parse_lock
        from builder.plan.terms import MAIN_GROUP
        from builder.platforms import Subdir

        try:
            packages = parse_lock(content, place=file).on(Subdir(meant.subdir))
        except ValueError:
            continue  # a platform that no lock is made for
        except EnvbuildError as error:
            case.around.disk.skip(file, error.message)
            continue
        if packages:
            main = [package for package in packages if MAIN_GROUP in package.groups]
            versions = {normalized(package.name): package.version for package in main}
            yield _Locked(file=file, versions=versions, command=command)


def _uv_lock(case: Case, meant: Interpreter, project: Path) -> Iterator[_Locked]:
    """uv.lock, for the project's own environment. It holds every platform's packages: only those that are installed in
    another version, or in question and absent, are differences for sure."""
    assert meant.prefix is not None
    file = project / "uv.lock"
    text = case.around.disk.text(file, limit=_LOCK_LIMIT) if meant.prefix.is_relative_to(project) else None
    if text is None:
        return
    try:
        entries = tomllib.loads(text).get("package", [])
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        case.around.disk.skip(file, f"not valid TOML ({error})")
        return
    found: dict[str, set[str]] = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("name"), str) and isinstance(entry.get("version"), str):
            found.setdefault(normalized(entry["name"]), set()).add(entry["version"])
    versions = {
        name: next(iter(several))
        for name, several in found.items()
        if len(several) == 1 and (name in meant.packages or name == case.wanted)
    }
    yield _Locked(file=file, versions=versions, command=f"uv sync --project {project}")
