"""Where envbuild is to be had from, for the files that it writes into a user's repository, and for its messages.

It is on no package index yet, so those files name its repository at a revision: the one that it was installed from
where pip noted that (PEP 610), else what stands below: the one place to change when that changes.
`tools/release_ready.py` says what a release must have filled in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from builder import __version__

#: `OWNER/NAME` on GitHub; the owner is to be filled in by whoever publishes it.
REPOSITORY: Final = "OWNER/envbuild"
REVISION: Final = f"v{__version__}"
#: Whether package indexes have envbuild; to be set with the first release.
IS_ON_INDEX: Final[bool] = False
#: How to get a newer one, as the end of a sentence.
UPGRADE: Final = (
    "`pip install --upgrade envbuild`"
    if IS_ON_INDEX
    else "install it anew from where it was installed from (in a checkout: `git pull`, then `pip install .`)"
)
_GITHUB: Final = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A repository on GitHub and a revision of it."""

    repository: str = REPOSITORY
    revision: str = REVISION

    @property
    def url(self) -> str:
        return f"https://github.com/{self.repository}"

    @property
    def is_known(self) -> bool:
        """Whether the owner is more than a placeholder."""
        return not self.repository.startswith("OWNER/")


def published(note: str | None = None) -> Published:
    """Where this envbuild is from; `note` is what pip noted (default: of the one that runs)."""
    if note is None:
        from importlib.metadata import PackageNotFoundError, distribution

        try:
            note = distribution("envbuild").read_text("direct_url.json")
        except PackageNotFoundError:
            note = None
    try:
        noted: Any = json.loads(note or "{}")
    except ValueError:
        noted = {}
    vcs = noted.get("vcs_info") if isinstance(noted, dict) else None
    commit = vcs.get("commit_id") if isinstance(vcs, dict) else None
    found = _GITHUB.fullmatch(str(noted.get("url"))) if isinstance(noted, dict) else None
    if found is None or not isinstance(commit, str) or not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        return Published()
    return Published(repository=found[1], revision=commit)
