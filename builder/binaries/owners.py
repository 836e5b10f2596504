"""Who owns which file: the little that linking must know about packages, told by whoever read them.

A package's binaries find another's only where that other is loaded first (a plug-in and its host), so that the linking
model asks for owners and for the order of imports. The table itself is read elsewhere, from RECORD and conda-meta; this
room knows it by this protocol alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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


class ImportOrder(ABC):
    """Which package is imported before which, for whoever knows owners, requirements and source."""

    def __init__(self, *, plugin_hosts: Mapping[str, str] | None = None) -> None:
        """`plugin_hosts`: folder → the module that loads the binaries in it by name."""
        self._plugin_hosts = dict(plugin_hosts or {})
        self._closures: dict[str, frozenset[str]] = {}

    @abstractmethod
    def owner(self, rel: str) -> str:
        """See `Owners`."""

    @abstractmethod
    def top_level(self, rel: str) -> str:
        """See `Owners`."""

    @abstractmethod
    def directly_required(self, name: str) -> Iterable[str]:
        """The normalized names that `name` requires itself, as far as they are installed."""

    @abstractmethod
    def source_imports(self, top: str, host_top: str) -> bool:
        """Whether the source of the import package `top` imports the module `host_top`."""

    def requirements(self, name: str) -> frozenset[str]:
        """Everything `name` requires, directly or through others, as far as it is installed; extras too."""
        if name not in self._closures:
            found: set[str] = set()
            pending = [name]
            while pending:
                new = set(self.directly_required(pending.pop())) - found
                found |= new
                pending += new
            self._closures[name] = frozenset(found)
        return self._closures[name]

    def loads_first(self, rel: str, host_rel: str) -> bool:
        """Whether the package of `host_rel` is imported before the binary `rel` is loaded.

        It is, when it is the same package, a declared requirement, the host of a plug-in folder, or imported by the
        package's own source (torch_scatter declares nothing and begins with `import torch`).
        """
        owner, host = self.owner(rel), self.owner(host_rel)
        if owner == host or host in self.requirements(owner):
            return True
        top, host_top = self.top_level(rel), self.top_level(host_rel)
        return top == host_top or self._plugin_hosts.get(top) == host_top or self.source_imports(top, host_top)
