"""A live environment: what its history says was asked for of conda, and what pip and uv note as requested.

Sources: `# update specs` of conda-meta/history and `requested_specs` of conda-meta/*.json (conda, mamba, py-rattler);
the file REQUESTED in a dist-info (PEP 376, written by pip and uv).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.errors import UsageError

if TYPE_CHECKING:
    from builder.environment.distributions import Distribution
    from builder.environment.environment import Environment
    from builder.importing.model import Collector


def read(environment: Environment, into: Collector) -> None:
    """Raises UsageError for a folder that is no environment."""
    if not environment.is_conda and not environment.distributions:
        raise UsageError(f"{environment.path} is no environment: {environment.recognised.evidence}")
    into.name = environment.path.name.lstrip(".")
    if environment.is_conda:
        _conda(environment, into)
    elif environment.python_version is not None:
        into.python_range(".".join(map(str, environment.python_version)))
    if environment.subdir is not None:
        into.platform(environment.subdir.value)
    _pypi(environment, into)


def _conda(environment: Environment, into: Collector) -> None:
    records = {record.name: record for record in environment.conda_records}
    for record in environment.conda_records:
        channel = record.url.rsplit("/", 2)[0] if record.url else record.channel
        into.channel(channel.removeprefix("https://conda.anaconda.org/"))
    specs: dict[str, str] = {}
    for revision in environment.history:
        specs |= {_name(spec): spec for spec in revision.specs}
    specs |= {record.name: spec for record in environment.conda_records for spec in record.requested}
    asked = {name: spec for name, spec in specs.items() if name in records}
    if not asked:
        needed = {need.split()[0] for record in records.values() for need in record.depends if need.split()}
        asked = {name: f"{name} =={record.version}" for name, record in records.items() if name not in needed}
        into.leave(
            "what was asked for", "is not in the history; what no other package needs is taken for it, at its version"
        )
    for name in sorted(asked):
        into.conda(asked[name])
    if into.python is None and "python" in records:
        into.python_range(".".join(records["python"].version.split(".")[:2]))
    into.leave(
        f"{len(records) - len(asked)} packages that were brought in", "are chosen again when the recipe is locked"
    )


def _name(spec: str) -> str:
    name = spec.rpartition("::")[2].split()[0] if spec.split() else ""
    for stop in "=<>!~[":
        name = name.partition(stop)[0]
    return name.lower()


def _pypi(environment: Environment, into: Collector) -> None:
    owners = environment.owners if environment.is_conda else None
    own = [
        one
        for one in environment.distributions
        if owners is None or owners.owner_of_distribution(one).manager != "conda"
    ]
    requested = [one for one in own if one.read("REQUESTED") is not None]
    if not requested and own:
        needed = {canonicalize_name(need.name) for one in own for need in one.requirements()}
        requested = [one for one in own if one.name not in needed]
    # What makes an environment, and not what it is for.
    requested = [one for one in requested if one.name not in ("pip", "setuptools", "wheel", "uv")]
    for one in requested:
        if (reason := _not_of_an_index(one)) is not None:
            into.leave(f"{one.name} {one.version}", reason)
        else:
            into.pypi(f"{one.name}=={one.version}")
    others = len(own) - len(requested)
    if others:
        into.leave(f"{others} distributions that were brought in", "are chosen again when the recipe is locked")


def _not_of_an_index(one: Distribution) -> str | None:
    if one.editable:
        return "is code in development; install it into the environment with `pip install --no-deps -e`"
    return "was installed from a URL or a folder, and not from an index" if one.direct_url else None
