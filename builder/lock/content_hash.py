"""conda-lock's content hash of rendered files that ask for conda packages alone.

`conda-lock --check-input-hash` compares it, so it is conda-lock's to define, and its own source says that it must not
change (conda_lock/content_hash.py): the SHA-256 of channels, match specs and virtual packages as JSON. Importing what
computes it there takes as long as a solve. So it is computed here for match specs that conda's parser reads as they
stand; whatever else there is, is asked of conda-lock (`lock.condalock`). The contract test compares the two.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from builder.platforms import Subdir
    from builder.render.model import PlatformSpecs, Rendered, SpecLine

_VERSION: Final = r"[0-9][A-Za-z0-9]*(?:\.[A-Za-z0-9]+)*"
#: What stands for itself: any version, a range, one version, a series.
_SAME: Final = rf"\*|(?:[<>]=?|!=|~=){_VERSION}(?:,(?:[<>]=?|!=){_VERSION})*|{_VERSION}(?:\.\*)?"
_SPEC: Final = re.compile(
    r"(?P<name>[a-z0-9_][a-z0-9_.-]*)"
    rf"(?: (?P<same>{_SAME})(?: (?P<build>\*?[A-Za-z0-9_]+\*?))?| ==(?P<exact>{_VERSION})| =(?P<series>{_VERSION}))?"
)
_CHANNEL: Final = re.compile(
    r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*|(?:https?|file)://[A-Za-z0-9_.-]*(?:/[A-Za-z0-9_.-]+)*"
)
#: What conda-lock dates all virtual packages from: the first of January 2020.
_DATE: Final = 1577854800000


def content_hashes(rendered: Rendered) -> dict[Subdir, str] | None:
    """The content hash of each platform (SHA-256, hex); None where only conda-lock can tell."""
    if not all(_CHANNEL.fullmatch(channel) and "/t/" not in channel for channel in rendered.channels):
        return None
    found: dict[Subdir, str] = {}
    for specs in rendered.platforms:
        told = [_told(line) for line in sorted(specs.conda, key=lambda line: line.name)]
        if specs.pip or None in told:
            return None
        content = {
            "channels": [
                json.dumps({"url": url, "used_env_vars": []}, separators=(",", ":")) for url in rendered.channels
            ],
            "specs": told,
            "virtual_package_hash": {"noarch": _repository("noarch", {}), specs.subdir.value: _virtual(specs)},
        }
        found[specs.subdir] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return found


def _told(line: SpecLine) -> dict[str, Any] | None:
    """A match spec as conda-lock has it; None where conda's parser may make something else of it."""
    found = _SPEC.fullmatch(line.text)
    if found is None:
        return None
    version = found["same"] or found["exact"] or (f"{found['series']}.*" if found["series"] else "")
    return {
        "name": found["name"],
        "manager": "conda",
        "category": line.group,
        "extras": [],
        "version": version,
        "build": found["build"],
        "conda_channel": None,
        "hash": None,
    }


def _virtual(specs: PlatformSpecs) -> dict[str, Any]:
    packages = {}
    for name, text in specs.virtual_packages.items():
        version, _, build = text.partition(" ")
        # conda-lock 2 had the build number behind the build string, and the hash still does.
        packages[f"{name}-{version}-{f'{build}_0' if build else '0'}.tar.bz2"] = {
            "name": name,
            "version": version,
            "build_string": build,
            "build_number": 0,
            "noarch": "",
            "depends": [],
            "timestamp": _DATE,
            "package_type": "virtual_system",
            "build": f"{build}_0" if build else "0",
            "subdir": specs.subdir.value,
        }
    return _repository(specs.subdir.value, packages)


def _repository(subdir: str, packages: dict[str, Any]) -> dict[str, Any]:
    return {"info": {"subdir": subdir}, "packages": packages}
