"""Where in a prefix Python keeps its packages, and which interpreter is there.

Sources: `sysconfig`'s schemes posix_prefix, osx_framework_library and deb_system; PEP 703's `python3.13t`; `lib64` of
Fedora's and of old virtual environments.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.environment.model import Interpreter, PyVenv
from builder.files import open_regular
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Sequence

    from builder.environment.model import CondaRecord
    from builder.environment.reading import Reader

_VERSIONED: Final = re.compile(r"python(\d+)\.(\d+)(t?)")
_NAMES: Final = ("python", "python3")
_MOST_CFG: Final = 1 << 16


def root_of(path: Path) -> Path:
    """The prefix proper: of a framework build (`Python.framework`) its current or newest version, else `path`."""
    versions = path / "Versions"
    if (path / "bin").exists() or (path / "lib").exists() or not versions.is_dir():
        return path
    current = versions / "Current"
    if (current / "bin").is_dir():
        return Path(os.path.realpath(current))
    found = [folder for folder in versions.glob("[0-9]*.[0-9]*") if (folder / "bin").is_dir()]
    return max(found, key=lambda folder: _numbers(folder.name), default=path)


def site_folders(prefix: Path, reader: Reader, *, minor: tuple[int, int] | None) -> tuple[Path, ...]:
    """Every folder that the interpreter's packages are in, the one that installers write to first.

    Of several Python versions' it is `minor`'s, or else the newest's; a folder of unpacked wheels is itself.
    """
    found: list[tuple[tuple[int, int, int], Path]] = []
    for place in ("lib", "lib64", "local/lib"):
        for folder in reader.entries(prefix / place):
            named = _VERSIONED.fullmatch(folder.name)
            if named is not None:
                key = (int(named[1]), int(named[2]), 1 if named[3] else 0)
                found += [(key, sub) for name in ("site-packages", "dist-packages") if (sub := folder / name).is_dir()]
    version = minor if minor and any(key[:2] == minor for key, _ in found) else None
    if version is None and found:
        version = max(key[:2] for key, _ in found)
    chosen = [path for key, path in found if key[:2] == version]
    shared = prefix / "lib" / "python3" / "dist-packages"
    if shared.is_dir():  # Debian's, of all its Python 3 versions
        chosen.append(shared)
    if not chosen and any(entry.suffix == ".dist-info" for entry in reader.entries(prefix)):
        return (prefix,)
    by_place = {os.path.realpath(path): path for path in reversed(chosen)}
    return tuple(reversed(by_place.values()))


def read_pyvenv(prefix: Path, reader: Reader) -> PyVenv | None:
    """`pyvenv.cfg`, as `site` reads it: `key = value` lines, keys in any case."""
    text = reader.text(prefix / "pyvenv.cfg", most=_MOST_CFG)
    if text is None:
        return None
    pairs = (line.partition("=") for line in text.splitlines())
    return PyVenv(values={key.strip().lower(): value.strip() for key, equals, value in pairs if equals})


def find_interpreter(
    prefix: Path, *, pyvenv: PyVenv | None, records: Sequence[CondaRecord], reader: Reader
) -> Interpreter | None:
    """The interpreter of a prefix, also one whose link is broken; None where there is none."""
    path = next((place for name in _NAMES if os.path.lexists(place := prefix / "bin" / name)), None)
    if path is None:
        numbered = [entry for entry in reader.entries(prefix / "bin") if _VERSIONED.fullmatch(entry.name)]
        path = max(numbered, key=lambda entry: _numbers(entry.name), default=None)
    if path is None:
        return None
    real = Path(os.path.realpath(path))
    named = next((found for part in (path, _link(path), real) if (found := _VERSIONED.fullmatch(part.name))), None)
    conda = next((record.version for record in records if record.name == "python"), None)
    folder = f"{named[1]}.{named[2]}" if named else _only_version(prefix, reader)
    version = conda or (pyvenv.version if pyvenv is not None else None) or folder
    home = pyvenv.values.get("home") if pyvenv is not None else None
    return Interpreter(
        path=path,
        resolved=real if real.is_file() else None,
        home=Path(home) if home else None,
        version=".".join(re.findall(r"\d+", version)[:3]) if version else None,
        free_threaded=bool(named and named[3]) or _is_free_threaded(prefix, reader),
    )


#: `e_machine` of ELF (elf.h) and `cputype` of Mach-O (mach/machine.h).
_ELF_MACHINES: Final = {62: Subdir.LINUX_64, 183: Subdir.LINUX_AARCH64}
_MACH_O_CPUS: Final = {0x0100000C: Subdir.OSX_ARM64, 0x01000007: Subdir.OSX_64}


def platform_of(program: Path) -> Subdir | None:
    """The platform that a program is for, from its first bytes; None for a script and for a universal one."""
    try:
        with open_regular(program) as stream:
            head = stream.read(20)
    except OSError:
        return None
    if head[:4] == b"\x7fELF":
        return _ELF_MACHINES.get(int.from_bytes(head[18:20], "little" if head[5:6] == b"\x01" else "big"))
    if head[:4] == b"\xcf\xfa\xed\xfe":
        return _MACH_O_CPUS.get(int.from_bytes(head[4:8], "little"))
    return None


def _link(path: Path) -> Path:
    """What a link says, one step; `path` itself where it is none."""
    try:
        return path.readlink()
    except OSError:
        return path


def _libraries(prefix: Path, reader: Reader) -> list[re.Match[str]]:
    """The standard libraries in `lib`; conda-forge's link `python3.1`, made for broken tools, is none."""
    found = [entry for entry in reader.entries(prefix / "lib") if not entry.is_symlink()]
    return [named for entry in found if (named := _VERSIONED.fullmatch(entry.name))]


def _only_version(prefix: Path, reader: Reader) -> str | None:
    versions = {(named[1], named[2]) for named in _libraries(prefix, reader)}
    return ".".join(versions.pop()) if len(versions) == 1 else None


def _is_free_threaded(prefix: Path, reader: Reader) -> bool:
    found = _libraries(prefix, reader)
    return bool(found) and all(named[3] for named in found)


def _numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]
