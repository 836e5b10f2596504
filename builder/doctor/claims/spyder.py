"""Spyder: its own Python, unless a custom interpreter is chosen in its preferences.

Whether one is chosen stands in `spyder.ini`; which one, since Spyder 4, in `transient.ini` beside it, which holds what
must not be shared between machines. Source: spyder-ide/spyder, config/main.py (NAME_MAP) and plugins/maininterpreter.
"""

from __future__ import annotations

import configparser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Claim, Ide, Place

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings

_SECTION: Final = "main_interpreter"
_KEYS: Final = ("executable", "custom_interpreter")


@dataclass(frozen=True, kw_only=True)
class _Ini:
    """The interpreter's section of one file, and the file's lines."""

    file: Path
    options: Mapping[str, str]
    lines: tuple[str, ...]

    def interpreter(self) -> tuple[str, Place] | None:
        """The path that is set, and where. Some tools write it in quotes, as a Python literal."""
        for key in _KEYS:
            written = self.options.get(key, "").strip("'\" ")
            if written.startswith(("/", "~")):
                line = next((number for number, line in enumerate(self.lines, 1) if line.startswith(key)), None)
                return written, Place(file=self.file, line=line, key=key)
        return None


def read(around: Surroundings) -> list[Claim]:
    """The custom interpreter of Spyder's console, where one is set."""
    folders = [around.disk.home / ".config" / "spyder-py3", around.disk.home / ".spyder-py3"]
    if around.machine.is_mac:
        folders.append(around.settings_root / "spyder-py3")
    for folder in folders:
        settings = _section(around, folder / "config" / "spyder.ini")
        if settings is None:
            continue
        chosen = settings.options.get("custom", "true").lower() == "true"
        if settings.options.get("default", "").lower() == "true" or not chosen:
            return []
        transient = _section(around, folder / "config" / "transient.ini")
        for ini in (transient, settings):
            if ini is not None and (found := ini.interpreter()) is not None:
                return [_claim(around, *found)]
        return []
    return []


def _section(around: Surroundings, file: Path) -> _Ini | None:
    text = around.disk.text(file)
    if text is None:
        return None
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        around.disk.skip(file, f"not an INI file ({type(error).__name__})")
        return None
    options = dict(parser.items(_SECTION)) if parser.has_section(_SECTION) else {}
    known = {key: value or "" for key, value in options.items()}
    return _Ini(file=file, options=known, lines=tuple(text.splitlines()))


def _claim(around: Surroundings, written: str, place: Place) -> Claim:
    arch, why, version = around.application("Spyder", "Spyder 6")
    return Claim(
        ide=Ide.SPYDER,
        who=f"Spyder {version}" if version else "Spyder",
        what="custom interpreter",
        written=written,
        decided_by=(place,),
        interpreter=around.environments.of(around.disk.place(written)),
        change="Preferences ▸ Python interpreter ▸ Use the following interpreter",
        app_arch=arch,
        app_why=why,
    )
