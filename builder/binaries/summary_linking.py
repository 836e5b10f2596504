"""An environment laid out from summaries alone: the same inventory and owners as a prefix on disk, and no files.

The linking model then runs over them as it does over a prefix. Nothing here touches a disk.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from builder.binaries.elf.tree import ElfBinary, expanded
from builder.binaries.inventory import Binary, Inventory, Unreadable
from builder.binaries.owners import ImportOrder
from builder.binaries.summary import PREFIX, SITE
from builder.binaries.summary_python import Generated
from builder.binaries.tables import ImportTable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from builder.binaries.elf.file import Symbol
    from builder.binaries.macho import Commands, Export, SliceVerdict
    from builder.binaries.numpy_abi import NumpyAbi
    from builder.binaries.summary import ElfImage, MachOImage, PackageSummary

#: Where the environment is taken to be. No such folder exists.
ROOT: Final = "/environment"
_MOST_HOPS: Final = 40
_CONDA_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


class SummarizedBinary(Binary):
    """A binary of a summary: what `Binary` reads from its file is in the tables already."""

    def __init__(self, path: str, rel: str, *, arch: str, image: MachOImage, commands: Commands) -> None:
        super().__init__(path, rel, size=image.size, arch=arch, archs=image.archs, commands=commands)
        self._image = image
        self._asked: frozenset[bytes] = frozenset()
        self._exported: frozenset[bytes] = frozenset()

    @property
    def signature(self) -> SliceVerdict:
        """Whether macOS runs it."""
        return self._image.signature

    @cached_property
    def imports(self) -> ImportTable:
        return self._image.imports if self.serves else ImportTable.of(())

    @cached_property
    def numpy_abi(self) -> NumpyAbi | None:
        return self._image.numpy_abi

    @cached_property
    def objc_classes(self) -> tuple[bytes, ...]:
        return self._image.objc_classes

    def provided(self, names: Collection[bytes]) -> tuple[AbstractSet[bytes], tuple[Export, ...]]:
        if not self.serves:
            return frozenset(), ()
        wanted = frozenset(names)
        if not wanted <= self._asked:
            self._exported |= self._image.exports.among(wanted - self._asked)
            self._asked |= wanted
        found = wanted & self._exported
        return found, self._image.exports.handed_on_of(found)

    def provided_once(self, names: frozenset[bytes]) -> AbstractSet[bytes]:
        return self._image.exports.among(names) if self.serves else frozenset()


@dataclass(frozen=True, kw_only=True)
class SummarizedElf(ElfBinary):
    """An ELF file of a summary."""

    image: ElfImage

    def wanted(self) -> tuple[Symbol, ...]:
        return self.image.symbols.wanted()

    def defined_of(self, names: AbstractSet[bytes]) -> frozenset[bytes]:
        return self.image.symbols.defined_of(names)

    def numpy_abi(self) -> NumpyAbi | None:
        return self.image.numpy_abi


class Layout:
    """Packages as one environment. `python` is its minor version (`3.12`), `arch` as Mach-O and ELF name it."""

    def __init__(
        self,
        packages: Sequence[PackageSummary],
        *,
        python: str,
        arch: str,
        plugin_hosts: Mapping[str, str] | None = None,
    ) -> None:
        self.packages = tuple(packages)
        self.arch = arch
        self.site = f"lib/python{python}/site-packages/"
        self._plugin_hosts = plugin_hosts

    def rel(self, path: str) -> str:
        """Where a path of a summary is laid out, relative to the environment's root."""
        return self.site + path.removeprefix(SITE) if path.startswith(SITE) else path

    @cached_property
    def links(self) -> dict[str, str]:
        """Every symbolic link, as absolute paths: the link → where it leads, if not to another link."""
        found: dict[str, str] = {}
        for package in self.packages:
            for path, target in package.links:
                link = f"{ROOT}/{self.rel(path)}"
                found[link] = posixpath.normpath(posixpath.join(posixpath.dirname(link), target.replace(PREFIX, ROOT)))
        return found

    def real(self, path: str) -> str:
        """`path` with every symbolic link in it followed; the path itself where they go round in a circle."""
        resolved = posixpath.normpath(path)
        for _ in range(_MOST_HOPS):
            parts = resolved.split("/")
            for end in range(2, len(parts) + 1):
                target = self.links.get("/".join(parts[:end]))
                if target is not None:
                    resolved = posixpath.normpath("/".join([target, *parts[end:]]))
                    break
            else:
                return resolved
        return path

    @cached_property
    def owners(self) -> SummaryOwners:
        return SummaryOwners(self)

    @cached_property
    def inventory(self) -> Inventory:
        """The Mach-O files for `arch`; of a file without a slice for it, the first slice, as on disk."""
        chosen: dict[str, MachOImage] = {}
        for package in self.packages:
            for image in package.mach_o:
                rel = self.rel(image.rel)
                known = chosen.get(rel)
                if known is None or (image.arch == self.arch and known.arch != self.arch):
                    chosen[rel] = image
        binaries = tuple(
            SummarizedBinary(
                f"{ROOT}/{rel}", rel, arch=self.arch, image=image, commands=image.commands.for_linking(_placed)
            )
            for rel, image in sorted(chosen.items())
        )
        return Inventory(
            root=ROOT,
            files=sum(len(package.paths) for package in self.packages),
            binaries=binaries,
            elf=tuple(sorted(self.rel(image.rel) for package in self.packages for image in package.elf)),
            unreadable=tuple(
                Unreadable(rel=self.rel(rel), reason=why) for package in self.packages for rel, why in package.damaged
            ),
            by_path={binary.path: binary for binary in binaries},
            real=self.real,
        )

    @cached_property
    def elf(self) -> tuple[ElfBinary, ...]:
        """The ELF files, for an `ElfTree`."""
        return tuple(
            SummarizedElf(
                path=f"{ROOT}/{rel}",
                rel=rel,
                machine=image.machine,
                needed=image.needed,
                soname=image.soname,
                search=expanded(map(_placed, image.search), posixpath.dirname(f"{ROOT}/{rel}")),
                needs=image.needs,
                defines=frozenset(image.defines),
                image=image,
            )
            for package in self.packages
            for image in package.elf
            for rel in [self.rel(image.rel)]
        )

    @property
    def generated(self) -> tuple[Generated, ...]:
        """The modules that protoc generated, where they are laid out."""
        found = (one for package in self.packages for one in package.generated)
        return tuple(Generated(rel=self.rel(one.rel), protobuf=one.protobuf) for one in found)

    @cached_property
    def main(self) -> Binary | None:
        """The interpreter of a Mac's environment, where one of the packages brings it."""
        found = self.inventory.by_path.get(self.real(f"{ROOT}/bin/python"))
        return found if found is not None and found.serves else None


def _placed(text: str) -> str:
    return text.replace(PREFIX, ROOT)


class SummaryOwners(ImportOrder):
    """Who owns what in a `Layout`."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(plugin_hosts=layout._plugin_hosts)
        self._site = layout.site
        self._packages = {package.identity.name: package for package in layout.packages}
        self._owners: dict[str, str] = {}
        self._mentions: dict[str, set[str]] = {}
        # Conda's packages are linked first, and wheels over them.
        for package in sorted(layout.packages, key=lambda package: package.identity.kind):
            self._owners.update(dict.fromkeys(map(layout.rel, package.paths), package.identity.name))
            for top, names in package.mentions:
                self._mentions.setdefault(top, set()).update(names)

    def owner(self, rel: str) -> str:
        return self._owners.get(rel) or canonicalize_name(self.top_level(rel))

    def described(self, rel: str) -> str:
        name = self.owner(rel)
        package = self._packages.get(name)
        return f"{name} {package.identity.version}" if package is not None else name

    def top_level(self, rel: str) -> str:
        inner = rel.removeprefix(self._site)
        first, slash, _ = inner.partition("/")
        return first if slash else first.split(".", 1)[0]

    def directly_required(self, name: str) -> Iterable[str]:
        package = self._packages.get(name)
        if package is None or package.identity.kind == "conda":
            return ()
        return [required for line in package.identity.requires if (required := _name(line)) in self._packages]

    def source_imports(self, top: str, host_top: str) -> bool:
        return host_top in self._mentions.get(top, ())


def _name(line: str) -> str:
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        match = _CONDA_NAME.match(line)
        return canonicalize_name(match[0]) if match else ""
