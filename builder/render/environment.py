"""Plans → environment.yml for all platforms, or a plain file for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from builder.errors import TemplateError
from builder.plan.terms import MAIN_GROUP
from builder.render.model import (
    ENVIRONMENT_FILE,
    VIRTUAL_PACKAGES_FILE,
    PlatformSpecs,
    Rendered,
    SpecLine,
    environment_file,
)
from builder.render.templates import render_template
from builder.resources import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from builder.plan.model import ChosenSpec, Plan
    from builder.platforms import Subdir


class _Line(Struct, frozen=True):
    text: str
    selector: str | None


def render(
    plans: Mapping[Subdir, Plan],
    *,
    parity: Mapping[Subdir, tuple[str, ...]] | None = None,
    templates: Path | None = None,
) -> Rendered:
    """All files of `environments/NAME/` from the plans of all the recipe's platforms.

    Raises TemplateError when a template fails, or when what it wrote, read back, is not what the plans say.
    """
    folder = templates or shipped("templates")
    recipe = next(iter(plans.values())).recipe
    groups = (MAIN_GROUP, *recipe.groups)
    platforms = tuple(platform_specs(plan, parity=(parity or {}).get(subdir, ())) for subdir, plan in plans.items())
    files = {
        environment_file(group): _environment(
            folder, name=recipe.name, channels=recipe.channels, group=group, platforms=platforms
        )
        for group in groups
    }
    _check_round_trip(files, platforms, folder)
    files[VIRTUAL_PACKAGES_FILE] = render_template(
        folder,
        f"{VIRTUAL_PACKAGES_FILE}.j2",
        name=recipe.name,
        platforms=[(specs.subdir.value, sorted(specs.virtual_packages.items())) for specs in platforms],
    )
    return Rendered(name=recipe.name, channels=recipe.channels, groups=groups, platforms=platforms, files=files)


def render_plain(plan: Plan, *, groups: Iterable[str] = (MAIN_GROUP,), templates: Path | None = None) -> str:
    """One environment.yml for one platform, without selectors: what `conda env create` takes.

    It has no `nodefaults`: since conda 26.7 made `conda env create` an alias of `conda create`, that is taken for
    the name of a channel and fetched (conda/conda#16210; seen by running it). The recipe's channels come first anyway.
    """
    specs = platform_specs(plan)
    wanted = set(groups)
    return render_template(
        templates or shipped("templates"),
        f"{ENVIRONMENT_FILE}.j2",
        name=plan.recipe.name,
        group=MAIN_GROUP,
        channels=plan.recipe.channels,
        platforms=[],
        conda=[_Line(line.text, None) for line in specs.conda if line.group in wanted],
        pip=[_Line(line.text, None) for line in specs.pip if line.group in wanted],
    )


def platform_specs(plan: Plan, *, parity: tuple[str, ...] = ()) -> PlatformSpecs:
    """The plan's specs as the lines that environment.yml gets."""
    lines = [_spec_line(spec) for spec in plan.specs]
    conda = [line for line in lines if line.manager == "conda"]
    pip = [line for line in lines if line.manager == "pip"]
    if pip and not any(line.name == "pip" for line in conda):
        # conda-lock puts pip into every environment that has a pip section; say so instead of leaving it implicit.
        conda.append(SpecLine(manager="conda", name="pip", text="pip", group=MAIN_GROUP))
    return PlatformSpecs(
        subdir=plan.subdir,
        conda=tuple(conda),
        pip=tuple(pip),
        virtual_packages=plan.virtual_packages,
        parity=parity,
        macos=plan.recipe.macos if plan.subdir.is_osx else None,
    )


def _spec_line(spec: ChosenSpec) -> SpecLine:
    if spec.manager == "conda":
        text = f"{spec.name} {spec.spec}".strip()
    else:
        text = spec.name + (f"[{','.join(spec.extras)}]" if spec.extras else "") + spec.spec
    return SpecLine(manager=spec.manager, name=spec.name, text=text, group=spec.group)


def _environment(
    folder: Path, *, name: str, channels: tuple[str, ...], group: str, platforms: tuple[PlatformSpecs, ...]
) -> str:
    def lines(manager: str) -> list[_Line]:
        by_platform = {
            specs.subdir: [
                line.text for line in (specs.conda if manager == "conda" else specs.pip) if line.group == group
            ]
            for specs in platforms
        }
        # In the order of the first platform that has it; a dict keeps one entry a text.
        texts = dict.fromkeys(text for texts in by_platform.values() for text in texts)
        merged: list[_Line] = []
        for text in texts:
            having = [subdir for subdir, texts_there in by_platform.items() if text in texts_there]
            everywhere = len(having) == len(platforms)
            merged += [_Line(text, None)] if everywhere else [_Line(text, subdir.selector) for subdir in having]
        return merged

    return render_template(
        folder,
        f"{ENVIRONMENT_FILE}.j2",
        name=name,
        group=group,
        channels=channels,
        platforms=[specs.subdir.value for specs in platforms],
        conda=lines("conda"),
        pip=lines("pip"),
    )


def _check_round_trip(files: Mapping[str, str], platforms: tuple[PlatformSpecs, ...], folder: Path) -> None:
    """What YAML reads back must be what the plans say: a template (a user may bring one) cannot slip anything in."""
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    read: set[str] = set()
    for text in files.values():
        try:
            data = yaml.load(text, Loader=loader)  # noqa: S506 - the C build of the safe loader
            for item in data["dependencies"] or ():
                read |= {item} if isinstance(item, str) else set(item["pip"])
        except (yaml.YAMLError, KeyError, TypeError) as error:
            raise TemplateError(
                f"wrote something that is no environment.yml: {error}", file=folder / f"{ENVIRONMENT_FILE}.j2"
            ) from None
    meant = {line.text for specs in platforms for line in (*specs.conda, *specs.pip)}
    if read != meant:
        difference = ", ".join(sorted(read ^ meant))
        raise TemplateError(
            f"the rendered file differs from the plan in: {difference}", file=folder / f"{ENVIRONMENT_FILE}.j2"
        )
