"""What the loader's rules need to know of packages: whose a file is, and which package is imported before which."""

from __future__ import annotations

from typing import Protocol


class Owners(Protocol):
    """The owners of a prefix's files. Paths (`rel`) are relative to the prefix."""

    def owner(self, rel: str) -> str:
        """The name of the package that the file belongs to, or of the folder it lies in."""

    def described(self, rel: str) -> str:
        """The package and its version, for messages."""

    def top_level(self, rel: str) -> str:
        """The import package the file lies in."""

    def requirements(self, name: str) -> frozenset[str]:
        """Everything that the package requires, directly or through others, as far as it is installed."""

    def loads_first(self, rel: str, host_rel: str) -> bool:
        """Whether the package of `host_rel` is imported before the binary `rel` is loaded."""
