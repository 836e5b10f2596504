"""A draft as the text of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from builder.frameworks.registry import all_frameworks
from builder.importing.model import NotCarried
from builder.names import pypi_name
from builder.plan.pins import conda_to_pep440
from builder.plan.terms import MAIN_GROUP
from builder.platforms import TARGETS, Subdir
from builder.recipe.schema import SCHEMA_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.frameworks.model import Framework
    from builder.importing.model import Asked, Draft

#: What a recipe is for where the file does not say.
_PLATFORMS: Final = (Subdir.OSX_ARM64, Subdir.LINUX_64)
_PYTHON: Final = ">=3.11,<3.13"
_CHANNEL: Final = "conda-forge"


@dataclass(frozen=True, kw_only=True)
class Composed:
    """The recipe's text, what it does not say, and how much it does."""

    text: str
    left: tuple[NotCarried, ...]
    assumed: tuple[str, ...]
    """What the file does not say and a recipe must, in a sentence each."""
    dependencies: int
    """How many packages are asked for, the framework and Python not counted."""


def compose(draft: Draft, *, name: str, source: str, platforms: Sequence[Subdir]) -> Composed:
    """The recipe called `name`; `source` is what it was made from, for its first line.

    `platforms` are the user's; empty: the draft's, or this project's usual ones.
    """
    assumed: list[str] = []
    targets = tuple(platforms) or draft.platforms
    if not targets:
        targets = _PLATFORMS
        assumed.append(f"platforms: {', '.join(targets)}")
    if draft.python is None:
        assumed.append(f"python: {_PYTHON}")
    if not draft.channels:
        assumed.append(f"channels: {_CHANNEL}")
    left = list(draft.left)
    asked = [one for one in draft.asked if _on_some(one, targets, left)]
    framework, rest = _framework(asked, targets, left)
    recipe: dict[str, Any] = {
        "name": name,
        "description": f"Imported from {source}.",
        "platforms": [subdir.value for subdir in TARGETS if subdir in targets],
        "channels": list(draft.channels) or [_CHANNEL],
        "python": draft.python or _PYTHON,
    }
    if draft.macos is not None:
        recipe["macos"] = draft.macos
    if framework:
        recipe["framework"] = framework
    recipe |= _lists(rest, MAIN_GROUP, targets)
    groups = {group: _lists(rest, group, targets) for group in dict.fromkeys(one.group for one in rest)}
    groups.pop(MAIN_GROUP, None)
    if groups:
        recipe["groups"] = groups
    return Composed(text=_written(recipe), left=tuple(left), assumed=tuple(assumed), dependencies=len(rest))


def _on_some(one: Asked, targets: Sequence[Subdir], left: list[NotCarried]) -> bool:
    if not one.platforms or set(one.platforms) & set(targets):
        return True
    there = ", ".join(one.platforms)
    left.append(
        NotCarried(what=one.text, reason=f"is for {there}, which is no platform of the recipe", place=one.place)
    )
    return False


def _lists(asked: Iterable[Asked], group: str, targets: Sequence[Subdir]) -> dict[str, Any]:
    """`dependencies` and `pypi` of a group."""
    dependencies: list[Any] = []
    pypi: list[str] = []
    for one in asked:
        if one.group != group:
            continue
        where = [subdir.value for subdir in TARGETS if subdir in one.platforms and subdir in targets]
        everywhere = not one.platforms or len(where) == len(set(targets))
        if one.manager == "conda":
            dependencies.append(one.text if everywhere else {"conda": one.text, "platforms": where})
        elif everywhere:
            pypi.append(one.text)
        else:
            dependencies.append({"pypi": one.text, "platforms": where})
    return {key: value for key, value in (("dependencies", dependencies), ("pypi", pypi)) if value}


def _framework(
    asked: list[Asked], targets: Sequence[Subdir], left: list[NotCarried]
) -> tuple[dict[str, Any], list[Asked]]:
    """The field `framework`, and the dependencies that it does not stand for."""
    for framework in all_frameworks():
        mine = [one for one in asked if one.group == MAIN_GROUP and _is_of(framework, one)]
        if not framework.main or not mine or not set(targets) <= set(framework.platforms):
            continue
        plugins = [one for one in asked if one.group == MAIN_GROUP and one.name in framework.gpu_names]
        field: dict[str, Any] = {"name": framework.name}
        if plugins and Subdir.OSX_ARM64 in targets:
            field |= {"provider": "metal", "gpu": True}
        elif all(one.manager == "pip" for one in mine):
            field["provider"] = "pypi"
        version = _range(mine, left)
        if version:
            field["version"] = version
        plugin = _range(plugins, left)
        if plugin and "gpu" in field:
            field["plugin"] = plugin
        stands_for = [*mine, *(plugins if "gpu" in field else [])]
        return field, [one for one in asked if one not in stands_for]
    return {}, asked


def _is_of(framework: Framework, one: Asked) -> bool:
    """Whether a package is the framework itself, under any of its names."""
    names = {one.name} if one.manager == "pip" else {one.name, canonicalize_name(pypi_name(one.name))}
    own = {framework.main, *framework.distributions}
    return bool(names & (own if one.manager == "pip" else own | {framework.conda, framework.conda_base}))


def _range(asked: list[Asked], left: list[NotCarried]) -> str | None:
    """The range that several lines about one package agree on: the first that has one; others are told."""
    found: str | None = None
    for one in asked:
        text = _pep440(one, left)
        if text and found is None:
            found = text
        elif text and text != found:
            left.append(NotCarried(what=one.text, reason=f"{found} is taken, from another line", place=one.place))
    return found


def _pep440(one: Asked, left: list[NotCarried]) -> str | None:
    if one.manager == "pip":
        requirement = Requirement(one.text)
        if requirement.extras:
            told = ", ".join(sorted(requirement.extras))
            left.append(
                NotCarried(
                    what=one.text, reason=f"the extra {told} is not carried over to `framework:`", place=one.place
                )
            )
        return str(requirement.specifier) or None
    _, _, rest = one.text.partition(" ")
    version, _, build = rest.partition(" ")
    if build:
        left.append(
            NotCarried(what=one.text, reason="the build is chosen by `framework:` and its provider", place=one.place)
        )
    ranges = conda_to_pep440(version)
    if len(ranges) != 1:
        left.append(
            NotCarried(what=one.text, reason="alternatives (`|`) have no place in `framework:`", place=one.place)
        )
        return None
    return str(ranges[0]) or None


def _written(recipe: dict[str, Any]) -> str:
    import yaml

    class _Indented(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def written(part: dict[str, Any], *, flow: bool | None = False) -> str:
        text: str = yaml.dump(
            part, Dumper=_Indented, sort_keys=False, width=10_000, allow_unicode=True, default_flow_style=flow
        )
        return text

    # Short lists of names read better on one line.
    body = "".join(
        written({key: value}, flow=None if key in ("platforms", "channels") else False) for key, value in recipe.items()
    )
    return f"# yaml-language-server: $schema={SCHEMA_FILE}\n{body}"
