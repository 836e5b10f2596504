"""Mending what may be mended by itself: show, back up, write atomically, look again, and take back what did not help.

Only files that no running program rewrites are touched: conda's list of environments, a dead `conda init` block, the
project's own settings.json, and inside the environment that is meant its .condarc and its stored variables. Never an
IDE's own files, a database, a package, or anything outside the home and the project.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from builder.doctor.examine import apply_rules, examine, gather
from builder.doctor.model import Diagnosis, Level, Presence
from builder.errors import UsageError
from builder.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from builder.doctor.case import Case
    from builder.doctor.examine import Patient, Request
    from builder.doctor.model import Examination, Interpreter

_INTERPRETER_KEY: Final = "python.defaultInterpreterPath"


@dataclass(frozen=True, kw_only=True)
class Repair:
    """One file as it is and as it would be; `why` in a few words."""

    check: str
    file: Path
    before: str
    after: str
    why: str

    def diff(self) -> str:
        """The change, as `diff -u` shows it."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            fromfile=str(self.file),
            tofile=f"{self.file} (mended)",
        )
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What became of a repair: `mended`, `unchanged` (nothing was gained) or `restored` (it made things worse)."""

    repair: Repair
    outcome: str
    backup: Path | None


def repairs(request: Request, patient: Patient) -> list[Repair]:
    """What could be mended by itself, in the order of the findings. Reads only."""
    case, _ = gather(request, patient)
    found: dict[Path, Repair] = {}
    for diagnosis in apply_rules(case):
        for repair in _for(case, diagnosis):
            if _may_touch(case, repair.file):
                found.setdefault(repair.file, repair)
    return list(found.values())


def _may_touch(case: Case, file: Path) -> bool:
    """Only in the home, the project, or the environment that is meant; never through a link that leads elsewhere."""
    meant = case.meant.interpreter.prefix if case.meant is not None else None
    places = [place.resolve() for place in (case.around.disk.home, case.around.project, meant) if place is not None]
    return any(file.resolve().is_relative_to(place) for place in places)


def _for(case: Case, diagnosis: Diagnosis) -> Iterator[Repair]:
    meant = case.meant.interpreter if case.meant is not None else None
    for place in diagnosis.decided_by:
        try:
            text = (case.around.disk.read(place.file) or b"").decode("utf-8")
        except UnicodeDecodeError:
            continue  # not text that could be written back as it was
        after = _mended(case, diagnosis, place.file, text, meant)
        if after is not None and after != text:
            yield Repair(check=diagnosis.check, file=place.file, before=text, after=after, why=diagnosis.sentence)


def _mended(case: Case, diagnosis: Diagnosis, file: Path, text: str, meant: Interpreter | None) -> str | None:
    """The text that mends the finding; None where that file is not one for an automatic hand."""
    own = meant.prefix if meant is not None else None
    project = case.around.project
    match diagnosis.check:
        case "conda.registry":
            return _without_dead_lines(case, text)
        case "conda.rc":
            return _without_dead_blocks(case, text)
        case "env.subdir" | "conda.subdir" if own is not None and file == own / ".condarc":
            return re.sub(r"(?m)^(?:subdir|platform):\s*[\"']?osx-64[\"']?\s*\n?", "", text)
        case "env.subdir" | "conda.subdir" | "keras.settings" | "env.pythonpath" | "env.variables" if (
            own is not None and file == own / "conda-meta" / "state"
        ):
            return _without_variables(text, diagnosis)
        case "ide.interpreter" | "ide.dangling" if (
            diagnosis.level is Level.PROBLEM  # a note says only that another project's choice is another one
            and meant is not None
            and meant.presence is Presence.PRESENT
            and project is not None
            and file == project / ".vscode" / "settings.json"
        ):
            return _with_interpreter(text, meant)
    return None


def _without_dead_lines(case: Case, text: str) -> str:
    """environments.txt without the prefixes that are gone; every other line stays as it is."""
    disk = case.around.disk

    def dead(line: str) -> bool:
        written = line.strip()
        return written.startswith("/") and disk.presence(disk.place(written)) is Presence.GONE

    return "".join(line for line in text.splitlines(keepends=True) if not dead(line))


def _without_dead_blocks(case: Case, text: str) -> str:
    """A start-up file without the `conda init` blocks whose conda is gone: exactly the lines between the markers."""
    disk = case.around.disk

    def judged(found: re.Match[str]) -> str:
        roots = re.findall(r"((?:/|~|\$HOME)[^\s\"']*?)/(?:bin/conda|etc/profile\.d/conda\.sh)", found[0])
        gone = roots and all(disk.presence(disk.place(root)) is Presence.GONE for root in roots)
        return "" if gone else found[0]

    return re.sub(r"(?ms)^# >>> conda initialize >>>.*?^# <<< conda initialize <<<[^\n]*\n?", judged, text)


def _without_variables(text: str, diagnosis: Diagnosis) -> str | None:
    """conda's stored variables without the one the finding is about."""
    try:
        state: Any = json.loads(text)
        variables = state["env_vars"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    names = {"env.subdir": ("CONDA_SUBDIR",), "conda.subdir": ("CONDA_SUBDIR",), "env.pythonpath": ("PYTHONPATH",)}
    wanted = names.get(diagnosis.check, tuple(name for name in variables if name in diagnosis.sentence))
    state["env_vars"] = {name: value for name, value in variables.items() if name not in wanted}
    return json.dumps(state)


def _with_interpreter(text: str, meant: Interpreter) -> str | None:
    """settings.json with the path replaced in place: comments, order and everything else stay."""
    pattern = re.compile(r'("' + re.escape(_INTERPRETER_KEY) + r'"\s*:\s*)"(?:[^"\\\n]|\\.)*"')
    changed, count = pattern.subn(lambda found: found[1] + json.dumps(str(meant.path)), text)
    return changed if count == 1 else None


# -- doing it ----------------------------------------------------------------------------------------------------


def mend(
    found: list[Repair], request: Request, patient: Patient, *, record: Path, now: Callable[[], datetime]
) -> tuple[list[Mended], Examination]:
    """Apply each repair, look again, and keep it only if its finding is gone and no new problem came.

    `record` is where what was done is written down, for `undo`. Gives what became of each, and the last examination.
    """
    state = examine(request, patient)
    done: list[Mended] = []
    begun = now().strftime("%Y%m%dT%H%M%S")
    for repair in found:
        if repair.file.read_bytes() != repair.before.encode("utf-8"):
            done.append(Mended(repair=repair, outcome="unchanged", backup=None))  # changed meanwhile, or not UTF-8
            continue
        backup = repair.file.with_name(f"{repair.file.name}.envbuild-{begun}")
        write_atomically(backup, repair.before)
        backup.chmod(repair.file.stat().st_mode & 0o777)
        _rewrite(repair.file, repair.after)
        after = examine(request, patient)
        outcome = _compared(state, after, repair)
        if outcome == "mended":
            state = after
            _note_down(record, repair, backup, begun=begun)
        else:
            _rewrite(repair.file, repair.before)
            backup.unlink()
        done.append(Mended(repair=repair, outcome=outcome, backup=backup if outcome == "mended" else None))
    return done, state


def _rewrite(file: Path, text: str | bytes) -> None:
    """Atomically, with the file's own permissions kept."""
    mode = file.stat().st_mode & 0o777
    write_atomically(file, text, follow_links=True)
    file.chmod(mode)


def _compared(before: Examination, after: Examination, repair: Repair) -> str:
    def said(found: Examination) -> set[tuple[str, str]]:
        return {(diagnosis.check, diagnosis.sentence) for diagnosis in (*found.problems, *found.notes)}

    problems = {problem.sentence for problem in before.problems}
    if any(problem.sentence not in problems for problem in after.problems):
        return "restored"
    return "unchanged" if (repair.check, repair.why) in said(after) else "mended"


def _note_down(record: Path, repair: Repair, backup: Path, *, begun: str) -> None:
    entries = _noted(record)
    entries.append({"fix": begun, "file": str(repair.file), "backup": str(backup), "after": repair.after})
    _write_record(record, entries)


def _write_record(record: Path, entries: list[dict[str, str]]) -> None:
    record.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(record, json.dumps(entries, indent=1) + "\n")


def _noted(record: Path) -> list[dict[str, str]]:
    """What earlier fixes wrote down, the oldest first; whatever is no such note is left out."""
    try:
        entries = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and _is_note(entry)]


def _is_note(entry: dict[str, Any]) -> bool:
    return all(isinstance(entry.get(key), str) for key in ("file", "backup", "after"))


def undo(record: Path) -> tuple[Path, ...]:
    """Put back every file that the last fix changed, byte for byte, and give them.

    Raises UsageError, with nothing put back, where there is nothing to undo or somebody has changed a file since.
    """
    entries = _noted(record)
    if not entries:
        raise UsageError("there is nothing to undo", hint="`envbuild doctor --fix` has changed nothing here")
    last = [entry for entry in entries if entry.get("fix") == entries[-1].get("fix")]
    try:
        contents = [_before(entry) for entry in last]
        for entry, before in zip(last, contents, strict=True):
            _rewrite(Path(entry["file"]), before)
            Path(entry["backup"]).unlink()
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; nothing was undone") from None
    _write_record(record, [entry for entry in entries if entry not in last])
    return tuple(Path(entry["file"]) for entry in last)


def _before(entry: dict[str, str]) -> bytes:
    """What the file held before the fix; UsageError if it is no longer what the fix made of it."""
    file, backup = Path(entry["file"]), Path(entry["backup"])
    if file.read_bytes() != entry["after"].encode("utf-8"):
        raise UsageError(f"{file} was changed since; nothing was undone", hint=f"compare it with {backup}")
    return backup.read_bytes()


def with_automatic(found: Examination, available: list[Repair]) -> Examination:
    """The examination with each finding marked whose remedy `--fix` can do by itself."""
    able = {(repair.check, repair.why) for repair in available}

    def marked(diagnosis: Diagnosis) -> Diagnosis:
        if diagnosis.remedy is None or (diagnosis.check, diagnosis.sentence) not in able:
            return diagnosis
        return replace(diagnosis, automatic=True, why_not_automatic=None)

    return replace(found, problems=tuple(map(marked, found.problems)), notes=tuple(map(marked, found.notes)))
