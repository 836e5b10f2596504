"""conda's configuration: its files in the order in which conda merges them, weak to strong.

Source: conda/base/constants.py (SEARCH_PATH) and common/configuration.py (`*.d` folders hold YAML files of any name).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from builder.doctor.disk import Disk

_SYSTEM: Final = ("/etc/conda", "/var/lib/conda")
_NAMES: Final = (".condarc", "condarc", "condarc.d")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One scalar of a condarc (`subdir: osx-64`) or one item of a list, and where it stands."""

    key: str
    value: str
    place: Place


def files(
    disk: Disk, environ: Mapping[str, str], *, roots: Iterable[Path] = (), prefix: Path | None = None
) -> list[Path]:
    """The files that exist, weak to strong: the system's, each conda's, the user's, the environment's, CONDARC's."""
    home = disk.home
    places = [disk.place(folder) / name for folder in _SYSTEM for name in _NAMES]
    places += [root / name for root in roots for name in _NAMES]
    settings = [home / ".config"]
    if environ.get("XDG_CONFIG_HOME"):
        settings.insert(0, disk.place(environ["XDG_CONFIG_HOME"]))
    places += [folder / "conda" / name for folder in settings for name in _NAMES]
    places += [home / ".conda" / name for name in _NAMES]
    places += [home / ".condarc", home / ".mambarc"]
    if prefix is not None:
        places += [prefix / name for name in _NAMES]
    places += [disk.place(environ[name]) for name in ("CONDARC", "MAMBARC") if environ.get(name)]
    found: list[Path] = []
    for place in dict.fromkeys(places):
        if not disk.known(place):
            continue
        if place.name == "condarc.d":
            found += [place / name for name in disk.entries(place) if name.endswith((".yml", ".yaml"))]
        elif disk.is_file(place):
            found.append(place)
    return found


def lines(disk: Disk, file: Path) -> Iterator[Line]:
    """What a condarc says, without parsing more of YAML than it uses: scalars, lists below a key, lists in brackets."""
    key = ""
    for number, raw in enumerate((disk.text(file) or "").splitlines(), 1):
        text = re.sub(r"\s+#.*$", "", raw)
        place = Place(file=file, line=number, key=key or None)
        if found := re.match(r"([a-z_]+):\s*(.*)$", text):
            key, value = found[1], found[2].strip()
            place = Place(file=file, line=number, key=key)
            items = value[1:-1].split(",") if value.startswith("[") and value.endswith("]") else [value]
            for item in filter(None, (item.strip().strip("\"'") for item in items)):
                yield Line(key=key, value=item, place=place)
        elif found := re.match(r"\s*-\s*(.+)$", text):
            yield Line(key=key, value=found[1].strip().strip("\"'"), place=place)


def effective(disk: Disk, found: Iterable[Path], *keys: str) -> Line | None:
    """The last scalar of one of the keys: the strongest file's wins."""
    last = None
    for file in found:
        for line in lines(disk, file):
            if line.key in keys:
                last = line
    return last
