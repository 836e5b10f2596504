"""The installation as a whole: finished, in its place, its links whole, and nothing in it that runs unasked."""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import TYPE_CHECKING, Final

from builder.checks.causes import STARTUP
from builder.checks.check import Check, Needs
from builder.checks.startup import Startup, strays
from builder.environment.intact import closed_folders, linked_folders
from builder.environment.model import Kind
from builder.environment.stamp import RELATIVE_PATH, upgrade
from builder.files import SET_ASIDE
from builder.finding import Finding, Remedy, Status
from builder.probes.level import Level
from builder.wording import listed, listing, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.subject import Subject
    from builder.environment.environment import Environment
    from builder.environment.lost import Lost
    from builder.environment.moved import RecordedPrefix

#: conda-build records a link whose target was not there when it packed the file with the hash of nothing.
_NOTHING: Final = hashlib.sha256(b"").hexdigest()


def _finished(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    if environment.is_unfinished and not subject.building:
        yield Finding(
            check="env.finished",
            status=Status.FAIL,
            title="`envbuild create` is at work here, or was interrupted",
            evidence=("conda-meta/envbuild.building",),
            remedy=Remedy("Wait for the other `envbuild create`, or run it again: it begins anew where it was killed."),
        )
        return
    if environment.needs_newer:
        yield Finding(
            check="env.finished",
            # Nothing is known to be amiss; what the lock says is unproven, and that must not pass for proof.
            status=Status.WARN,
            title="A newer envbuild made this environment: what belongs in it is unproven",
            evidence=(f"{RELATIVE_PATH.as_posix()}: {environment.needs_newer}",),
            remedy=Remedy(upgrade()),
        )
        return
    if environment.lost is not None and not subject.building:
        yield _lost(environment, environment.lost)
        return
    yield Finding(
        check="env.finished",
        # What nobody recognises must not be the one thing that passed: a mistyped folder would be a success.
        status=Status.SKIP if environment.kind is Kind.UNKNOWN else Status.PASS,
        title=f"This is {_KINDS.get(environment.kind, f'a {environment.kind} environment')}",
        evidence=(f"told by {environment.recognised.evidence}",),
    )


def _lost(environment: Environment, gone: Lost) -> Finding:
    damaged = os.path.lexists(environment.path / gone.what)
    say = f"Put {environment.path} aside and create it again"
    return Finding(
        check="env.finished",
        status=Status.FAIL,
        title=f"{gone.what} {'is damaged' if damaged else 'is gone'}: nothing knows any more what belongs in this "
        "environment",
        evidence=gone.evidence,
        remedy=Remedy(
            f"{say} from its lock.",
            (
                shlex.join(("mv", "--", str(environment.path), f"{environment.path}{SET_ASIDE}")),
                shlex.join((*gone.made_with, "-p", str(environment.path))),
            ),
        )
        if gone.made_with is not None
        else Remedy(f"{say} with the tool that made it."),
    )


_KINDS: Final[dict[Kind, str]] = {
    Kind.ENVBUILD: "an environment that envbuild made",
    Kind.CONDA: "a conda environment",
    Kind.VENV: "a virtual environment of Python's venv",
    Kind.UV: "a virtual environment of uv",
    Kind.VIRTUALENV: "a virtual environment of virtualenv",
    Kind.PIXI: "an environment of pixi",
    Kind.SYSTEM: "a Python of its own, no environment",
    Kind.WHEELS: "a folder of wheels",
    Kind.UNKNOWN: "no environment that is known",
}


def _moved(subject: Subject) -> Iterator[Finding]:
    """Scripts and the stamp name the prefix they were made for."""
    environment = subject.environment
    if not (environment.kind.is_conda or environment.kind.is_virtual):
        yield Finding(check="env.moved", status=Status.SKIP, title="Only environments know where they were made")
        return
    named = environment.recorded_prefixes
    if not named:
        yield Finding(check="env.moved", status=Status.SKIP, title="No file here names the place it was made for")
        return
    foreign = environment.strays
    if not foreign:
        yield Finding(
            check="env.moved",
            status=Status.PASS,
            title="The environment is where it was made",
            evidence=(f"{plural(sum(len(one.files) for one in named), 'file')} name {environment.path}",),
        )
        return
    first = foreign[0]
    evidence = tuple(f"{one.path}: named by {listing(one.files, most=6)}" for one in foreign)
    if named[0] == first:
        yield Finding(
            check="env.moved",
            status=Status.FAIL,
            title=f"The environment was moved or copied here from {first.path}: {_what(first)}",
            evidence=evidence,
            remedy=subject.repair.rebuild(
                why=f"Move it back to {first.path}, or build it here: what it runs lies at the old place."
            ),
        )
    else:
        yield Finding(
            check="env.moved",
            status=Status.WARN,
            title=f"{plural(sum(len(one.files) for one in foreign), 'script')} run the Python of another environment: "
            f"{listing(first.files, most=3)}",
            evidence=evidence,
            remedy=Remedy("Reinstall the packages of these scripts with this environment's own Python."),
        )


def _what(prefix: RecordedPrefix) -> str:
    scripts = [file for file in prefix.files if file.startswith("bin/")]
    if not scripts:
        return "its stamp names that place"
    return f"{plural(len(scripts), 'script runs', 'scripts run')} the Python of the old place"


def _pyvenv(subject: Subject) -> Iterator[Finding]:
    """Python takes the library that `pyvenv.cfg` beside it names for its own; a conda environment has none."""
    environment = subject.environment
    file = environment.path / "pyvenv.cfg"
    if not environment.is_conda:
        yield Finding(
            check="env.pyvenv", status=Status.SKIP, title="Not a conda environment, so it may have a pyvenv.cfg"
        )
    elif not os.path.lexists(file):
        yield Finding(check="env.pyvenv", status=Status.PASS, title="No pyvenv.cfg leads Python to another library")
    else:
        home = environment.pyvenv.values.get("home") if environment.pyvenv is not None else None
        yield Finding(
            check="env.pyvenv",
            status=Status.FAIL,
            title="pyvenv.cfg makes this conda environment's Python take itself for a virtual environment"
            + (f" of {home}" if home else ""),
            evidence=(f"{file}: home = {home}" if home else f"{file} names no home",),
            remedy=subject.repair.set_aside(file, say="Move it out of the way: no conda package brings such a file."),
            about=frozenset(("python", STARTUP)),
        )


def _links(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    outside = linked_folders(environment, (*environment.owners.files, "conda-meta/history"))
    if outside:
        yield _outside(subject, outside)
        return
    closed = closed_folders(environment, environment.owners.files)
    if closed:
        yield _closed(environment, closed)
        return
    never = _never_led_anywhere(environment)
    broken = [rel for rel in environment.broken_links if rel not in never]
    if not broken:
        looked = bool(environment.owners.files) or environment.interpreter is not None
        yield Finding(
            check="env.links",
            status=Status.PASS if looked else Status.SKIP,
            title="No installed file is a link that leads nowhere" if looked else "No installed files to check",
        )
        return
    owners = [environment.owners.package(rel) for rel in broken]
    interpreter = environment.interpreter
    first = interpreter.path.relative_to(environment.path).as_posix() if interpreter is not None else ""
    named = [first] if first in broken else broken
    yield Finding(
        check="env.links",
        status=Status.FAIL,
        title=f"{listing(named, most=3)} {'leads' if len(named) == 1 else 'lead'} nowhere: "
        f"{'a broken link' if len(broken) == 1 else f'{len(broken):,} broken links'}",
        evidence=listed([f"{rel} → {_target(environment, rel)}" for rel in broken]),
        remedy=subject.repair.restore(owners),
        about=frozenset((*broken, *(owner.name for owner in owners if owner is not None))),
    )


def _outside(subject: Subject, folders: dict[str, str]) -> Finding:
    one = len(folders) == 1
    return Finding(
        check="env.links",
        # What a lock describes lies in the environment; in anybody else's a shared folder may be meant.
        status=Status.FAIL if subject.environment.stamp is not None else Status.WARN,
        title=f"{listing(list(folders), most=3)} {'is a link' if one else 'are links'} out of the environment: what is "
        "installed there is somewhere else",
        evidence=listed([f"{rel} → {real}" for rel, real in folders.items()]),
        remedy=subject.repair.rebuild(),
        about=frozenset(folders),
    )


def _closed(environment: Environment, folders: list[str]) -> Finding:
    one = len(folders) == 1
    paths = [str(environment.path / folder) for folder in folders]
    below = tuple(f"{folder}/" for folder in folders)
    owners = {claims[-1].owner.name for rel, claims in environment.owners.files.items() if rel.startswith(below)}
    return Finding(
        check="env.links",
        status=Status.FAIL,
        title=f"Nobody may enter {listing(folders, most=3)}, {'a folder' if one else 'folders'} of installed files",
        evidence=listed([f"{folder}: no permission to enter it" for folder in folders]),
        remedy=Remedy(
            f"Give {'it' if one else 'them'} back the usual permissions.",
            (shlex.join(("chmod", "u=rwx,go=rx", "--", *paths)),),
        ),
        about=frozenset((*folders, *owners)),
    )


def _never_led_anywhere(environment: Environment) -> set[str]:
    """Links that a conda package was built with and that led nowhere then."""
    return {
        item.path
        for record in environment.conda_records
        for item in record.paths
        if item.kind == "softlink" and _NOTHING in (item.sha256, item.sha256_in_prefix)
    }


def _target(environment: Environment, rel: str) -> str:
    try:
        return str((environment.path / rel).readlink())
    except OSError as error:
        return error.strerror or type(error).__name__


def _startup(subject: Subject) -> Iterator[Finding]:
    environment = subject.environment
    found = strays(environment)
    if not found:
        looked = bool(environment.site_folders)
        yield Finding(
            check="env.startup",
            status=Status.PASS if looked else Status.SKIP,
            title="Only packages' own files run code when Python starts" if looked else "No site-packages to check",
        )
        return
    rels = [_relative(one, environment) for one in found]
    moves = [subject.repair.set_aside(one.path, say="") for one in found]
    yield Finding(
        check="env.startup",
        # It may be meant, and harmless. What comes of it is for the processes to say, and makes it a failure.
        status=Status.FAIL if any(one.problem for one in found) else Status.WARN,
        title=f"{listing(rels)} {'runs' if len(rels) == 1 else 'run'} code whenever Python starts, and no package "
        f"brought {'it' if len(rels) == 1 else 'them'}",
        evidence=listed([one.line.removeprefix(f"{environment.path}/") for one in found]),
        remedy=Remedy(
            f"Move {'it' if len(rels) == 1 else 'them'} out of the way, unless you put "
            f"{'it' if len(rels) == 1 else 'them'} there on purpose.",
            tuple(command for move in moves for command in move.commands),
        ),
        about=frozenset((*rels, STARTUP)),
    )


def _relative(one: Startup, environment: Environment) -> str:
    return str(one.path).removeprefix(f"{environment.path}/")


CHECKS: Final = (
    Check(
        id="env.finished",
        area="installation",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="An environment that `envbuild create` has not finished, or that has lost its conda-meta or its stamp; "
        "says what kind of environment it is.",
        otherwise="ModuleNotFoundError for half of the packages.",
        run=_finished,
    ),
    Check(
        id="env.moved",
        area="installation",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="An environment that was moved or copied: its scripts and activation name the old place.",
        otherwise="`bad interpreter: No such file or directory`, or pip that installs into another environment.",
        run=_moved,
    ),
    Check(
        id="env.pyvenv",
        area="installation",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="A pyvenv.cfg in a conda environment, left by `python -m venv` or copied there.",
        otherwise="Python with another version's standard library: `No module named '_struct'`, or none at all.",
        run=_pyvenv,
    ),
    Check(
        id="env.links",
        area="installation",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="Installed files, the interpreter among them, that are links leading nowhere; folders of such files "
        "that are links out of the environment, or that nobody may enter.",
        otherwise="`No such file or directory` for a file that `ls` shows.",
        run=_links,
    ),
    Check(
        id="env.startup",
        area="installation",
        needs=Needs.FILES,
        level=Level.QUICK,
        catches="`.pth` files, sitecustomize and usercustomize that no package brought, and that run at every start.",
        otherwise="Text in front of every program's output, variables that nobody set, or Python ending at once.",
        run=_startup,
    ),
)
