"""The names of what the doctor looks for: for `--list`, `--only` and `--skip`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from builder.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Check:
    """`id` is stable; `klass` its place in the order of causes; `catches` one sentence."""

    id: str
    klass: str
    catches: str


CHECKS: Final = (
    Check(id="ide.interpreter", klass="A", catches="An IDE runs another interpreter than the one that has Keras."),
    Check(id="jupyter.kernel", klass="A", catches="A notebook's kernel runs another interpreter."),
    Check(id="shell.conda", klass="A", catches="A new shell, an alias or PATH leads to another environment."),
    Check(id="ide.dangling", klass="B", catches="An IDE is set to an interpreter that does not exist."),
    Check(id="jupyter.dangling", klass="B", catches="A kernel starts an interpreter that does not exist."),
    Check(id="ide.name-unknown", klass="B", catches="A project asks for an interpreter that the IDE has no entry for."),
    Check(id="ide.conda-gone", klass="B", catches="The conda that a JetBrains IDE has stored does not exist."),
    Check(
        id="env.subdir", klass="C", catches="The environment is an Intel build on Apple silicon, or mixes platforms."
    ),
    Check(id="ide.translated", klass="C", catches="An IDE runs under Rosetta, and what it starts with it."),
    Check(id="conda.arch", klass="C", catches="A new shell gets an Intel conda on Apple silicon."),
    Check(id="machine.translated", klass="C", catches="The terminal itself runs under Rosetta."),
    Check(id="env.half-deleted", klass="D", catches="The interpreter, or files that packages recorded, are gone."),
    Check(id="env.facts", klass="D", catches="Packages that are known not to work together, by their versions."),
    Check(id="verify", klass="D", catches="Every check of `envbuild verify` that fails for the environment."),
    Check(id="env.user-site", klass="E", catches="Packages of the user's site folder hide the environment's."),
    Check(id="env.pythonpath", klass="E", catches="PYTHONPATH puts other packages first."),
    Check(id="env.variables", klass="E", catches="DYLD_*, LD_LIBRARY_PATH or PYTHONHOME replace libraries."),
    Check(id="env.working-directory", klass="E", catches="A script of the project is named like a package."),
    Check(
        id="keras.settings",
        klass="E",
        catches="KERAS_BACKEND, keras.json or TF_USE_LEGACY_KERAS ask for what is absent.",
    ),
    Check(id="conda.registry", klass="F", catches="environments.txt lists environments that are gone (note)."),
    Check(id="conda.rc", klass="F", catches="Start-up files initialise a conda that is gone, or several (note)."),
    Check(id="conda.subdir", klass="F", catches="conda is set to install for Intel from now on (note)."),
    Check(id="env.drift", klass="F", catches="The environment differs from the project's lock (note)."),
    Check(id="env.managers", klass="F", catches="pip has put other versions over conda's packages (note)."),
    Check(id="pip.config", klass="F", catches="pip or uv are configured to install elsewhere (note)."),
    Check(id="disk.cache", klass="F", catches="Package caches take much room (note)."),
    Check(id="ide.stale", klass="F", catches="Old settings and interpreters that nothing uses (note)."),
)

IDS: Final = frozenset(check.id for check in CHECKS)


def selection(only: tuple[str, ...], skip: tuple[str, ...]) -> frozenset[str]:
    """The ids to run. Raises UsageError for a name that is none: a check that is never run must not pass."""
    for name in (*only, *skip):
        if name not in IDS:
            import difflib

            close = difflib.get_close_matches(name, IDS, n=1)
            raise UsageError(
                f"there is no check {name!r}" + (f"; did you mean {close[0]!r}?" if close else ""),
                hint="`envbuild doctor --list` shows all of them",
            )
    return (frozenset(only) if only else IDS) - frozenset(skip)
