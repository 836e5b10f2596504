"""Who owns which file: the little that linking must know about packages, told by whoever read them.

A package's binaries find another's only where that other is loaded first (a plug-in and its host), so that the linking
model asks for owners and for the order of imports. The table itself is read elsewhere, from RECORD and conda-meta; this
room knows it by this protocol alone.
"""

from __future__ import annotations

from typing import Protocol


class Owners(Protocol):
    """The packages of an environment and the files they own. Paths (`rel`) are relative to the environment's root."""

    def owner(self, rel: str) -> str:
        """The normalized name of the package `rel` belongs to, or of the folder it lies in where none claims it."""

    def described(self, rel: str) -> str:
        """The owner with its version, as messages name it: `torchvision 0.20.1`."""

    def top_level(self, rel: str) -> str:
        """The import package (or folder) that `rel` lies in."""

    def loads_first(self, rel: str, host_rel: str) -> bool:
        """Whether the package of `host_rel` is imported before the binary `rel` is loaded."""

    def requirements(self, name: str) -> frozenset[str]:
        """The normalized names of everything installed that `name` requires, directly or through others."""
