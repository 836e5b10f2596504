"""Making an environment known to the programs that should run it, and taking back exactly that.

Jupyter gets a kernelspec in the user's folder, which every server sees (an environment's own is seen only by servers
inside it), with the interpreter's absolute path and the environment's variables: nothing is activated for a kernel.
VS Code gets the setting of the project's folder. A JetBrains IDE rewrites its own files, so what to paste is said.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.doctor import settings_record
from builder.doctor.claims import jupyter, vscode
from builder.doctor.formats import FormatError, parse_jsonc
from builder.doctor.model import Presence
from builder.errors import UsageError
from builder.files import write_atomically

if TYPE_CHECKING:
    from builder.doctor.claims.common import Surroundings
    from builder.doctor.model import Interpreter

_SETTING: Final = "python.defaultInterpreterPath"
#: In a kernelspec's `metadata`: who made it, and for which environment.
_MARK: Final = "envbuild"


class Target(StrEnum):
    JUPYTER = "jupyter"
    VSCODE = "vscode"
    JETBRAINS = "jetbrains"


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What was done for one program: the file that was written or removed (None: nothing), and a sentence about it."""

    target: Target
    file: Path | None
    message: str

    def to_json(self) -> dict[str, Any]:
        return {"target": self.target.value, "file": str(self.file) if self.file else None, "message": self.message}


def register(
    around: Surroundings, interpreter: Interpreter, targets: tuple[Target, ...], *, record: Path
) -> list[Registration]:
    """Make the environment known to each program. Raises UsageError before anything is written where one cannot be.

    What the settings were is noted in the file `record`, for `unregister`.
    """
    prefix = interpreter.prefix
    if prefix is None or interpreter.presence is not Presence.PRESENT:
        raise UsageError(f"{interpreter.path}: there is no interpreter to register")
    files = {target: _prepared(around, interpreter, prefix, target) for target in targets}
    done = []
    for target, (file, text, message) in files.items():
        if file is not None and text is not None:
            if target is Target.VSCODE:
                _note_setting(around, interpreter, file, after=text, record=record)
            write_atomically(file, text, follow_links=True)
        done.append(Registration(target=target, file=file, message=message))
    return done


def _prepared(
    around: Surroundings, interpreter: Interpreter, prefix: Path, target: Target
) -> tuple[Path | None, str | None, str]:
    """(file, its new content, what to tell) for one program."""
    match target:
        case Target.JUPYTER:
            return _kernel(around, interpreter, prefix)
        case Target.VSCODE:
            return _setting(around, interpreter)
        case Target.JETBRAINS:
            return None, None, _to_paste(around, interpreter, prefix)


# -- Jupyter -----------------------------------------------------------------------------------------------------


def _kernel_file(around: Surroundings, prefix: Path) -> Path:
    name = re.sub(r"[^a-z0-9._-]", "-", prefix.name.lower())
    return jupyter.user_folder(around) / "kernels" / name / "kernel.json"


def _kernel(around: Surroundings, interpreter: Interpreter, prefix: Path) -> tuple[Path, str, str]:
    file = _kernel_file(around, prefix)
    if around.disk.presence(file) is Presence.PRESENT and _marked_for(around, file) is None:
        raise UsageError(f"{file} was not made by envbuild", hint="remove or rename that kernel first")
    if not interpreter.version_of("ipykernel"):
        raise UsageError(
            f"{around.disk.show(prefix)} has no ipykernel, which a kernel needs",
            hint=f"{interpreter.path} -m pip install ipykernel",
        )
    spec: dict[str, Any] = {
        "argv": [str(interpreter.path), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": f"Python ({prefix.name})",
        "language": "python",
        "metadata": {"debugger": True, _MARK: {"prefix": str(prefix)}},
    }
    if variables := _stored_variables(around, prefix):
        spec["env"] = variables
    shown = around.disk.show(file)
    return file, json.dumps(spec, indent=1) + "\n", f"Jupyter: kernel “{spec['display_name']}” ({shown})"


def _stored_variables(around: Surroundings, prefix: Path) -> dict[str, str]:
    """What `conda env config vars` has for the environment: a kernel is not activated, so it must carry them."""
    document = around.json(prefix / "conda-meta" / "state")
    stored = document.get("env_vars") if document is not None else None
    if not isinstance(stored, dict):
        return {}
    return {str(name): str(value) for name, value in stored.items() if value != "***unset***"}


def _marked_for(around: Surroundings, file: Path) -> str | None:
    """The prefix a kernelspec of ours is for; None for anybody else's."""
    document = around.json(file)
    metadata = document.get("metadata") if document is not None else None
    mark = metadata.get(_MARK) if isinstance(metadata, dict) else None
    prefix = mark.get("prefix") if isinstance(mark, dict) else None
    return prefix if isinstance(prefix, str) else None


# -- VS Code -----------------------------------------------------------------------------------------------------


def _settings_file(around: Surroundings) -> Path:
    if around.project is None:
        raise UsageError(
            "VS Code keeps the interpreter with a folder, and none was given",
            hint="add --project DIR, the folder that VS Code opens",
        )
    return around.project / ".vscode" / "settings.json"


def _setting(around: Surroundings, interpreter: Interpreter) -> tuple[Path, str, str]:
    file = _settings_file(around)
    text = _with_setting(_current(around, file), json.dumps(str(interpreter.path)))
    picked = [claim for claim in vscode.read(around) if ", picked" in claim.what]
    others = [claim for claim in picked if claim.interpreter is not None and claim.interpreter.path != interpreter.path]
    message = f"VS Code: {_SETTING} in {around.disk.show(file)}"
    if others:
        message += (
            f"; but {others[0].written} is picked for this folder, and that wins: Command Palette ▸ Python: Clear "
            "Workspace Interpreter Setting"
        )
    return file, text, message


def _note_setting(around: Surroundings, interpreter: Interpreter, file: Path, *, after: str, record: Path) -> None:
    noted = settings_record.read(record)
    last = noted.get(str(file))
    before, value = _text(around, file), _value(around, file)
    if last is not None and value == last.interpreter:  # ours: what counts is what was there before us
        kept = replace(last, interpreter=str(interpreter.path), after=after, exact=last.exact and before == last.after)
    else:
        kept = settings_record.Written(
            interpreter=str(interpreter.path), earlier=value, before=before, after=after, exact=True
        )
    settings_record.write(record, noted | {str(file): kept})


def _text(around: Surroundings, file: Path) -> str | None:
    content = around.disk.read(file)
    return content.decode("utf-8") if content is not None else None


def _value(around: Surroundings, file: Path) -> str | None:
    document = around.json(file)
    value = document.get(_SETTING) if document is not None else None
    return value if isinstance(value, str) else None


def _current(around: Surroundings, file: Path) -> str:
    content = around.disk.read(file)
    if content is None:
        if around.disk.presence(file) is Presence.PRESENT:
            raise UsageError(f"{file} cannot be read; it was left alone")
        return "{\n}\n"
    try:
        text = content.decode("utf-8")
        if not isinstance(parse_jsonc(text).value, dict):
            raise UsageError(f"{file} holds no settings (not a JSON object); it was left alone")
    except (UnicodeDecodeError, FormatError) as error:
        raise UsageError(f"{file}: {error}; it was left alone", hint="mend the file first") from None
    return text if text.strip().removeprefix("\ufeff") else "{\n}\n"


def _with_setting(text: str, value: str) -> str:
    """The settings with the key set: replaced where it stands, else put in first. Comments and order are kept."""
    bare = parse_jsonc(text).bare
    offset = len(text) - len(bare)  # a byte order mark
    found = re.search(r'"' + re.escape(_SETTING) + r'"\s*:\s*("(?:[^"\\\n]|\\.)*"|[^,}\s]+)', bare)
    if found:
        return text[: found.start(1) + offset] + value + text[found.end(1) + offset :]
    brace = bare.index("{") + 1
    comma = "," if parse_jsonc(text).value else ""
    entry = f'\n    "{_SETTING}": {value}{comma}'
    return text[: brace + offset] + entry + text[brace + offset :]


def _without_setting(text: str) -> str:
    """The settings without the key, its line gone with it where it has one of its own."""
    bare = parse_jsonc(text).bare
    offset = len(text) - len(bare)
    entry = re.escape(f'"{_SETTING}"') + r'\s*:\s*"(?:[^"\\\n]|\\.)*"'
    found = re.search(rf"\n[ \t]*{entry}[ \t]*,?", bare) or re.search(rf"{entry}\s*,?", bare)
    return text if found is None else text[: found.start() + offset] + text[found.end() + offset :]


# -- JetBrains ---------------------------------------------------------------------------------------------------


def _to_paste(around: Surroundings, interpreter: Interpreter, prefix: Path) -> str:
    owner = around.survey.owner(prefix)
    if owner is not None and owner.executable is not None:
        kind = f"Conda: conda executable {owner.executable}, then the environment {prefix.name}"
    else:
        kind = f"Python: {interpreter.path}"
    return f"JetBrains: Settings ▸ Python ▸ Python Interpreter ▸ Add Interpreter ▸ Select existing ▸ {kind}"


# -- taking back -------------------------------------------------------------------------------------------------


def unregister(around: Surroundings, interpreter: Interpreter, *, record: Path, everywhere: bool) -> list[Registration]:
    """Remove the kernelspec that carries our mark for this environment, and put back the settings that `record` notes.

    Those are every folder's, or without `everywhere` the project's alone. A setting that `register` did not write, or
    that names another interpreter by now, stays.
    """
    prefix = interpreter.prefix or interpreter.path.parent.parent
    done: list[Registration] = []
    file = _kernel_file(around, prefix)
    if _marked_for(around, file) == str(prefix):
        file.unlink()
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
        done.append(Registration(target=Target.JUPYTER, file=file, message=f"removed {around.disk.show(file)}"))
    noted = settings_record.read(record)
    for name, written in list(noted.items()):
        settings = Path(name)
        if written.interpreter != str(interpreter.path):
            continue
        if not everywhere and settings != _settings_file(around):
            continue
        if _put_back(around, settings, written):
            message = f"put {_SETTING} of {around.disk.show(settings)} back as it was"
            done.append(Registration(target=Target.VSCODE, file=settings, message=message))
        settings_record.write(record, noted := {key: kept for key, kept in noted.items() if key != name})
    return done


def _put_back(around: Surroundings, file: Path, written: settings_record.Written) -> bool:
    """The file as it was; of one that was edited since, only the setting, if it is still ours."""
    if _value(around, file) != written.interpreter:
        return False
    text = _current(around, file)
    if not written.exact or text != written.after:
        earlier = written.earlier
        changed = _without_setting(text) if earlier is None else _with_setting(text, json.dumps(earlier))
        write_atomically(file, changed, follow_links=True)
    elif written.before is not None:
        write_atomically(file, written.before, follow_links=True)
    else:
        file.unlink()
        if not any(file.parent.iterdir()):
            file.parent.rmdir()
    return True
