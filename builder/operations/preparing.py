"""From a recipe to its plans and rendered files: the stages before locking, for every operation that needs them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.errors import LockfileError, SourceUnreachableError, UsageError
from builder.plan.terms import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from builder.compat.facts import Facts
    from builder.lock.model import Lock
    from builder.plan.catalogue import Catalogue
    from builder.plan.model import Plan
    from builder.plan.staying import Kept
    from builder.platforms import Subdir
    from builder.recipe.model import Recipe
    from builder.render.model import Rendered
    from builder.workspace import Workspace


#: What `--solver` names when nobody says otherwise: the one that envbuild brings along.
BUILT_IN_SOLVER: Final = "rattler"
#: Days after which facts are called old.
OLD_FACTS: Final = 90


@dataclass(frozen=True, kw_only=True)
class PackageOptions:
    """What may be said about a recipe's packages from outside the recipe."""

    source: Source = Source.CONDA_FORGE
    channels: tuple[str, ...] = ()
    """Instead of the recipe's."""
    python: Path | None = None
    """An interpreter for `Source.PYPI`; default: the newest one of this machine that fits."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A recipe with its plans, and the folder that its rendered files and lock belong into."""

    recipe: Recipe
    plans: Mapping[Subdir, Plan]
    folder: Path

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(warning for plan in self.plans.values() for warning in plan.warnings))

    def age_of_facts(self, workspace: Workspace) -> tuple[str, ...]:
        """A note where the facts are old and the channel has what they do not know."""
        from builder.published import UPGRADE

        newer = next((plan.newer for plan in self.plans.values() if plan.newer is not None), None)
        established = workspace.facts.newest_date
        days = (workspace.clock().date() - date.fromisoformat(established)).days
        if newer is None or days <= OLD_FACTS:
            return ()
        return (
            f"the facts about what fits are {days} days old (of {established}) and the channel has newer releases; "
            f"a newer envbuild knows more: {UPGRADE}",
        )

    @cached_property
    def rendered(self) -> Rendered:
        """What the plans render to now. Raises TemplateError."""
        from builder.plan.make import parity_names
        from builder.render.environment import render

        return render(self.plans, parity={subdir: parity_names(plan) for subdir, plan in self.plans.items()})


def prepare(
    workspace: Workspace,
    recipe: Recipe,
    options: PackageOptions,
    *,
    platforms: tuple[Subdir, ...] = (),
    catalogue: Catalogue | None = None,
    kept: Kept | None = None,
) -> Prepared:
    """Choose versions for all platforms of a recipe. Writes nothing into the project.

    `platforms` are those that are asked about; with `Source.PYPI` the host channel is made (or taken from its cache).
    `catalogue` says what exists on the channels; without it facts stand in. `kept` is what the lock there is has.
    Raises UnsatisfiableError, UsageError, SourceUnreachableError.
    """
    return next(preparations(workspace, recipe, options, platforms=platforms, catalogue=catalogue, kept=kept))


def prepare_with_channels(
    workspace: Workspace, recipe: Recipe, options: PackageOptions, *, platforms: tuple[Subdir, ...] = ()
) -> Prepared:
    """As `prepare`, with what the channels have today; without them, where they cannot be reached.

    Each plan says which it was (`Plan.existence`). As `lock` would, it stays at what the recipe's lock has.
    """
    if options.source is not Source.CONDA_FORGE:
        return prepare(workspace, recipe, options, platforms=platforms)
    file = workspace.project.committed_lock(recipe.name)
    kept = kept_in(_readable(file), workspace.facts) if file is not None else None
    from builder.lock.catalogue import ChannelCatalogue
    from builder.operations.fetching import Solvers

    channels = options.channels or recipe.channels
    try:
        catalogue = ChannelCatalogue(Solvers(workspace).solver(channels), channels)
        return prepare(workspace, recipe, options, platforms=platforms, catalogue=catalogue, kept=kept)
    except SourceUnreachableError as error:
        reason = error.plain.rpartition(": ")[2]
        workspace.progress.note(
            f"the channels cannot be asked ({reason}), so what exists is told from the facts of "
            f"{workspace.facts.newest_date}"
        )
        return prepare(workspace, recipe, options, platforms=platforms, kept=kept)


def kept_in(lock: Lock | None, facts: Facts, *, moving: Collection[str] = ()) -> Kept | None:
    """What a new plan stays at: by platform the packages of a lock by the names that facts have for them.

    `moving` are the names (normalised) that may move. A plug-in and its framework do so together.
    """
    from packaging.utils import canonicalize_name
    from packaging.version import InvalidVersion

    from builder.compat.ranges import public_version
    from builder.frameworks import registry
    from builder.names import project
    from builder.plan.staying import Held

    if lock is None:
        return None
    kept: dict[Subdir, dict[str, Held]] = {subdir: {} for subdir in lock.platforms}
    freed: set[str] = set()
    for package in lock.packages:
        subject = facts.subject(project(package.name, conda=package.manager == "conda"))
        if moving and canonicalize_name(package.name) in moving:
            freed.add(subject)
        try:
            version = public_version(package.version)
        except InvalidVersion:
            continue
        kept[package.subdir][subject] = Held(package.manager, version)
    for framework in registry.all_frameworks():
        tied = {framework.main, framework.versioned, *([framework.plugin.name] if framework.plugin is not None else [])}
        if freed & tied:
            freed |= tied
    return {subdir: {name: held for name, held in there.items() if name not in freed} for subdir, there in kept.items()}


def _readable(file: Path) -> Lock | None:
    from builder.lock.read import read_lock

    try:
        return read_lock(file)
    except LockfileError:
        return None


def preparations(
    workspace: Workspace,
    recipe: Recipe,
    options: PackageOptions,
    *,
    platforms: tuple[Subdir, ...] = (),
    catalogue: Catalogue | None = None,
    kept: Kept | None = None,
) -> Iterator[Prepared]:
    """As `prepare`, then what to try next where a solver refuses one. There is at least one."""
    from builder.plan.make import candidates

    recipe = _overridden(recipe, options, platforms)
    if options.source is Source.PYPI:
        yield from _preparations_pypi(workspace, recipe, options, platforms, kept)
        return
    if options.python is not None:
        raise UsageError("--python names the interpreter for --source pypi; add that, or leave --python out")
    folder = workspace.project.environment(recipe.name)
    for plans in candidates(recipe, facts=workspace.facts, catalogue=catalogue, kept=kept):
        yield Prepared(recipe=recipe, plans=plans, folder=folder)


def _overridden(recipe: Recipe, options: PackageOptions, platforms: tuple[Subdir, ...]) -> Recipe:
    from builder.recipe.model import check_channel

    unknown = [subdir for subdir in platforms if subdir not in recipe.subdirs]
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
    return recipe.replaced(channels=options.channels or recipe.channels)


def _preparations_pypi(
    workspace: Workspace, recipe: Recipe, options: PackageOptions, platforms: tuple[Subdir, ...], kept: Kept | None
) -> Iterator[Prepared]:
    from builder.channel.host import host_channel
    from builder.channel.interpreters import find
    from builder.plan.make import candidates
    from builder.recipe.specs import specifier_set

    here = workspace.host
    if here is None or (platforms and platforms != (here,)):
        raise UsageError(
            f"--source pypi packages this machine's own Python, so it builds for {here or 'no platform here'} only",
            hint="leave --platform out, or use the recipe's channels",
        )
    if options.channels:
        raise UsageError("--source pypi uses the host channel; leave --channel out")
    given = None if options.python is None else workspace.path(options.python)
    interpreter = find(specifier_set(recipe.python), environ=workspace.environ, home=workspace.home, given=given)
    channel = host_channel(interpreter, subdir=here, cache=workspace.project.state / "host-channels", uv=workspace.uv)
    local = recipe.replaced(platforms=(here.value,), channels=(channel.url,))
    folder = workspace.project.local_environment(recipe.name, source=Source.PYPI)
    plans_in_turn = candidates(local, source=Source.PYPI, facts=workspace.facts, python=interpreter.minor, kept=kept)
    for chosen in plans_in_turn:
        plans = {
            subdir: replace(plan, virtual_packages=_of_this_machine(plan, workspace)) for subdir, plan in chosen.items()
        }
        yield Prepared(recipe=local, plans=plans, folder=folder)


def _of_this_machine(plan: Plan, workspace: Workspace) -> dict[str, str]:
    """The plan's virtual packages with this machine's own glibc or macOS: the lock is for this machine."""
    return {name: workspace.host_packages.get(name, version) for name, version in plan.virtual_packages.items()}


def newer_on_index(workspace: Workspace, prepared: Prepared) -> tuple[str, ...]:
    """A note where PyPI has a newer release of a framework that comes from there, and no fact is about it.

    Costs a question to the index; says nothing where that cannot be asked.
    """
    from packaging.version import Version

    from builder.lock.index import newest_release
    from builder.recipe.specs import specifier_set

    for subdir, plan in prepared.plans.items():
        main = plan.combination.main if plan.combination is not None else None
        spec = next((spec for spec in plan.specs if main is not None and spec.facts and spec.manager == "pip"), None)
        if main is None or spec is None or plan.combination is None or plan.provider == "conda-forge":
            continue
        asked = prepared.recipe.framework.version
        newest = newest_release(
            spec.name,
            subdir=subdir,
            python=plan.combination.python,
            macos=prepared.recipe.macos if subdir.is_osx else None,
            uv=workspace.uv,
        )
        if newest is None or newest <= main.newest or (asked is not None and not specifier_set(asked).contains(newest)):
            return ()
        if workspace.facts.release(main.package, Version(newest.public), "pypi") is not None:
            return ()  # it was passed over for a reason
        title = workspace.facts.display(main.package)
        return (
            f"{title} {newest} is on PyPI; no fact here shows what works with it, so {main.newest} was taken; "
            f'`framework: {{version: "{newest.major}.{newest.minor}"}}` takes it',
        )
    return ()
