"""JetBrains' run configurations: those that name an interpreter of their own, or set variables.

They stand in three places: the workspace, `.idea/runConfigurations`, and `*.run.xml`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from builder.doctor.claims.jetbrains_entries import Claims, macro, sdk_claim
from builder.doctor.claims.jetbrains_settings import Product, is_remote
from builder.doctor.model import Claim, Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.doctor.claims.common import Surroundings
    from builder.doctor.formats import Node


def run_claims(around: Surroundings, product: Product, project: Path, project_sdk: str) -> list[Claim]:
    """The run configurations that name an interpreter or set variables. Only the selected one can decide."""
    found: list[tuple[Claim, bool]] = []
    for file, node, selected in _configurations(around, project):
        options = {option.get("name"): option for option in node.children if option.tag == "option"}

        def value(name: str, options: dict[str | None, Node] = options) -> str:
            return (options[name].get("value") or "") if name in options else ""

        variables = {
            env.get("name") or "": (env.get("value") or "", Place(file=file, line=env.line, key=env.get("name")))
            for env in node.all("env")
        }
        title = f"run configuration {node.get('name')}"
        common = Claims(around, product)
        # Left behind when the box "project's interpreter" was ticked, the path is ignored by the IDE.
        own = value("IS_MODULE_SDK").lower() == "false"
        home, name = value("SDK_HOME"), value("SDK_NAME")
        if own and (home or name):
            if home and not is_remote(home):
                path = macro(around, home, project)
                place = Place(file=file, line=options["SDK_HOME"].line, key="SDK_HOME")
                claim = common.claim(
                    what=title,
                    written=home,
                    decided_by=(place,),
                    interpreter=around.environments.of(path),
                    variables=variables,
                )
            elif name and not home:
                place = Place(file=file, line=options["SDK_NAME"].line, key="SDK_NAME")
                claim = sdk_claim(around, product, name=name, place=place, what=title)
            else:
                continue
        elif variables and project_sdk:
            place = Place(file=file, line=node.line, key="configuration")
            claim = sdk_claim(around, product, name=project_sdk, place=place, what=title)
            claim = replace(claim, variables=variables)
        else:
            continue
        found.append((claim, selected))
    # Without a selection a single configuration is the one that the green arrow starts.
    alone = len(found) == 1
    return [
        claim if selected or alone else replace(claim, decisive=False, overruled="not the selected one")
        for claim, selected in found
    ]


def _configurations(around: Surroundings, project: Path) -> Iterator[tuple[Path, Node, bool]]:
    """(file, configuration, whether it is selected) from all three places, templates left out."""
    idea = project / ".idea"
    workspace = around.xml(idea / "workspace.xml")
    manager = workspace.component("RunManager") if workspace is not None else None
    selected = (manager.get("selected") or "") if manager is not None else ""
    # `selected="Python.train"`: the type's name, a dot, the configuration's.
    chosen = selected.partition(".")[2] or selected
    files = [idea / "runConfigurations" / name for name in around.disk.entries(idea / "runConfigurations")]
    files += [project / name for name in around.disk.entries(project) if name.endswith(".run.xml")]
    files += [project / ".run" / name for name in around.disk.entries(project / ".run") if name.endswith(".run.xml")]
    documents = [(idea / "workspace.xml", manager)] if manager is not None else []
    documents += [
        (file, document) for file in files if file.suffix == ".xml" and (document := around.xml(file)) is not None
    ]
    for file, document in documents:
        for node in document.all("configuration"):
            if node.get("default") != "true" and node.get("name"):
                yield file, node, node.get("name") == chosen
