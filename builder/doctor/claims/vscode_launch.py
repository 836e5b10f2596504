"""VS Code's launch configurations: what F5 starts, where a configuration names an interpreter or variables of its own.

Source: microsoft/vscode-python-debugger (`python`, formerly `pythonPath`; `env`, `envFile`), in `.vscode/launch.json`
or under `launch` of a workspace file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from builder.doctor.claims.project import imported, watched_variables
from builder.doctor.claims.vscode_settings import expanded
from builder.doctor.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.formats import Document

_TYPES: Final = ("python", "debugpy")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One configuration that starts Python. `written` is its own interpreter (`path` where that leads), if any.

    `uses` are the frameworks that its program imports; None where no program of the project's is named.
    """

    name: str
    place: Place
    written: str | None
    path: Path | None
    variables: Mapping[str, tuple[str, Place]]
    uses: frozenset[str] | None


def launches(around: Surroundings, workspaces: Iterable[Path]) -> list[Launch]:
    """Every launch configuration of the project that starts Python."""
    if around.project is None:
        return []
    file = around.project / ".vscode" / "launch.json"
    found: list[Launch] = []
    if (document := around.json(file)) is not None:
        found += _configurations(around, file, document, document.value)
    for workspace in workspaces:
        if (document := around.json(workspace)) is not None:
            found += _configurations(around, workspace, document, document.get("launch"))
    return found


def _configurations(around: Surroundings, file: Path, document: Document, value: Any) -> Iterator[Launch]:
    configurations = value.get("configurations") if isinstance(value, dict) else None
    for entry in configurations if isinstance(configurations, list) else ():
        if not isinstance(entry, dict) or entry.get("type") not in _TYPES or entry.get("request") != "launch":
            continue
        key = "python" if entry.get("python") else "pythonPath"
        written = entry.get(key)
        if isinstance(written, list):
            written = written[0] if written else None
        path = expanded(around, written) if isinstance(written, str) else None
        yield Launch(
            name=str(entry.get("name") or "without a name"),
            place=Place(file=file, line=document.line_of(key, written) if path is not None else None, key=key),
            written=written if path is not None else None,
            path=path,
            variables=dict(_variables(around, file, document, entry)),
            uses=_uses(around, entry.get("program")),
        )


def _variables(
    around: Surroundings, file: Path, document: Document, entry: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, Place]]]:
    """Those of the configuration's own file, then its `env`, which wins. `.env` is read for the project as
    a whole."""
    written, env = entry.get("envFile"), entry.get("env")
    own = expanded(around, written) if isinstance(written, str) else None
    if own is not None:
        yield from watched_variables(around, own)
    for name, text in env.items() if isinstance(env, dict) else ():
        if isinstance(text, str):
            yield name, (text, Place(file=file, line=document.line(name), key=name))


def _uses(around: Surroundings, program: object) -> frozenset[str] | None:
    if not isinstance(program, str) or "${file" in program:
        return None
    path = expanded(around, program) if "/" in program else around.disk.place(program, base=around.project)
    return imported(around.disk, path) if path is not None and around.disk.is_file(path) else None
