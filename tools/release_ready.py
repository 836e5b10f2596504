"""Whether a tag may become a release: `python tools/release_ready.py v0.1.0`. Names what is still to be filled in.

`OWNER` stands where the repository's owner belongs until somebody publishes it, and a message may name a package index
as soon as envbuild is on one. A release with a placeholder could not be taken back from an index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import builder
from builder.published import IS_ON_INDEX, REPOSITORY, Published

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACEHOLDER: Final = "OWNER"
#: What names the repository, beside builder/published.py.
_FILES: Final = ("README.md", "action.yml", ".github/workflows/*.yml", "conda-recipe/recipe.yaml", "docs/**/*.md",
    "docs/examples/*/.pre-commit-config.yaml", "docs/examples/*/.github/workflows/*.yml")  # fmt: skip


def unready(tag: str, root: Path, *, repository: str = REPOSITORY, is_on_index: bool = IS_ON_INDEX) -> Iterator[str]:
    """What keeps the tree at `root` from being the release `tag`, a line each."""
    if tag != f"v{builder.__version__}":
        yield f"the tag is {tag}, and builder/__init__.py says {builder.__version__}"
    if not Published(repository=repository).is_known:
        yield f"builder/published.py: REPOSITORY is {repository}; put the owner there"
    if not is_on_index:
        yield "builder/published.py: IS_ON_INDEX is False; a release goes to the index"
    for file in sorted({file for pattern in _FILES for file in root.glob(pattern)}):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            if _PLACEHOLDER in line:
                yield f"{file.relative_to(root)}:{number}: {_PLACEHOLDER} stands for the repository's owner"


if __name__ == "__main__":
    found = list(unready(sys.argv[1], Path(__file__).parent.parent))
    sys.exit("\n".join(found) or 0)
