"""Which copies of a library an environment has, and who loads each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.checks.runtimes import Runtime, runtime_of

if TYPE_CHECKING:
    from builder.checks.survey import Survey


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A copy that something loads. `identity`: two copies of one identity never are in one process (glibc: SONAME)."""

    rel: str
    identity: str
    users: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.rel.rpartition("/")[2]

    @property
    def line(self) -> str:
        return f"{self.rel}, loaded by {', '.join(self.users)}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What is loaded of one family. `together`: a binary whose loading alone brings `pair`, two of the copies."""

    copies: tuple[Copy, ...]
    unused: tuple[str, ...]
    together: str | None = None
    pair: tuple[str, ...] = ()


def loaded_copies(survey: Survey, table: tuple[Runtime, ...]) -> Loaded:
    """The copies of the libraries in `table`, as the loader of the target finds them."""
    return _on_mac(survey, table) if survey.is_mac else _on_linux(survey, table)


def _on_mac(survey: Survey, table: tuple[Runtime, ...]) -> Loaded:
    found = {binary.path: binary for binary in survey.inventory.binaries if runtime_of(binary.rel, table)}
    users: dict[str, set[str]] = {path: set() for path in found}
    together: str | None = None
    pair: tuple[str, ...] = ()
    for process in survey.processes:
        inside = [path for path in process.images if path in found]
        for path in inside:
            if path != process.entry.path:
                users[path].add(survey.packages.owner(process.entry.rel))
        if together is None and len(inside) > 1:
            together, pair = process.entry.rel, tuple(found[path].name for path in inside)
    return Loaded(
        copies=tuple(
            Copy(rel=rel, identity=path, users=tuple(sorted(users[path])))
            for rel, path in sorted((binary.rel, path) for path, binary in found.items())
            if users[path]
        ),
        unused=tuple(binary.rel for path, binary in found.items() if not users[path]),
        together=together,
        pair=pair,
    )


def _on_linux(survey: Survey, table: tuple[Runtime, ...]) -> Loaded:
    tree = survey.elf
    found = {binary.rel: binary for binary in tree.binaries if runtime_of(binary.rel, table)}
    users: dict[str, set[str]] = {rel: set() for rel in found}
    for binary in tree.binaries:
        for linked in tree.links[binary.rel].values():
            if linked is not None and linked.rel in users:
                users[linked.rel].add(survey.packages.owner(binary.rel))
    together: str | None = None
    pair: tuple[str, ...] = ()
    if sum(map(bool, users.values())) > 1:
        for binary in tree.binaries:
            inside = {found[rel].soname or rel: found[rel].name for rel in tree.closure(binary) if rel in found}
            if len(inside) > 1:
                together, pair = binary.rel, tuple(inside.values())
                break
    return Loaded(
        copies=tuple(
            Copy(rel=rel, identity=found[rel].soname or rel, users=tuple(sorted(names)))
            for rel, names in sorted(users.items())
            if names
        ),
        unused=tuple(rel for rel, names in users.items() if not names),
        together=together,
        pair=pair,
    )
