"""Whether an installed file is still of the kind that was installed: a link that leads where it led, a readable file.

What hashes do not tell. Hashes themselves are compared elsewhere.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from builder.binaries.hashing import Job, answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.environment.environment import Environment
    from builder.environment.ownership import Claim


def recorded_links(environment: Environment) -> dict[str, str | None]:
    """The links of conda packages, with the SHA-256 of the file that each led to, where that was noted."""
    return {
        item.path: item.sha256_in_prefix
        for record in environment.conda_records
        for item in record.paths
        if item.kind == "softlink"
    }


def leads_right(environment: Environment, rel: str, sha256: str | None) -> bool:
    """Whether a link is one, and leads to the file that it led to, whatever has become of that file."""
    path = f"{environment.path}/{rel}"
    if not os.path.islink(path):  # noqa: PTH114 - a string already
        return False
    if sha256 is None:
        # To a folder, or out of the environment: nothing was noted that it could be compared with.
        return True
    real = os.path.realpath(path)
    if not os.path.isfile(real):  # noqa: PTH113 - a string already
        return False  # nowhere, or to a device, which has no end
    if sha256 in {claim.sha256 for claim in environment.owners.claims(os.path.relpath(real, environment.path))}:
        return True
    return answer(Job(kind="digest", path=real, size=0)).digest == sha256


def lost_permission(rel: str, mode: int, claims: tuple[Claim, ...]) -> str | None:
    """What nobody may do with a file any more (for root may read everything); None where nothing is amiss.

    A wheel's scripts are made executable by whoever installs it; what conda packages have in `bin` may be anything.
    """
    if not mode & 0o444:
        return "nobody may read it"
    if not mode & 0o111 and rel.startswith("bin/") and all(claim.owner.manager == "pip" for claim in claims):
        return "it is not executable"
    return None


def linked_folders(environment: Environment, rels: Iterable[str]) -> dict[str, str]:
    """Folders of installed files that are links out of the environment, and where these lead."""
    root = os.path.realpath(environment.path)
    recorded = recorded_links(environment)
    found: dict[str, str] = {}
    for folder in _folders(rels):
        path = f"{root}/{folder}"
        if folder not in recorded and os.path.islink(path):  # noqa: PTH114 - a string already
            real = os.path.realpath(path)
            if not real.startswith(f"{root}/"):
                found[folder] = real
    return found


def closed_folders(environment: Environment, rels: Iterable[str]) -> list[str]:
    """Folders of installed files that nobody may enter, but for root."""
    found = []
    for folder in _folders(rels):
        try:
            mode = os.lstat(f"{environment.path}/{folder}").st_mode
        except OSError:
            continue
        if stat.S_ISDIR(mode) and not mode & 0o111:
            found.append(folder)
    return sorted(found)


def _folders(rels: Iterable[str]) -> set[str]:
    """Every folder above some paths, without the one that they are relative to."""
    seen = {""}
    for rel in rels:
        above = os.path.dirname(rel)  # noqa: PTH120 - relative to the prefix
        while above not in seen:
            seen.add(above)
            above = os.path.dirname(above)  # noqa: PTH120 - relative to the prefix
    return seen - {""}
