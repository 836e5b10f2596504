"""Class E: the environment is whole, and something of the user's own comes before it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from builder.doctor import stack
from builder.doctor.model import Diagnosis, Interpreter, Level, Place, Presence
from builder.doctor.rules.broken import examined
from builder.doctor.rules.running import subject_of
from builder.finding import Remedy
from builder.frameworks.keras import OVER_FRAMEWORKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.case import Case

_LOADER: Final = ("DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "LD_LIBRARY_PATH")
#: For whom a variable is set that reaches whatever the user starts in the project.
_EVERYWHERE: Final = ("the shell", "a new shell", "the project", "conda activate")


def diagnose(case: Case) -> Iterator[Diagnosis]:
    target = case.meant.interpreter if case.meant is not None else None
    for interpreter in examined(case):
        asked = case.has(interpreter) or (target is not None and case.same(interpreter, target))
        if asked and interpreter.presence is Presence.PRESENT:
            yield from _user_site(case, interpreter)
    if target is None or target.prefix is None:
        return
    settings = list(variables(case, target))
    for name, value, place, who in settings:
        if name == "PYTHONPATH":
            yield from _python_path(case, target, value, place, who)
        elif name in _LOADER:
            yield from _libraries(case, target, name, value, place, who)
        elif name == "PYTHONHOME" and value:
            yield _variable(case, target, name, value, place, who, "Python then takes its standard library from there")
        elif name == "DYLD_INSERT_LIBRARIES" and value and case.around.machine.is_mac:
            yield _variable(case, target, name, value, place, who, "the library is forced into every process")
    yield from _keras(case, target, settings)
    yield from _working_directory(case)


def variables(case: Case, target: Interpreter) -> Iterator[tuple[str, str, Place, str]]:
    """(name, value, where it is set, for whom): of the shell, its start-up files, the project, the IDEs and conda."""
    seen: set[tuple[str, str]] = set()
    environ = case.around.machine.environ
    found: list[tuple[str, str, Place, str]] = []
    for name, setting in case.shell.variables.items():
        if name not in environ and not setting.conditional:
            found.append((name, setting.value, setting.place, "a new shell"))
    for name, value in environ.items():
        from_file = case.shell.variables.get(name)
        place = from_file.place if from_file is not None else Place(file=case.around.disk.home, key=name)
        found.append((name, value, place, "the shell"))
    found += [(name, value, place, "the project") for name, (value, place) in case.project.variables.items()]
    for claim in case.claims:
        if claim.decisive:
            found += [(name, value, place, subject_of(claim)) for name, (value, place) in claim.variables.items()]
    if target.prefix is not None:
        state = target.prefix / "conda-meta" / "state"
        document = case.around.json(state)
        stored = document.get("env_vars") if document is not None else None
        for name, value in stored.items() if isinstance(stored, dict) else ():
            line = document.line(str(name)) if document is not None else None
            found.append((str(name), str(value), Place(file=state, line=line, key=str(name)), "conda activate"))
    for name, value, place, who in found:
        if (name, value) not in seen:
            seen.add((name, value))
            yield name, value, place, who


# -- packages ----------------------------------------------------------------------------------------------------


def _user_site(case: Case, interpreter: Interpreter) -> Iterator[Diagnosis]:
    for folder in case.user_sites(interpreter):
        added = case.around.environments.packages_in(folder)
        hiding = {
            name: version
            for name, version in added.items()
            if name in stack.hidden() and name in interpreter.packages and interpreter.packages[name] != version
        }
        if not hiding:
            continue
        what = ", ".join(
            f"{name} {version} hides {interpreter.packages[name]}".replace(" ?", "")
            for name, version in sorted(hiding.items())
        )
        prefix = case.show(interpreter.prefix or interpreter.path)
        yield Diagnosis(
            check="env.user-site",
            klass="E",
            sentence=f"packages of your user site folder come before those of {prefix}: {what}",
            decided_by=(Place(file=folder),),
            remedy=Remedy(
                say="keep the user site folder out of it, or remove those packages there",
                commands=(f"conda env config vars set PYTHONNOUSERSITE=1 -p {interpreter.prefix}",)
                if interpreter.subdir
                else ("export PYTHONNOUSERSITE=1",),
            ),
            evidence=tuple(f"{case.show(folder)}: {name} {version}" for name, version in sorted(added.items())[:12]),
            subject=str(interpreter.prefix),
        )


def _python_path(case: Case, target: Interpreter, value: str, place: Place, who: str) -> Iterator[Diagnosis]:
    for entry in filter(None, value.split(":")):
        if "$" in entry.replace("$HOME", "").replace("${HOME}", ""):
            continue
        folder = case.around.disk.place(entry)
        series = re.search(r"/python(\d\.\d+)/(?:site|dist)-packages/?$", entry)
        own = re.match(r"\d+\.\d+", target.version or "")
        if series and own and series[1] != own[0] and case.around.disk.presence(folder) is not Presence.GONE:
            yield _other_python(case, target, entry, place, who, series=series[1], own=own[0])
            continue
        if not case.around.disk.known(folder) or folder == case.around.environments.site_packages(
            target.prefix or folder
        ):
            continue
        names = case.around.disk.entries(folder)
        held = {name for name in case.around.environments.packages_in(folder) if name in stack.hidden()}
        held |= {name for name in names if name in stack.modules() and _is_package(case, folder / name)}
        if not held:
            continue
        yield Diagnosis(
            check="env.pythonpath",
            klass="E",
            sentence=f"PYTHONPATH, set for {who}, puts {', '.join(sorted(held))} of {case.show(folder)} before "
            f"those of {case.show(target.prefix or target.path)}",
            decided_by=(place,),
            remedy=Remedy(say=f"take {entry} out of PYTHONPATH there", commands=("unset PYTHONPATH",)),
            evidence=(f"PYTHONPATH={value}",),
            subject=f"PYTHONPATH {folder}",
        )


def _other_python(
    case: Case, target: Interpreter, entry: str, place: Place, who: str, *, series: str, own: str
) -> Diagnosis:
    return Diagnosis(
        check="env.pythonpath",
        klass="E",
        sentence=f"PYTHONPATH, set for {who}, puts packages of Python {series} ({case.show(entry)}) before those of "
        f"{case.show(target.prefix or target.path)}, which is Python {own}",
        decided_by=(place,),
        remedy=Remedy(say=f"take {entry} out of PYTHONPATH there", commands=("unset PYTHONPATH",)),
        subject=f"PYTHONPATH {entry}",
    )


def _is_package(case: Case, folder: Path) -> bool:
    return case.around.disk.is_file(folder / "__init__.py")


def _working_directory(case: Case) -> Iterator[Diagnosis]:
    framework, _ = stack.legacy()
    for file in case.project.shadows:
        needed = {
            case.wanted,
            "numpy",
            "h5py",
            *case.project.uses,
            *((framework,) if case.wanted == OVER_FRAMEWORKS else ()),
        }
        used = file.stem in needed
        if used:
            yield Diagnosis(
                check="env.working-directory",
                klass="E",
                sentence=f"{case.show(file)} hides the package {file.stem} from every script beside it",
                decided_by=(Place(file=file),),
                remedy=Remedy(say=f"rename {case.show(file)}: a script must not have the name of a package"),
                subject=f"file {file}",
            )


# -- libraries ---------------------------------------------------------------------------------------------------


def _libraries(case: Case, target: Interpreter, name: str, value: str, place: Place, who: str) -> Iterator[Diagnosis]:
    """A folder of libraries before the environment's: a problem where it holds one of the same name."""
    suffix = re.compile(r"lib[\w+.-]+\.(?:dylib|so[.\d]*)")
    disk = case.around.disk
    own = {file for file in disk.entries(target.prefix / "lib") if suffix.fullmatch(file)} if target.prefix else set()
    for entry in filter(None, value.split(":")):
        if "$" in entry.replace("$HOME", ""):
            continue
        folder = disk.place(entry)
        inside = target.prefix is not None and disk.same(folder, target.prefix / "lib")
        if inside or name == "DYLD_FALLBACK_LIBRARY_PATH":
            continue
        if case.around.machine.apple_silicon and re.match(r"/usr/local/(?:lib|opt/)", entry):
            yield _variable(case, target, name, value, place, who, "Intel Homebrew's libraries then come first")
            continue
        common = sorted(own & set(disk.entries(folder))) if disk.known(folder) else []
        if common:
            effect = f"{', '.join(common[:4])} are then taken from {case.show(folder)}"
            yield _variable(case, target, name, value, place, who, effect)


def _variable(case: Case, target: Interpreter, name: str, value: str, place: Place, who: str, effect: str) -> Diagnosis:
    return Diagnosis(
        check="env.variables",
        klass="E",
        sentence=f"{name} is set for {who}, before {case.show(target.prefix or target.path)}: {effect}",
        decided_by=(place,),
        remedy=Remedy(say=f"remove {name} there", commands=(f"unset {name}",)),
        evidence=(f"{name}={value}",),
        subject=f"variable {name}",
    )


# -- Keras' own settings -----------------------------------------------------------------------------------------


def _keras(case: Case, target: Interpreter, settings: list[tuple[str, str, Place, str]]) -> Iterator[Diagnosis]:
    """Keras 3 takes its backend from KERAS_BACKEND, else from keras.json, else it is tensorflow."""
    version = target.version_of(OVER_FRAMEWORKS)
    if version is None:
        return
    backends = [
        (value, place, f"KERAS_BACKEND={value} is set for {who}")
        for name, value, place, who in settings
        if name == "KERAS_BACKEND" and value
    ]
    if not version.startswith(("0.", "1.", "2.")):
        # For whoever has a variable, the file says nothing; of an IDE's own variables only that IDE knows.
        if not any(name == "KERAS_BACKEND" and value and who in _EVERYWHERE for name, value, _, who in settings):
            backends += _keras_json(case, settings)
        for backend, place, said in backends:
            yield from _backend(case, target, backend, place, said)
    framework, old = stack.legacy()
    for name, value, place, who in settings:
        legacy = name == "TF_USE_LEGACY_KERAS" and value.lower() in ("1", "true")
        if (
            legacy
            and any(target.version_of(dist) for dist in stack.distributions(framework))
            and not target.version_of(old)
        ):
            yield Diagnosis(
                check="keras.settings",
                klass="E",
                sentence=f"TF_USE_LEGACY_KERAS={value}, set for {who}, asks for {old}, which "
                f"{case.show(target.prefix or target.path)} does not have",
                decided_by=(place,),
                remedy=Remedy(
                    say=f"remove the variable there, or install {old}", commands=("unset TF_USE_LEGACY_KERAS",)
                ),
                subject="variable TF_USE_LEGACY_KERAS",
            )


def _keras_json(case: Case, settings: list[tuple[str, str, Place, str]]) -> list[tuple[str, Place, str]]:
    home = next((value for name, value, _, _ in settings if name == "KERAS_HOME" and value), None)
    folder = case.around.disk.place(home) if home else case.around.disk.home / ".keras"
    file = folder / "keras.json"
    text = case.around.disk.text(file, limit=100_000)
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        case.around.disk.skip(file, "not valid JSON, which Keras ignores")
        return []
    backend = value.get("backend") if isinstance(value, dict) else None
    if not isinstance(backend, str) or text is None:
        return []
    line = text.count("\n", 0, text.find('"backend"')) + 1
    return [(backend, Place(file=file, line=line, key="backend"), f"{case.show(file)} sets the backend {backend!r}")]


def _backend(case: Case, target: Interpreter, backend: str, place: Place, said: str) -> Iterator[Diagnosis]:
    needs = stack.backends().get(backend)
    if needs is not None and any(target.version_of(name) for name in needs):
        return
    why = "which Keras 3 does not have" if needs is None else f"and {needs[0]} is not installed"
    having = [
        name for name, packages in stack.backends().items() if any(target.version_of(package) for package in packages)
    ]
    if needs is not None and not having and not target.outline:
        return  # no backend at all: another trouble, and `verify` tells it
    cure = (
        f'set "backend" to "{having[0] if having else next(iter(stack.backends()))}" there'
        if place.key == "backend"
        else "remove it there"
    )
    yield Diagnosis(
        check="keras.settings",
        klass="E",
        level=Level.PROBLEM,
        sentence=f"{said}, {why}; {case.show(target.prefix or target.path)} has keras "
        f"{target.version_of(OVER_FRAMEWORKS)}",
        decided_by=(place,),
        remedy=Remedy(say=cure),
        subject="keras backend",
    )
