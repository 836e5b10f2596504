"""From a recipe's name to its rendered files: the stages before locking, for every verb that needs them."""

from __future__ import annotations

import platform as _platform
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.errors import UsageError
from builder.lock.channels import Mirrors
from builder.plan.make import make_plans, parity_names
from builder.plan.model import Plan, Source
from builder.platforms import Subdir, host_subdir
from builder.recipe.model import check_channel, specifier_set
from builder.render.environment import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from builder.project import Project
    from builder.recipe.model import Recipe
    from builder.render.model import Rendered


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line may change about a recipe."""

    source: Source = Source.CONDA_FORGE
    channels: tuple[str, ...] = ()
    platforms: tuple[Subdir, ...] = ()
    python: Path | None = None
    """An interpreter for `--source pypi`; default: the newest one of this machine that fits."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recipe up to its rendered files, and the folder that those and the lock belong into."""

    recipe: Recipe
    plans: Mapping[Subdir, Plan]
    rendered: Rendered
    folder: Path

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(warning for plan in self.plans.values() for warning in plan.warnings))


def prepare(project: Project, name: str, options: Options, *, environ: Mapping[str, str], home: Path) -> Prepared:
    """Load the recipe, choose versions for all platforms, and render. Writes nothing into the project.

    With `--source pypi` the host channel is made (or taken from its cache). Raises RecipeError,
    UnsatisfiableError, UsageError.
    """
    recipe = _overridden(project.recipe(name), options)
    if options.source is Source.PYPI:
        return _prepare_pypi(project, recipe, options, environ=environ, home=home)
    if options.python is not None:
        raise UsageError("--python names the interpreter for --source pypi; add that, or leave --python out")
    plans = make_plans(recipe)
    return Prepared(recipe=recipe, plans=plans, rendered=_rendered(plans), folder=project.environment(name))


def _overridden(recipe: Recipe, options: Options) -> Recipe:
    unknown = [subdir for subdir in options.platforms if subdir not in recipe.subdirs]
    if unknown:
        raise UsageError(
            f"the recipe {recipe.name} is for {', '.join(recipe.platforms)}, not for {', '.join(unknown)}",
            hint=f"add the platform to {recipe.name}.yaml",
        )
    for channel in options.channels:
        try:
            check_channel(channel)
        except ValueError as error:
            raise UsageError(f"--channel: {error}") from None
    return recipe.model_copy(update={"channels": options.channels or recipe.channels})


def _prepare_pypi(
    project: Project, recipe: Recipe, options: Options, *, environ: Mapping[str, str], home: Path
) -> Prepared:
    from builder.channel.host import host_channel
    from builder.channel.interpreters import find

    here = host_subdir()
    if here is None or (options.platforms and options.platforms != (here,)):
        raise UsageError(
            f"--source pypi packages this machine's own Python, so it builds for {here or 'no platform here'} only",
            hint="leave --platform out, or use the recipe's channels",
        )
    if options.channels:
        raise UsageError("--source pypi uses the host channel; leave --channel out")
    interpreter = find(specifier_set(recipe.python), environ=environ, home=home, given=options.python)
    channel = host_channel(interpreter, subdir=here, cache=project.state / "host-channels")
    local = recipe.model_copy(update={"platforms": (here.value,), "channels": (channel.url,)})
    plans = make_plans(local, source=Source.PYPI, python=interpreter.minor)
    plans = {subdir: replace(plan, virtual_packages=_host_packages(plan)) for subdir, plan in plans.items()}
    return Prepared(
        recipe=local,
        plans=plans,
        rendered=_rendered(plans),
        folder=project.local_environment(recipe.name, source=Source.PYPI),
    )


def _host_packages(plan: Plan) -> dict[str, str]:
    """The plan's virtual packages with this machine's own glibc or macOS: the lock is for this machine."""
    packages = dict(plan.virtual_packages)
    if "__glibc" in packages:
        packages["__glibc"] = _platform.libc_ver()[1] or packages["__glibc"]
    if "__osx" in packages:
        packages["__osx"] = _platform.mac_ver()[0] or packages["__osx"]
    return packages


def _rendered(plans: Mapping[Subdir, Plan]) -> Rendered:
    return render(plans, parity={subdir: parity_names(plan) for subdir, plan in plans.items()})


def mirrors(pairs: Sequence[str], configured: Mapping[str, str], *, unpack_dir: Path) -> Mirrors:
    """Mirrors from `--mirror CHANNEL=URL` over those of the user's configuration."""
    given = dict(configured)
    for pair in pairs:
        channel, equals, place = pair.partition("=")
        if not (channel and equals and place):
            raise UsageError(
                f"--mirror {pair}: write CHANNEL=URL, for instance conda-forge=https://mirror.example/forge"
            )
        given[channel] = place
    return Mirrors.parse(given, unpack_dir=unpack_dir)
