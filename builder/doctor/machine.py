"""The machine's own facts: asked of it, or read from the file of `--machine`."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from builder.doctor.model import Machine
from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LIMIT = 2_000_000


def load(file: Path) -> Machine:
    """The facts in `file`, as `--machine` documents them; any key may be missing. Raises UsageError."""
    try:
        if not file.is_file():
            raise UsageError(f"{file}: no such file", hint="--machine takes a JSON file with the machine's facts")
        if file.stat().st_size > _LIMIT:
            raise UsageError(f"{file}: too large for a machine's facts")
        data = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file}: not valid JSON ({error})") from None
    if not isinstance(data, dict):
        raise UsageError(f"{file}: not a JSON object")
    return from_json(data, where=str(file))


def from_json(data: Mapping[str, Any], *, where: str) -> Machine:
    """Raises UsageError naming the key whose value has the wrong type."""

    def text(key: str) -> str | None:
        value = data.get(key)
        if value is not None and not isinstance(value, str):
            raise UsageError(f"{where}: {key!r} must be text, not {type(value).__name__}")
        return value

    environ = data.get("env", {})
    if not isinstance(environ, dict):
        raise UsageError(f"{where}: 'env' must be an object of variables")
    processes = data.get("processes")
    if processes is not None and not isinstance(processes, list):
        raise UsageError(f"{where}: 'processes' must be a list of names")
    translated = data.get("translated")
    if translated is not None and not isinstance(translated, bool):
        raise UsageError(f"{where}: 'translated' must be true or false")
    running = _arch(text("running"))
    # A Mac that runs arm64, or translates, has Apple's processor: no Intel Mac does either.
    apple = text("system") == "Darwin" and (running == "arm64" or translated)
    return Machine(
        system=text("system") or "",
        hardware=_arch(text("hardware")) or ("arm64" if apple else None),
        running=running,
        translated=translated,
        macos=text("macos"),
        shell=text("shell"),
        environ={str(name): str(value) for name, value in environ.items()},
        processes=tuple(str(name) for name in processes) if processes is not None else None,
        foreign=True,
    )


def _arch(name: str | None) -> str | None:
    return {"aarch64": "arm64", "amd64": "x86_64"}.get(name.lower(), name) if name else None


def this_machine(environ: Mapping[str, str]) -> Machine:
    """The machine this runs on. `hw.optional.arm64` is asked because `uname` lies to a translated process."""
    system = platform.system()
    running = _arch(platform.machine())
    hardware, translated = running, None
    if sys.platform == "darwin":
        hardware = "arm64" if _sysctl("hw.optional.arm64") == "1" else running
        # The shell that started us is judged by its own architecture, not by that of envbuild's Python.
        translated = _sysctl("sysctl.proc_translated") == "1"
    return Machine(
        system=system,
        hardware=hardware,
        running=running,
        translated=translated,
        macos=platform.mac_ver()[0] or None,
        shell=environ.get("SHELL"),
        environ=dict(environ),
        processes=_processes(),
    )


def _sysctl(name: str) -> str:
    return _output("/usr/sbin/sysctl", "-n", name).strip()


def _processes() -> tuple[str, ...] | None:
    """Names of running programs, to tell which IDE is open; None where they cannot be listed."""
    lines = _output("/bin/ps", "-axo", "comm=").splitlines() if sys.platform == "darwin" else []
    return tuple(line.rsplit("/", 1)[-1].strip() for line in lines) or None


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=2, check=False, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
