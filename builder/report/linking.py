"""The linking of an environment as a picture that can be followed: every library, who loads it, and through what.

A fragment of HTML. To be read it needs no script: each binary is a folded entry with links to the others. The script
draws in the entry that was opened its loaders on the left and what it links on the right (one above the other where the
page is narrow); a name in the picture leads to its entry.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Final

from builder.binaries.dyld import Place
from builder.errors import BinaryError
from builder.wording import plural, printable

if TYPE_CHECKING:
    from builder.binaries.dyld import Process, Resolution
    from builder.binaries.inventory import Binary
    from builder.checks.survey import Survey

#: Binaries shown: those that others load come first. And links, loaders and libraries of macOS shown of each.
_MOST: Final = 1_500
_EACH: Final = 40
_EXAMPLES: Final = 3


@dataclass(kw_only=True)
class Node:
    """One binary. `links` and `loaders` map the other's path, or a name, to how it is found."""

    rel: str
    package: str
    links: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    loaders: dict[str, str] = field(default_factory=dict)
    system: dict[str, str] = field(default_factory=dict)
    """A library of the system → what is taken from it."""


def linking(survey: Survey) -> str:
    """The section; empty where nothing links anything."""
    nodes = _mac(survey) if survey.is_mac else _linux(survey)
    for node in nodes.values():
        for other, how in node.links.items():
            if other in nodes:
                nodes[other].loaders.setdefault(node.rel, how)
    shown = sorted(
        (node for node in nodes.values() if node.links or node.loaders or node.missing or node.system),
        key=lambda node: (not node.missing, -len(node.loaders), node.rel),
    )
    return _html(shown[:_MOST], cut=len(shown) - _MOST) if shown else ""


def _mac(survey: Survey) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for process in survey.processes:
        for image, resolutions in process.images.values():
            if image.rel not in nodes:
                nodes[image.rel] = Node(rel=image.rel, package=survey.packages.described(image.rel))
                nodes[image.rel].system = _from_macos(image, resolutions)
            node = nodes[image.rel]
            for item in resolutions:
                if item.binary is not None and item.binary is not image:
                    node.links.setdefault(item.binary.rel, _how(survey, process, image, item))
                elif item.place is Place.MISSING:
                    node.missing.setdefault(item.name, "; ".join(item.tried[:3]) or "no rpath to search")
    return nodes


def _how(survey: Survey, process: Process, image: Binary, item: Resolution) -> str:
    """Through what dyld finds a library: an rpath and whose it is, or the name itself."""
    if not item.name.startswith("@rpath/") or item.binary is None:
        return item.name
    tail = item.name.removeprefix("@rpath/")
    by_path = survey.inventory.by_path
    for path in process.chain(image):
        loader = by_path.get(path)
        for rpath in loader.commands.rpaths if loader is not None else ():
            folder = rpath.replace("@loader_path", loader.folder if loader is not None else "")
            place = os.path.normpath(f"{folder}/{tail}")
            real = (survey.inventory.real or os.path.realpath)(place)
            if item.binary.path in (place, real):
                whose = "" if loader is image or loader is None else f" of {loader.rel}"
                return f"{item.name} by the rpath {rpath}{whose}"
    return f"{item.name}, which is loaded already"


def _from_macos(image: Binary, resolutions: tuple[Resolution, ...]) -> dict[str, str]:
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    try:
        imports = image.imports.imports
    except (BinaryError, OSError):
        return {}
    for name, ordinal, _, _ in imports:
        if 0 < ordinal <= len(resolutions) and resolutions[ordinal - 1].place is Place.SYSTEM:
            library = resolutions[ordinal - 1].name
            counts[library] += 1
            if counts[library] <= _EXAMPLES:
                examples.setdefault(library, []).append(name.decode(errors="replace"))
    linked = {item.name for item in resolutions if item.place is Place.SYSTEM}
    return {
        library: f"{plural(counts[library], 'symbol')}"
        + (f": {', '.join(examples[library])}" if library in examples else "")
        for library in sorted(linked)
    }


def _linux(survey: Survey) -> dict[str, Node]:
    tree = survey.elf
    nodes: dict[str, Node] = {}
    for binary in tree.binaries:
        node = nodes[binary.rel] = Node(rel=binary.rel, package=survey.packages.described(binary.rel))
        versions = {needs.library: ", ".join(needs.versions) for needs in binary.needs}
        lacking = {item.name for item in tree.missing if item.binary is binary}
        for name in binary.needed:
            found = tree.links[binary.rel].get(name)
            if found is not None:
                node.links[found.rel] = f"{name} by {', '.join(binary.search[:2]) or 'the name of one loaded already'}"
            elif name in lacking:
                node.missing[name] = f"searched: {', '.join(binary.search) or 'no RUNPATH'}"
            else:
                node.system[name] = versions.get(name, "")
    return nodes


def _html(nodes: list[Node], *, cut: int) -> str:
    ids = {node.rel: f"link-{number}" for number, node in enumerate(nodes)}
    parts = [_entry(node, ids) for node in nodes]
    more = (
        f"<p>{plural(cut, 'more binary', 'more binaries')} that others load less are left out.</p>" if cut > 0 else ""
    )
    script = resources.files("builder.report").joinpath("linking.js").read_text(encoding="utf-8")
    return (
        '<section class="linking"><h2>Who loads what</h2>'
        "<p>Choose a binary: who loads it and through which rpath, what it links, what it takes from the system.</p>"
        f'<div id="linking-picture" hidden></div><div id="linking-list">{"".join(parts)}</div>{more}'
        f"<script>{script}</script></section>"
    )


def _entry(node: Node, ids: dict[str, str]) -> str:
    bad = " — lacks a library" if node.missing else ""
    label = f"{_text(node.rel)} <small>{_text(node.package)}{bad}</small>"
    groups = (
        ("loaded by", "in", node.loaders),
        ("links", "out", node.links),
        ("lacks", "gone", node.missing),
        ("takes from the system", "os", node.system),
    )
    lists = "".join(_list(title, kind, items, ids) for title, kind, items in groups if items)
    return f'<details id="{ids[node.rel]}" data-name="{_text(node.rel)}"><summary>{label}</summary>{lists}</details>'


def _list(title: str, kind: str, items: dict[str, str], ids: dict[str, str]) -> str:
    rows = []
    for name, how in list(items.items())[:_EACH]:
        shown = f'<a href="#{ids[name]}">{_text(name)}</a>' if name in ids else f"<span>{_text(name)}</span>"
        rows.append(f"<li>{shown} <small>{_text(how)}</small></li>")
    rest = len(items) - _EACH
    if rest > 0:
        rows.append(f"<li>… and {rest} more</li>")
    return f'<p>{title}</p><ul data-kind="{kind}">{"".join(rows)}</ul>'


def _text(text: str) -> str:
    return escape(printable(text), quote=True)
