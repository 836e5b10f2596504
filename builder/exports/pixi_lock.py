"""pixi.lock, version 6, which pixi since 0.40 and conda's `conda-lockfiles` read; every group is an environment.

Source of the fields: rattler's `rattler_lock` (parse/models/v6). What a conda-lock does not know is left out: sizes,
licences, `constrains`, and the indexes that a resolver asked. pixi would ask for those before it believes the file,
so it is to be told not to: `pixi install --frozen`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from builder.exports.model import Exported
from builder.lock.channels import canonical_url
from builder.lock.provided import provided_distributions
from builder.plan.terms import MAIN_GROUP

if TYPE_CHECKING:
    from builder.exports.model import Export
    from builder.lock.model import LockedPackage

_VERSION: Final = 6
_DEFAULT: Final = "default"


def export(wanted: Export) -> Exported:
    """All chosen platforms; `default` is the main group, and each other group an environment of its own name."""
    import yaml

    groups = sorted({group for package in wanted.lock.packages for group in package.groups} - {MAIN_GROUP})
    channels = [{"url": f"{canonical_url(channel)}/"} for channel in wanted.lock.channels]
    environments: dict[str, Any] = {}
    packages: dict[str, LockedPackage] = {}
    for group in (MAIN_GROUP, *groups):
        chosen = replace(wanted, groups=tuple(dict.fromkeys((MAIN_GROUP, group))))
        by_platform = {}
        for subdir in sorted(wanted.platforms):
            locked = sorted(chosen.on(subdir), key=lambda package: (package.manager, package.name))
            packages |= {package.url: package for package in locked}
            by_platform[subdir.value] = [{_kind(package): package.url} for package in locked]
        environments[_DEFAULT if group == MAIN_GROUP else group] = {"channels": channels, "packages": by_platform}
    document = {
        "version": _VERSION,
        "environments": environments,
        "packages": [
            _entry(package) for package in sorted(packages.values(), key=lambda one: (one.manager, one.name, one.url))
        ],
    }

    # Lists are one object in several places, which YAML would write as anchors.
    class _Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Exported(text=yaml.dump(document, Dumper=_Plain, sort_keys=False, width=1_000))


def _kind(package: LockedPackage) -> str:
    return "conda" if package.manager == "conda" else "pypi"


def _entry(package: LockedPackage) -> dict[str, Any]:
    if package.manager == "pip":
        entry = {"pypi": package.url, "name": package.name, "version": package.version, "sha256": package.sha256}
        needs = sorted(package.dependencies)
        return entry | ({"requires_dist": needs} if needs else {})
    entry = {"conda": package.url, "sha256": package.sha256}
    if package.md5 is not None:
        entry["md5"] = package.md5
    return {
        **entry,
        "depends": [f"{name} {version}".strip() for name, version in sorted(package.dependencies.items())],
        # Which of its PyPI packages pixi need not install.
        "purls": [f"pkg:pypi/{name}" for name in sorted(provided_distributions([package]))],
    }
