"""The rendered files, read back from a folder: the lock stage begins from them, whoever wrote them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from builder import yamlio
from builder.errors import TemplateError
from builder.plan.terms import MAIN_GROUP
from builder.platforms import TARGETS, Subdir
from builder.render.model import (
    ENVIRONMENT_FILE,
    VIRTUAL_PACKAGES_FILE,
    PlatformSpecs,
    Rendered,
    SpecLine,
    environment_file,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.models import Key

_GROUP_FILE: Final = re.compile(r"environment\.([a-z0-9][a-z0-9._-]*)\.yml")
_SELECTOR: Final = re.compile(r"\s# \[(\w+)\]\s*$")


def read_rendered(folder: Path, *, groups: Sequence[str] = (), parity: Sequence[str] = ()) -> Rendered:
    """What `environment.yml`, its groups' files and `virtual-packages.yml` in `folder` say.

    `groups` is the order of the optional groups (default: that of their names). `parity` are the names to keep at one
    version on all platforms, which the files do not say. Raises TemplateError with file and line for what is missing or
    is not as rendering writes it.
    """
    found = sorted(match[1] for path in folder.glob("environment.*.yml") if (match := _GROUP_FILE.fullmatch(path.name)))
    ordered = (MAIN_GROUP, *(groups or found))
    documents = {group: yamlio.load(folder / environment_file(group), error=TemplateError) for group in ordered}
    virtual = yamlio.load(folder / VIRTUAL_PACKAGES_FILE, error=TemplateError)
    main = _mapping(documents[MAIN_GROUP])
    subdirs = [Subdir(name) for name in _texts(documents[MAIN_GROUP], "platforms") if name in TARGETS]
    packages = _virtual_packages(virtual)
    lines = [line for group, document in documents.items() for line in _lines(document, group)]
    platforms = []
    for subdir in subdirs:
        here = [line for selector, line in lines if selector in (None, subdir.selector)]
        platforms.append(
            PlatformSpecs(
                subdir=subdir,
                conda=tuple(line for line in here if line.manager == "conda"),
                pip=tuple(line for line in here if line.manager == "pip"),
                virtual_packages=packages.get(subdir, {}),
                parity=tuple(parity),
                macos=packages.get(subdir, {}).get("__osx"),
            )
        )
    if not platforms:
        raise TemplateError("`platforms` names none that envbuild knows", file=folder / ENVIRONMENT_FILE)
    files = (*(environment_file(group) for group in ordered), VIRTUAL_PACKAGES_FILE)
    return Rendered(
        name=str(main.get("name", "")),
        channels=tuple(name for name in _texts(documents[MAIN_GROUP], "channels") if name != "nodefaults"),
        groups=ordered,
        platforms=tuple(platforms),
        files={file: (folder / file).read_text(encoding="utf-8") for file in files},
    )


def _mapping(document: yamlio.Document) -> dict[str, Any]:
    if not isinstance(document.data, dict):
        raise TemplateError("not a mapping of fields", file=document.file, line=1)
    return document.data


def _texts(document: yamlio.Document, field: str) -> list[str]:
    found = _mapping(document).get(field)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise TemplateError(f"`{field}` must be a list of names", file=document.file, line=document.line((field,)))
    return found


def _lines(document: yamlio.Document, group: str) -> list[tuple[str | None, SpecLine]]:
    """Every dependency with its selector, which stands behind it as a comment (conda-lock's way)."""
    written = document.file.read_text(encoding="utf-8").splitlines()

    def selector(path: Key) -> str | None:
        line = document.line(path)
        match = _SELECTOR.search(written[line - 1]) if line else None
        return match[1] if match else None

    def refuse(path: Key) -> TemplateError:
        return TemplateError("a dependency is not one line of text", file=document.file, line=document.line(path))

    lines: list[tuple[str | None, SpecLine]] = []
    found = _mapping(document).get("dependencies") or []
    for index, item in enumerate(found if isinstance(found, list) else [found]):
        path: Key = ("dependencies", index)
        if isinstance(item, str):
            name = item.split()[0] if item.split() else ""
            lines.append((selector(path), SpecLine(manager="conda", name=name, text=item, group=group)))
        elif isinstance(item, dict) and isinstance(item.get("pip"), list):
            for number, text in enumerate(item["pip"]):
                place = (*path, "pip", number)
                if not isinstance(text, str):
                    raise refuse(place)
                name = re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]
                lines.append((selector(place), SpecLine(manager="pip", name=name, text=text, group=group)))
        else:
            raise refuse(path)
    return lines


def _virtual_packages(document: yamlio.Document) -> Mapping[Subdir, dict[str, str]]:
    subdirs = _mapping(document).get("subdirs")
    if not isinstance(subdirs, dict):
        raise TemplateError("the field `subdirs` is missing", file=document.file, line=1)
    found: dict[Subdir, dict[str, str]] = {}
    for name, entry in subdirs.items():
        packages = entry.get("packages") if isinstance(entry, dict) else None
        if name not in TARGETS or not isinstance(packages, dict):
            raise TemplateError(
                f"`subdirs.{name}` is not a platform with its packages",
                file=document.file,
                line=document.line(("subdirs", name)),
            )
        for package, version in packages.items():
            if not isinstance(version, str):
                raise TemplateError(
                    f"the version of {package} is not text; put it in quotation marks",
                    file=document.file,
                    line=document.line(("subdirs", name, "packages", package)),
                )
        found[Subdir(name)] = dict(packages)
    return found
