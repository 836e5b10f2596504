"""Spyder: its own Python, unless a custom interpreter is chosen in its preferences.

Source: spyder-ide/spyder, plugins/maininterpreter (section `main_interpreter` of spyder.ini).
"""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING

from builder.doctor.model import Claim, Ide, Place

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings


def read(around: Surroundings) -> list[Claim]:
    """The custom interpreter of Spyder's console, where one is set."""
    folders = [around.disk.home / ".config" / "spyder-py3", around.disk.home / ".spyder-py3"]
    if around.machine.is_mac:
        folders.append(around.settings_root / "spyder-py3")
    for folder in folders:
        file = folder / "config" / "spyder.ini"
        text = around.disk.text(file)
        if text is None:
            continue
        claim = _claim(around, file, text)
        return [claim] if claim is not None else []
    return []


def _claim(around: Surroundings, file: Path, text: str) -> Claim | None:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        around.disk.skip(file, f"not an INI file ({type(error).__name__})")
        return None
    section = "main_interpreter"
    if not parser.has_section(section):
        return None
    options = dict(parser.items(section))
    if (options.get("default") or "").lower() == "true" or (options.get("custom") or "true").lower() != "true":
        return None
    key = "executable" if options.get("executable") else "custom_interpreter"
    written = options.get(key) or ""
    if not written.startswith(("/", "~")):
        return None
    line = next((number for number, line in enumerate(text.splitlines(), 1) if line.startswith(key)), None)
    arch, why, version = around.application("Spyder", "Spyder 6")
    return Claim(
        ide=Ide.SPYDER,
        who=f"Spyder {version}" if version else "Spyder",
        what="custom interpreter",
        written=written,
        decided_by=(Place(file=file, line=line, key=key),),
        interpreter=around.environments.of(around.disk.place(written)),
        change="Preferences ▸ Python interpreter ▸ Use the following interpreter",
        app_arch=arch,
        app_why=why,
    )
