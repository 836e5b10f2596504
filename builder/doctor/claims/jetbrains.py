"""DataSpell, PyCharm and IntelliJ: the project's interpreter by name, the table of names, and run configurations.

Order: a module's `jdkName`, else the project's `project-jdk-name`; the name is looked up in `jdk.table.xml`, whose
`homePath` counts. Flavour, version and name of an entry are not reliable and never judged. Sources: the IDEs' own files
in public repositories, and intellij-community (PythonSdkAdditionalData, PyCondaEnvIdentity, CondaEnvSdkFlavor).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from builder.doctor.claims.jetbrains_entries import macro, sdk_claim
from builder.doctor.claims.jetbrains_runs import run_claims
from builder.doctor.claims.jetbrains_settings import SDK_TYPES, Product, products
from builder.doctor.model import Claim, Ide, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.formats import Node

#: So much later (milliseconds: a month) another edition must have had a project to have taken its place.
_LEFT_BEHIND: Final = 30 * 24 * 3600 * 1000


def read(around: Surroundings) -> list[Claim]:
    """The claims of every JetBrains IDE about the project, or about the projects they have open."""
    found: list[Claim] = []
    installed = products(around)
    for product in installed:
        for project in _projects_of(around, product, installed):
            used = replace(product, uses_project=_opened_here(around, product, project))
            claims = _project_claims(around, used, project)
            by = _successor(around, product, project, installed) or _newer(around, product, project, installed)
            found += _superseded(claims, by) if by else claims
        found += _workspace_claims(around, product)
    if around.project is not None and not installed:
        found += _orphan_claims(around, around.project)
    return _without_repeats(found)


def _without_repeats(claims: list[Claim]) -> list[Claim]:
    seen: dict[tuple[str, str, tuple[Place, ...]], Claim] = {}
    for claim in claims:
        seen.setdefault((claim.who, claim.written, claim.decided_by), claim)
    return list(seen.values())


def _projects_of(around: Surroundings, product: Product, installed: list[Product]) -> list[Path]:
    """The project asked about if this IDE is the one for it; without one, what the IDE has open."""
    disk = around.disk
    if around.project is None:
        opened = [recent.path for recent in product.projects if recent.opened]
        chosen = opened or ([product.last] if product.last is not None else [])
        return [path for path in dict.fromkeys(chosen) if disk.is_dir(path / ".idea")]
    if not disk.is_dir(around.project / ".idea"):
        return []
    project = around.project
    knowing = [other for other in installed if _last_active(around, other, project) is not None]
    return [project] if product in (knowing or installed) else []


def _opened_here(around: Surroundings, product: Product, project: Path) -> bool:
    """Whether the IDE has this project: a committed `.idea` may be a colleague's. `--ide` says that it is used."""
    if around.asked is not None and product.ide in around.asked:
        return True
    return not product.projects or _last_active(around, product, project) is not None


def _last_active(around: Surroundings, product: Product, project: Path) -> int | None:
    """When the IDE last had that project (0: it does not say); None if it does not know it."""
    return max((recent.active for recent in product.projects if around.disk.same(recent.path, project)), default=None)


def _successor(around: Surroundings, product: Product, project: Path, installed: list[Product]) -> Product | None:
    """Another edition of the same IDE that has had the project since: what this one has is left over."""
    own = _last_active(around, product, project)
    editions = [other for other in installed if other.ide is product.ide and other is not product]
    later = [other for other in editions if (_last_active(around, other, project) or 0) > (own or 0) + _LEFT_BEHIND]
    return later[0] if later and own else None


def _newer(around: Surroundings, product: Product, project: Path, installed: list[Product]) -> Product | None:
    """A JetBrains IDE of a later year that has the project's interpreter in its list too, where no IDE says which one
    has the project: the older one's folder is left over. `--ide` says that it is used all the same."""
    named = _project_sdk(around, project)
    asked = around.asked is not None and product.ide in around.asked
    if named is None or asked or any(_last_active(around, other, project) is not None for other in installed):
        return None
    later = [other for other in installed if other.year > product.year and named[0] in other.sdks]
    return max(later, key=lambda other: other.year, default=None)


def _superseded(claims: list[Claim], by: Product) -> list[Claim]:
    return [replace(claim, decisive=False, overruled=f"{by.who} has had the project since") for claim in claims]


def _orphan_claims(around: Surroundings, project: Path) -> list[Claim]:
    """Run configurations that name their interpreter, where no configuration of an IDE was found."""
    asked = around.asked is not None and bool(around.asked & {Ide.PYCHARM, Ide.DATASPELL, Ide.INTELLIJ})
    ide = next(iter(around.asked or ()), Ide.PYCHARM) if asked else Ide.PYCHARM
    nobody = Product(ide=ide, title="the JetBrains IDE", version="", folder=project, uses_project=asked)
    return list(run_claims(around, nobody, project, ""))


def _project_claims(around: Surroundings, product: Product, project: Path) -> list[Claim]:
    found: list[Claim] = []
    named = _project_sdk(around, project)
    other = project if around.project is None else None
    if named is not None:
        name, place = named
        found.append(sdk_claim(around, product, name=name, place=place, what=f"project {project.name}"))
    found += run_claims(around, product, project, named[0] if named else "")
    return [replace(claim, project=other) for claim in found]


def _project_sdk(around: Surroundings, project: Path) -> tuple[str, Place] | None:
    """The name of the project's interpreter and where it stands: in its module file, else in misc.xml.

    Of several modules the one of the project's own folder counts, else the first that names an interpreter.
    """
    idea = project / ".idea"
    misc = around.xml(idea / "misc.xml")
    manager = misc.component("ProjectRootManager") if misc is not None else None
    inherited = None
    if manager is not None and manager.get("project-jdk-name") and manager.get("project-jdk-type") in SDK_TYPES:
        place = Place(file=idea / "misc.xml", line=manager.line, key="project-jdk-name")
        inherited = (manager.get("project-jdk-name") or "", place)
    modules = _modules(around, project)
    for module in [file for file in modules if _is_of(around, file, project)] or modules:
        for name, place in module_sdks(around, module):
            return name, place
    return inherited


def _is_of(around: Surroundings, module: Path, project: Path) -> bool:
    """Whether a module's content is the project's own folder, and not one of the folders in it."""
    document = around.xml(module)
    folder = module.parent.parent if module.parent.name == ".idea" else module.parent
    contents = document.all("content") if document is not None else ()
    return any(around.disk.same(_content(around, node, project, folder), project) for node in contents)


def _content(around: Surroundings, node: Node, project: Path, folder: Path) -> Path:
    return macro(around, unquote(node.get("url") or ""), project, module=folder)


def _modules(around: Surroundings, project: Path) -> list[Path]:
    idea = project / ".idea"
    listed = around.xml(idea / "modules.xml")
    files = [
        macro(around, node.get("filepath") or "", project)
        for node in (listed.all("module") if listed is not None else ())
    ]
    if files:
        return files
    beside = [idea / name for name in around.disk.entries(idea) if name.endswith(".iml")]
    return beside or [project / name for name in around.disk.entries(project) if name.endswith(".iml")]


def module_sdks(around: Surroundings, module: Path) -> Iterator[tuple[str, Place]]:
    """The interpreter a module names for itself; nothing where it inherits the project's."""
    document = around.xml(module)
    for entry in document.all("orderEntry") if document is not None else ():
        kinds = ("Python SDK", "Python")
        if entry.get("type") == "jdk" and entry.get("jdkType") in kinds and entry.get("jdkName"):
            yield entry.get("jdkName") or "", Place(file=module, line=entry.line, key="jdkName")
    # IntelliJ keeps the Python of a module of another language in a facet.
    for facet in document.all("facet") if document is not None else ():
        settings = facet.child("configuration") if facet.get("type") in ("Python", "django") else None
        if settings is not None and settings.get("sdkName"):
            yield settings.get("sdkName") or "", Place(file=module, line=settings.line, key="sdkName")


# -- DataSpell's workspace ---------------------------------------------------------------------------------------


def _workspace_claims(around: Surroundings, product: Product) -> list[Claim]:
    """DataSpell's own workspace: a directory attached to it has an interpreter that nobody may have chosen."""
    if product.ide is not Ide.DATASPELL:
        return []
    workspace = product.folder / "projects" / "workspace"
    found: list[Claim] = []
    attached = around.project is None
    for module in _modules(around, workspace) if around.disk.is_dir(workspace / ".idea") else ():
        document = around.xml(module)
        folder = module.parent.parent if module.parent.name == ".idea" else module.parent
        contents = [
            _content(around, node, workspace, folder)
            for node in (document.all("content") if document is not None else ())
        ]
        ours = around.project is not None and any(_covers(around, path, around.project) for path in contents)
        attached = attached or ours
        for name, place in module_sdks(around, module):
            what = f"attached directory {contents[0].name if contents else module.stem}"
            found.append(
                sdk_claim(around, product, name=name, place=place, what=what, decisive=ours or around.project is None)
            )
    named = _project_sdk(around, workspace)
    if not found and named is not None and (around.project is None or not around.disk.is_dir(around.project / ".idea")):
        found.append(sdk_claim(around, product, name=named[0], place=named[1], what="workspace", decisive=attached))
    return found


def _covers(around: Surroundings, folder: Path, project: Path) -> bool:
    return around.disk.same(folder, project) or any(around.disk.same(folder, parent) for parent in project.parents[:6])
