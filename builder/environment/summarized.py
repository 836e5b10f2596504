"""An environment that was never laid out: its metadata and owners are those of summaries, the rest is a skeleton."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from builder.binaries.summary_python import DIGEST_BYTES
from builder.environment.distributions import Distribution
from builder.environment.environment import Environment
from builder.environment.model import CondaRecord
from builder.environment.ownership import Claim, Owner, Ownership, Tables, module_of
from builder.environment.reading import MOST_BYTES, Reader
from builder.environment.skeleton import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from builder.binaries.summary import PackageSummary
    from builder.binaries.summary_linking import Layout
    from builder.platforms import Subdir


@dataclass(frozen=True)
class _MetadataReader(Reader):
    """Reads what is on no disk: `told` are the texts of metadata files."""

    told: dict[Path, str] = field(default_factory=dict)

    def text(self, path: Path, *, most: int = MOST_BYTES) -> str | None:
        return self.told.get(path) or super().text(path, most=most)


class SummarizedEnvironment(Environment):
    """The packages of `layout`, whose skeleton was written to `path` (`write_skeleton`)."""

    def __init__(self, path: Path, layout: Layout, *, subdir: Subdir) -> None:
        super().__init__(path, subdir=subdir)
        self.layout = layout
        self._told: dict[Path, str] = {}
        self._reader = _MetadataReader(told=self._told)

    @cached_property
    def conda_records(self) -> tuple[CondaRecord, ...]:
        found = (
            CondaRecord(
                name=one.name,
                version=one.version,
                build=one.build,
                subdir=one.subdir,
                files=(),
                depends=one.requires,
                source=self.path / "conda-meta" / f"{one.name}-{one.version}-{one.build}.json".replace("/", "_"),
            )
            for one in (package.identity for package in self.layout.packages)
            if one.kind == "conda"
        )
        return tuple(sorted(found, key=lambda record: record.source))

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        found: dict[str, Distribution] = {}
        site = self.site_packages
        if site is None:
            return ()
        for package in self.layout.packages:
            for own in package.distributions:
                if "/" in own.folder or not is_inside(own.folder):
                    continue
                info = site / own.folder
                if package.identity.kind == "wheel":
                    self._told[info / "WHEEL"] = "".join(f"Tag: {tag}\n" for tag in package.identity.tags)
                found[own.folder] = Distribution(
                    name=canonicalize_name(own.name.strip()),
                    version=own.version.strip(),
                    path=info,
                    requires=own.requires,
                    reader=self._reader,
                )
        return tuple(sorted(found.values(), key=lambda dist: (dist.name, str(dist.path))))

    def has_module(self, module: str, *, beside: Distribution | None = None) -> bool:
        top, dot, _ = module.partition(".")
        if top not in self._modules:
            return False
        inner = module.replace(".", "/")
        return not dot or any(path.startswith((f"{inner}/", f"{inner}.")) for path in self._in_site)

    @property
    def _in_site(self) -> Iterator[str]:
        """Every path in site-packages, relative to it."""
        return (
            path.removeprefix(self.layout.site)
            for path in map(self.layout.rel, (path for package in self.layout.packages for path in package.paths))
            if path.startswith(self.layout.site)
        )

    @cached_property
    def _modules(self) -> frozenset[str]:
        return frozenset(path.partition("/")[0].partition(".")[0] for path in self._in_site)

    @cached_property
    def owners(self) -> Ownership:
        return SummarizedOwners(self, self.layout)


class SummarizedOwners(Ownership):
    """Who owns what, as conda-meta and RECORD would say it once the packages are installed.

    Of files that two packages bring, claims have hashes: not those of the files, but equal where the files are.
    """

    def __init__(self, environment: Environment, layout: Layout) -> None:
        super().__init__(environment, Reader())
        self._layout = layout

    def source_imports(self, top: str, host_top: str) -> bool:
        return self._layout.owners.source_imports(top, host_top)

    @cached_property
    def _shared(self) -> frozenset[str]:
        """The files that several packages bring."""
        counted = Counter(map(self._layout.rel, (path for one in self._layout.packages for path in one.paths)))
        return frozenset(rel for rel, count in counted.items() if count > 1)

    @cached_property
    def _claims(self) -> list[tuple[PackageSummary, Claim, dict[str, str]]]:
        """Conda's packages, and wheels over them, each with its claim and the hashes of its shared files."""
        found = []
        for package in sorted(self._layout.packages, key=lambda one: (one.identity.kind, one.identity.name)):
            one = package.identity
            conda = one.kind == "conda"
            owner = Owner(name=one.name, version=one.version, manager="conda" if conda else "pip")
            claim = Claim(owner, None, None, None if conda else one.name)
            found.append((package, claim, _contents(package, self._shared, self._layout) if self._shared else {}))
        return found

    @cached_property
    def _of_conda(self) -> dict[str, tuple[Claim, ...]]:
        return self._claimed("conda")

    @cached_property
    def _tables(self) -> Tables:
        files = dict(self._of_conda)
        for rel, claims in self._claimed("wheel").items():
            files[rel] = (*files.get(rel, ()), *claims)
        folders = {dist.path.name: dist for dist in self._environment.distributions}
        modules: dict[str, Distribution | None] = {}
        for package in self._layout.packages:
            # As on disk, where each distribution's RECORD names the files of its own alone.
            dists = [folders[own.folder] for own in package.distributions if own.folder in folders]
            if len(dists) != 1:
                continue
            # Of a folder one path tells its module as well as all.
            inner = (path.removeprefix(self._site) for path in map(self._layout.rel, package.paths))
            tops = {path.partition("/")[0]: path for path in inner}
            for module in {module for path in tops.values() if (module := module_of(path)) is not None}:
                modules[module] = dists[0] if modules.get(module, dists[0]) is dists[0] else None
            if package.identity.kind == "conda":
                self._note_distribution(files, package, dists[0])
        return Tables(files, {module: dist for module, dist in modules.items() if dist is not None})

    def _note_distribution(
        self, files: dict[str, tuple[Claim, ...]], package: PackageSummary, dist: Distribution
    ) -> None:
        """conda-meta's claims come first, and RECORD's of the same files after them."""
        for path in package.paths:
            rel = self._layout.rel(path)
            if rel.startswith(self._site):
                first, *others = files[rel]
                files[rel] = (first, first._replace(distribution=dist.name), *others)

    def _claimed(self, kind: str) -> dict[str, tuple[Claim, ...]]:
        found: dict[str, tuple[Claim, ...]] = {}
        for package, claim, hashes in self._claims:
            if package.identity.kind != kind:
                continue
            rels = list(map(self._layout.rel, package.paths))
            before = {rel: found[rel] for rel in self._shared.intersection(rels) if rel in found}
            found.update(dict.fromkeys(rels, (claim,)))
            for rel in self._shared.intersection(rels):
                found[rel] = (*before.get(rel, ()), claim._replace(sha256=hashes.get(rel)))
        return found


def _contents(package: PackageSummary, shared: frozenset[str], layout: Layout) -> dict[str, str]:
    """Paths of the package in `shared` → a hash that is equal where the content is, as far as it counts."""
    sources = [path for path in package.paths if path.endswith(".py")]
    found: dict[str, bytes] = {}
    for number, path in enumerate(sources):
        if (rel := layout.rel(path)) in shared:
            found[rel] = package.digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
    for image in package.mach_o:
        if (rel := layout.rel(image.rel)) in shared:
            parts = (image.commands, image.imports.names.joined, image.exports.names.joined, image.size)
            found[rel] = found.get(rel, b"") + repr(parts).encode()
    for file in package.elf:
        if (rel := layout.rel(file.rel)) in shared:
            found[rel] = repr((file.needed, file.soname, file.symbols.names.joined, file.size)).encode()
    return {rel: hashlib.sha256(content, usedforsecurity=False).hexdigest() for rel, content in found.items()}
