"""Class F: what could be tidied. Never a cause, never an exit code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.doctor import stack
from builder.doctor.claims.jetbrains_settings import products
from builder.doctor.model import Diagnosis, Ide, Level, Place, Presence
from builder.doctor.rules.architecture import subdir_settings
from builder.doctor.rules.broken import examined
from builder.finding import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.doctor.case import Case

#: Downloaded archives of a conda that are worth a note, in bytes.
_LARGE_CACHE: Final = 5_000_000_000


def diagnose(case: Case) -> Iterator[Diagnosis]:
    yield from _registry(case)
    yield from _shell(case)
    yield from _old_settings(case)
    yield from _jetbrains(case)
    yield from _subdir(case)
    yield from _overruled(case)
    yield from _same_name(case)
    yield from _half_deleted(case)
    yield from _managers(case)
    yield from _installers(case)
    yield from _caches(case)


def _note(check: str, sentence: str, *places: Place, remedy: str | None = None) -> Diagnosis:
    return Diagnosis(
        check=check,
        klass="F",
        level=Level.NOTE,
        sentence=sentence,
        decided_by=places,
        remedy=Remedy(say=remedy) if remedy else None,
    )


def _registry(case: Case) -> Iterator[Diagnosis]:
    dead = case.around.survey.dead_registrations
    if dead:
        file, line, path = dead[0]
        rest = f" (and {len(dead) - 1} more)" if len(dead) > 1 else ""
        yield _note(
            "conda.registry",
            f"{case.show(file)} lists {case.show(path)}{rest}, which is gone",
            Place(file=file, line=line),
            remedy="remove the line; conda does not mind it",
        )


def _shell(case: Case) -> Iterator[Diagnosis]:
    for conda in case.shell.condas:
        if case.around.disk.presence(Path(conda.value)) is Presence.GONE:
            yield _note(
                "conda.rc",
                f"{case.show(conda.place.file)} initialises {case.show(conda.value)}, which is gone",
                conda.place,
                remedy="remove that block",
            )
    if len(case.shell.condas) > 1 and case.shell.conda is not None:
        yield _note(
            "conda.rc",
            f"{len(case.shell.condas)} condas are initialised; a new shell gets {case.show(case.shell.conda.value)}",
            *(conda.place for conda in case.shell.condas),
        )


def _old_settings(case: Case) -> Iterator[Diagnosis]:
    project = case.around.project
    if project is None:
        return
    document = case.around.json(project / ".vscode" / "settings.json")
    if document is not None and document.get("python.pythonPath"):
        place = Place(file=project / ".vscode" / "settings.json", line=document.line("python.pythonPath"))
        yield _note("ide.stale", "python.pythonPath is ignored since 2021", place, remedy="remove the line")


def _jetbrains(case: Case) -> Iterator[Diagnosis]:
    asked = case.around.asked
    if asked is not None and not asked & {Ide.DATASPELL, Ide.PYCHARM, Ide.INTELLIJ}:
        return
    for product in products(case.around):
        if product.older:
            names = ", ".join(path.name for path in product.older)
            yield _note("ide.stale", f"{product.folder.name} is in use; {names} is of an older version")
        if product.stored_conda is not None and _is_dead(case, product.stored_conda[0]):
            written, place = product.stored_conda
            yield _note("ide.stale", f"{product.who} remembers the conda {case.show(written)}, which is gone", place)
        dead = [sdk for sdk in product.sdks.values() if not sdk.elsewhere and _is_dead(case, sdk.home)]
        if dead:
            rest = f" (and {len(dead) - 1} more)" if len(dead) > 1 else ""
            yield _note(
                "ide.stale",
                f"{product.who} lists the interpreter {dead[0].name}{rest}, which is gone",
                dead[0].place,
            )


def _is_dead(case: Case, home: str) -> bool:
    return bool(home) and case.around.disk.presence(case.around.disk.place(home)) is Presence.GONE


def _subdir(case: Case) -> Iterator[Diagnosis]:
    if not case.around.machine.apple_silicon:
        return
    for place, text in subdir_settings(case, case.meant.interpreter.prefix if case.meant else None):
        yield _note(
            "conda.subdir", f"{text}: whatever conda installs from now on is for Intel", place, remedy="remove it"
        )


def _overruled(case: Case) -> Iterator[Diagnosis]:
    for claim in case.claims:
        if claim.overruled and claim.interpreter is not None and claim.interpreter.presence is Presence.PRESENT:
            reason = claim.overruled
            if "does not exist" in reason:
                yield _note("ide.stale", f"{claim.subject}: {reason}", *claim.decided_by)


def _same_name(case: Case) -> Iterator[Diagnosis]:
    """The name of the environment that is meant, under another root too: `conda activate NAME` may take the other."""
    meant = case.meant.interpreter if case.meant is not None else None
    if meant is None or meant.prefix is None:
        return
    for env in case.around.survey.environments:
        other = env.prefix
        if (
            other is not None
            and other.name == meant.prefix.name
            and not case.same(env, meant)
            and other.parent.name == "envs"
        ):
            yield _note(
                "shell.conda",
                f"there are two environments called {other.name}: {case.show(meant.prefix)} and {case.show(other)}",
            )


def _half_deleted(case: Case) -> Iterator[Diagnosis]:
    """What is left of environments that nobody asks for: a conda-meta with records, and no interpreter."""
    judged = [env.prefix for env in examined(case)]
    for env in case.around.survey.environments:
        if env.prefix is not None and env.presence is Presence.GONE and env.version and env.prefix not in judged:
            yield _note(
                "env.half-deleted",
                f"{case.show(env.prefix)} is half-deleted: its interpreter is gone, and other files are still there",
                Place(file=env.path),
                remedy="remove what is left of it",
            )


def _managers(case: Case) -> Iterator[Diagnosis]:
    """pip over conda: conda still believes in its own version, and the next install may mix the two."""
    meant = case.meant.interpreter if case.meant is not None else None
    provenance = case.provenance
    if meant is None or meant.prefix is None or provenance is None:
        return
    hiding = [(name, old, new) for name, old, new in provenance.over if name in stack.hidden()]
    if hiding:
        name, old, new = hiding[0]
        rest = f" (and {len(hiding) - 1} more)" if len(hiding) > 1 else ""
        yield _note(
            "env.managers",
            f"in {case.show(meant.prefix)} pip has put {name} {new} over conda's {old}{rest}",
            Place(file=meant.prefix / "conda-meta"),
            remedy="let one of the two install it; `envbuild verify` tells whether the files fit",
        )


def _installers(case: Case) -> Iterator[Diagnosis]:
    """Settings by which pip and uv install elsewhere than in the environment that is active.

    Sources: pip's documentation (configuration files), uv's (`/etc/uv/uv.toml`).
    """
    around, home = case.around, case.around.disk.home
    # pip's order: for all users, for the user (its old and its new place), for the environment.
    files = [around.disk.place(file) for file in ("/etc/pip.conf", "/etc/xdg/pip/pip.conf")]
    if around.machine.is_mac:
        files.append(around.disk.place("/Library/Application Support/pip/pip.conf"))
    files += [home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"]
    files += [around.settings_root / "pip" / "pip.conf"]
    if case.meant is not None and case.meant.interpreter.prefix is not None:
        files.append(case.meant.interpreter.prefix / "pip.conf")
    for file in dict.fromkeys(files):
        for number, line in enumerate((around.disk.text(file) or "").splitlines(), 1):
            found = re.match(r"\s*(target|prefix|root|user)\s*[=:]\s*(\S.*)$", line)
            if found and found[2].strip().lower() not in ("false", "no", "0"):
                yield _note(
                    "pip.config",
                    f"pip installs elsewhere than in the environment: {found[1]} = {found[2].strip()}",
                    Place(file=file, line=number, key=found[1]),
                    remedy="remove the line",
                )
    folders = [around.disk.place("/etc/uv"), home / ".config" / "uv"] + (
        [around.project] if around.project is not None else []
    )
    for file in (folder / "uv.toml" for folder in folders):
        for number, line in enumerate((around.disk.text(file) or "").splitlines(), 1):
            found = re.match(r"\s*(target|prefix|system|break-system-packages|python)\s*=\s*(\S.*)$", line)
            if found and found[2].strip() != "false":
                yield _note(
                    "pip.config",
                    f"uv is told where to install: {found[1]} = {found[2].strip()}",
                    Place(file=file, line=number, key=found[1]),
                )


def _caches(case: Case) -> Iterator[Diagnosis]:
    """The archives conda keeps; their unpacked folders are linked into environments and not counted."""
    for root in case.around.survey.condas:
        folder = root.prefix / "pkgs"
        size = sum(
            case.around.disk.size(folder / name)
            for name in case.around.disk.entries(folder)
            if name.endswith((".conda", ".tar.bz2"))
        )
        if size > _LARGE_CACHE:
            yield _note(
                "disk.cache",
                f"{case.show(folder)} keeps {size / 1e9:.1f} GB of downloaded packages",
                Place(file=folder),
                remedy="`conda clean --tarballs` removes them",
            )
