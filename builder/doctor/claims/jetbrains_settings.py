"""A JetBrains IDE's own configuration: which version is in use, its table of interpreters, its projects, its conda.

Sources: the IDEs' own files in public repositories, and intellij-community (PyCondaEnvIdentity, PySdkExt).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from builder.doctor.model import Ide, Place

if TYPE_CHECKING:
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.formats import Node

#: Prefix of a configuration folder → (which IDE, its name, its applications on macOS).
_PRODUCTS: Final[dict[str, tuple[Ide, str, tuple[str, ...]]]] = {
    "DataSpell": (Ide.DATASPELL, "DataSpell", ("DataSpell",)),
    "PyCharm": (Ide.PYCHARM, "PyCharm", ("PyCharm", "PyCharm Professional Edition")),
    "PyCharmCE": (Ide.PYCHARM, "PyCharm CE", ("PyCharm CE", "PyCharm Community Edition")),
    "IntelliJIdea": (Ide.INTELLIJ, "IntelliJ IDEA", ("IntelliJ IDEA", "IntelliJ IDEA Ultimate")),
    "IdeaIC": (Ide.INTELLIJ, "IntelliJ IDEA CE", ("IntelliJ IDEA CE", "IntelliJ IDEA Community Edition")),
}
_FOLDER: Final = re.compile(r"(?P<product>[A-Za-z]+)(?P<version>\d{4}\.\d+)")
#: A home on another machine: `ssh://`, `docker://`, `\\\\wsl$\\`.
_REMOTE: Final = re.compile(r"[a-z][a-z0-9+-]*://|\\\\wsl")
#: The type of a Python entry; some IDEs leave it out.
SDK_TYPES: Final = (None, "Python SDK")


@dataclass(frozen=True, kw_only=True)
class Sdk:
    """One Python entry of `jdk.table.xml`. `conda` is the executable that a conda entry depends on."""

    name: str
    home: str
    place: Place
    conda: str | None = None
    conda_place: Place | None = None
    is_conda: bool = False
    elsewhere: bool = False
    """Its path is that of a container or of another machine, whatever it looks like."""


@dataclass(frozen=True, kw_only=True)
class Recent:
    """A project the IDE remembers: whether it is open, and when it was last active (milliseconds; 0: not said)."""

    path: Path
    opened: bool
    active: int


@dataclass(frozen=True, kw_only=True)
class Product:
    """The configuration of one IDE that is in use: the newest version's; `older` are the folders it has replaced."""

    ide: Ide
    title: str
    version: str
    folder: Path
    sdks: dict[str, Sdk] = field(default_factory=dict)
    projects: tuple[Recent, ...] = ()
    last: Path | None = None
    older: tuple[Path, ...] = ()
    has_table: bool = False
    uses_project: bool = True
    """False where the IDE has a list of its projects, and the one asked about is not on it."""
    stored_conda: tuple[str, Place] | None = None
    """The conda the IDE remembers for all environments, and where."""
    app_arch: str | None = None
    app_why: str | None = None

    @property
    def who(self) -> str:
        return f"{self.title} {self.version}"

    @property
    def year(self) -> int:
        """Of the version, which is called after it (2025.3); 0 where it is not."""
        first = self.version.partition(".")[0]
        return int(first) if first.isascii() and first.isdigit() else 0


# -- the IDE's own configuration ---------------------------------------------------------------------------------


def products(around: Surroundings) -> list[Product]:
    """The IDEs that are configured for this user, each with the folder of its newest version."""
    folders: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for base in (root / "JetBrains" for root in around.settings_roots):
        for name in around.disk.entries(base):
            match = _FOLDER.fullmatch(name)
            if match and match["product"] in _PRODUCTS and around.disk.is_dir(base / name / "options"):
                version = tuple(int(part) for part in match["version"].split("."))
                folders.setdefault(match["product"], []).append((version, base / name))
    return [_product(around, name, sorted(found)) for name, found in sorted(folders.items())]


def _product(around: Surroundings, name: str, found: list[tuple[tuple[int, ...], Path]]) -> Product:
    ide, title, applications = _PRODUCTS[name]
    version, folder = found[-1]
    options = folder / "options"
    arch, why, _ = around.application(*applications)
    recent, last = _recent(around, options)
    return Product(
        ide=ide,
        title=title,
        version=".".join(map(str, version)),
        folder=folder,
        sdks=sdk_table(around, options / "jdk.table.xml"),
        projects=recent,
        last=last,
        older=tuple(path for _, path in found[:-1]),
        has_table=around.disk.is_file(options / "jdk.table.xml"),
        stored_conda=_stored_conda(around, options),
        app_arch=arch,
        app_why=why,
    )


def is_remote(home: str) -> bool:
    return _REMOTE.match(home) is not None


def sdk_table(around: Surroundings, file: Path) -> dict[str, Sdk]:
    """Name → Python entry; none where the file is absent or damaged."""
    document = around.xml(file)
    sdks: dict[str, Sdk] = {}
    for jdk in document.all("jdk") if document is not None else ():
        kind, name, home = (jdk.child(tag) for tag in ("type", "name", "homePath"))
        if name is None or home is None or (kind is not None and kind.get("value") not in SDK_TYPES):
            continue
        conda, conda_place = _conda_of(jdk, file)
        title = name.get("value") or ""
        sdks[title] = Sdk(
            name=title,
            home=home.get("value") or "",
            place=Place(file=file, line=home.line, key="homePath"),
            conda=conda,
            conda_place=conda_place,
            is_conda=any(
                node.get("name") == "FLAVOR_ID" and node.get("value") == "Conda" for node in jdk.all("setting")
            ),
            # With a target the path is one inside it (intellij-community, TargetBasedSdks.kt).
            elsewhere=is_remote(home.get("value") or "") or any(jdk.all("targetEnvironmentConfiguration")),
        )
    return sdks


def _conda_of(jdk: Node, file: Path) -> tuple[str | None, Place | None]:
    for setting in jdk.all("setting"):
        if setting.get("name") == "FLAVOR_DATA":
            try:
                data = json.loads(setting.get("value") or "{}")
            except (ValueError, RecursionError):
                return None, None
            conda = data.get("fullCondaPathOnTarget") if isinstance(data, dict) else None
            env = data.get("env") if isinstance(data, dict) else None
            if not isinstance(conda, str) and isinstance(env, dict):
                conda = env.get("fullCondaPathOnTarget")
            if isinstance(conda, str) and conda:
                return conda, Place(file=file, line=setting.line, key="fullCondaPathOnTarget")
    return None, None


def _stored_conda(around: Surroundings, options: Path) -> tuple[str, Place] | None:
    """The remembered conda, from the newest kind of place to the oldest.

    Source: intellij-community, PyCustomExecutablePaths.kt (2026), PropertiesComponent of other.xml, and
    conda_packages.xml of 2019.
    """
    for name, key in (("other.xml", "PYCHARM_CONDA_FULL_LOCAL_PATH"), ("conda_packages.xml", "PREFERRED_CONDA_PATH")):
        text = around.disk.text(options / name) or ""
        found = re.search(key + r"""(?:&quot;|")[^/$~]{0,40}?([/$~][^"&<>]+)""", text)
        if found:
            line = text.count("\n", 0, found.start()) + 1
            return found[1], Place(file=options / name, line=line, key=key)
    return None


def _recent(around: Surroundings, options: Path) -> tuple[tuple[Recent, ...], Path | None]:
    """Recent projects, and the last one that was open."""
    found: list[Recent] = []
    last: Path | None = None
    for name in ("recentProjects.xml", "recentProjectDirectories.xml"):
        document = around.xml(options / name)
        if document is None:
            continue
        for entry in document.all("entry"):
            info = next(entry.all("RecentProjectMetaInfo"), None)
            if entry.get("key") and info is not None:
                found.append(
                    Recent(
                        path=around.disk.place(entry.get("key") or ""),
                        opened=info.get("opened") == "true",
                        active=max((_number(option) for option in info.all("option")), default=0),
                    )
                )
        for option in document.all("option"):
            if option.get("name") in ("lastOpenedProject", "lastProjectPath") and option.get("value"):
                last = around.disk.place(option.get("value") or "")
    return tuple(found), last


def _number(option: Node) -> int:
    value = option.get("value") or ""
    is_time = option.get("name") in ("activationTimestamp", "projectOpenTimestamp")
    return int(value) if is_time and value.isascii() and value.isdigit() and len(value) < 16 else 0
