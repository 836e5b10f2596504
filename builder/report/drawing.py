"""A drawing of who links which BLAS, OpenMP and framework library: one self-contained SVG."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final

from builder.binaries.dyld import Place
from builder.checks.runtimes import BLAS, OPENMP, runtime_of
from builder.checks.survey import Survey
from builder.wording import printable

if TYPE_CHECKING:
    from builder.environment.environment import Environment

#: Libraries that frameworks compute with. A file is drawn under the first kind that knows it.
_FRAMEWORKS: Final = re.compile(
    r"libtensorflow|_pywrap_tensorflow_(internal|common)|libtorch(_cpu)?\.|libc10\.|libmlx\."
)
#: Kind → colour. The colours differ in lightness too.
_KINDS: Final = {"BLAS": "#1f77b4", "OpenMP": "#d1495b", "framework": "#2a7f62"}
_MISSING: Final = " (missing)"
_ROW: Final = 30
_LEFT: Final = 230
_RIGHT: Final = 560
_WIDTH: Final = 1000
_MOST_PACKAGES: Final = 28


def drawing(environment: Environment) -> str:
    """The SVG of an environment, whose binaries are read for it."""
    return draw(Survey(environment, looks_up_symbols=False))


def links(survey: Survey) -> dict[str, dict[str, set[str]]]:
    """package → library (as shown) → kinds, for the libraries worth drawing."""
    return _mac_links(survey) if survey.is_mac else _linux_links(survey)


def _kind(name: str) -> str | None:
    if runtime_of(name, BLAS) is not None:
        return "BLAS"
    if runtime_of(name, OPENMP) is not None:
        return "OpenMP"
    return "framework" if _FRAMEWORKS.search(name) else None


def _mac_links(survey: Survey) -> dict[str, dict[str, set[str]]]:
    found: dict[str, dict[str, set[str]]] = {}
    for process in survey.processes:
        for binary, resolutions in process.images.values():
            package = survey.packages.owner(binary.rel)
            for item in resolutions:
                kind = _kind(f"/{item.binary.rel}" if item.binary is not None else item.name)
                if kind is not None:
                    absent = item.place is Place.MISSING
                    target = item.binary.rel if item.binary is not None else _short(item.name, missing=absent)
                    found.setdefault(package, {}).setdefault(target, set()).add(kind)
    return found


def _short(name: str, *, missing: bool) -> str:
    match = re.search(r"/([\w+-]+)\.framework/", name)
    return f"{match[1]} (macOS)" if match else f"{name}{_MISSING}" if missing else name


def _linux_links(survey: Survey) -> dict[str, dict[str, set[str]]]:
    tree = survey.elf
    found: dict[str, dict[str, set[str]]] = {}
    for binary in tree.binaries:
        for name, linked in tree.links[binary.rel].items():
            kind = _kind(f"/{linked.rel if linked is not None else name}")
            if kind is not None:
                target = linked.rel if linked is not None else name
                found.setdefault(survey.packages.owner(binary.rel), {}).setdefault(target, set()).add(kind)
    return found


def draw(survey: Survey) -> str:
    """The SVG; packages on the left, libraries on the right, a curve for each link."""
    found = links(survey)
    kinds = {library: min(kinds) for targets in found.values() for library, kinds in targets.items()}
    order = list(_KINDS)
    libraries = sorted(kinds, key=lambda name: (order.index(kinds[name]), name))
    packages = sorted(found, key=lambda name: (min(libraries.index(target) for target in found[name]), name))
    cut = packages[_MOST_PACKAGES:]
    packages = packages[:_MOST_PACKAGES]
    if not libraries:
        return _document(60, ['<text x="20" y="36">No package here links a BLAS, OpenMP or framework library.</text>'])
    rows = max(len(packages) + bool(cut), len(libraries))
    height = 70 + rows * _ROW + 20
    left = {name: _spread(index, len(packages) + bool(cut), rows) for index, name in enumerate(packages)}
    right = {name: _spread(index, len(libraries), rows) for index, name in enumerate(libraries)}
    parts = [_legend()]
    for package in packages:
        parts += [
            _curve(left[package], right[library], _KINDS[kinds[library]], package, library)
            for library in sorted(found[package])
        ]
    parts += [_box(_LEFT, left[name], name, "#555", anchor="end") for name in packages]
    parts += [_box(_RIGHT, right[name], name, _KINDS[kinds[name]], anchor="start") for name in libraries]
    if cut:
        y = _spread(len(packages), len(packages) + 1, rows)
        parts.append(f'<text x="{_LEFT - 12}" y="{y + 4}" text-anchor="end" fill="#777">… and {len(cut)} more</text>')
    return _document(height, parts)


def _spread(index: int, count: int, rows: int) -> int:
    """The middle of row `index`, when `count` rows are centred in the height of `rows`."""
    return 70 + round((rows - count) * _ROW / 2) + index * _ROW + _ROW // 2


def _curve(start: int, end: int, colour: str, package: str, library: str) -> str:
    middle = (_LEFT + _RIGHT) // 2
    dashed = ' stroke-dasharray="5 4"' if library.endswith(_MISSING) else ""
    title = escape(printable(f"{package} links {library}"))
    return (
        f'<path d="M{_LEFT} {start}C{middle} {start} {middle} {end} {_RIGHT} {end}" fill="none" stroke="{colour}" '
        f'stroke-width="1.6" stroke-opacity=".65"{dashed}><title>{title}</title></path>'
    )


def _box(x: int, y: int, label: str, colour: str, *, anchor: str) -> str:
    shift = -12 if anchor == "end" else 12
    most = 30 if anchor == "end" else 62
    label = printable(label)
    shown = label if len(label) <= most else f"…{label[-most:]}"
    return (
        f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>'
        f'<text x="{x + shift}" y="{y + 4}" text-anchor="{anchor}">{escape(shown)}<title>{escape(label)}</title></text>'
    )


def _legend() -> str:
    parts = [f'<text x="{_LEFT - 12}" y="48" text-anchor="end" font-weight="600">package</text>']
    x = _RIGHT
    for kind, colour in _KINDS.items():
        parts.append(f'<circle cx="{x}" cy="44" r="5" fill="{colour}"/>')
        parts.append(f'<text x="{x + 12}" y="48" font-weight="600">{kind}</text>')
        x += 110
    return "".join(parts)


def _document(height: int, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="system-ui, sans-serif" font-size="13" fill="currentColor">'
        "<title>Who links which BLAS, OpenMP and framework library</title>" + "".join(parts) + "</svg>"
    )
