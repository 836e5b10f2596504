"""The linking model: which file each dependency resolves to, as dyld decides it.

Modelled on dyld-1378 (apple-oss-distributions/dyld): `Loader::getLoader` and `forEachResolvedAtPathVar` (search order,
`@rpath` through the whole chain of loaders), `JustInTimeLoader::matchesPath` (an image already loaded under the same
install name is taken), `loadDependents` (breadth first). `DYLD_*` variables are taken as unset.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from builder.binaries.inventory import outside_binary
from builder.binaries.system import is_public_leaf, is_system

if TYPE_CHECKING:
    from builder.binaries.inventory import Binary, Inventory
    from builder.binaries.macho import Dylib
    from builder.binaries.owners import Owners

#: The SDK from which dyld no longer falls back to /usr/local/lib and /usr/lib (`sdkOnOrAfter2022`; the fallback is
#: `DyldProcessConfig::forEachDylibFallback`, and holds for `@rpath` names, too).
_SDK_2022 = (13, 0, 0)


class Place(StrEnum):
    """Where a dependency was found."""

    IMAGE = "image"
    SYSTEM = "system"
    """In macOS's shared cache: taken as present."""
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """One dependency of one image, resolved. `tried` are the places searched, with why each failed."""

    name: str
    place: Place
    binary: Binary | None = None
    tried: tuple[str, ...] = ()
    weak: bool = False
    reexport: bool = False


@dataclass(kw_only=True)
class Process:
    """What is loaded once `entry` is: images in load order, each with its resolved dependencies."""

    entry: Binary
    images: dict[str, tuple[Binary, tuple[Resolution, ...]]] = field(default_factory=dict)
    loaders: dict[str, str] = field(default_factory=dict)
    """Path of an image → path of the image that brought it in."""

    def resolutions(self, binary: Binary) -> tuple[Resolution, ...]:
        return self.images[binary.path][1]

    def chain(self, binary: Binary) -> tuple[str, ...]:
        """Who loads `binary`: from the image itself up to the entry, as paths."""
        path: str | None = binary.path
        found: list[str] = []
        while path is not None and path not in found:
            found.append(path)
            path = self.loaders.get(path)
        return tuple(found)


class Linker:
    """Resolves dependencies inside one prefix; `main` is the interpreter, where there is one."""

    def __init__(self, inventory: Inventory, owners: Owners, *, main: Binary | None) -> None:
        self._inventory = inventory
        self._owners = owners
        self.main = main
        self._by_install_name: dict[str, list[Binary]] = {}
        for binary in inventory.binaries:
            name = binary.commands.install_name
            if name is not None and binary.serves:
                self._by_install_name.setdefault(name, []).append(binary)
        self._files: dict[str, Binary | str | None] = {}
        self._rpaths: dict[tuple[str, str], tuple[str, ...]] = {}
        self._preloads: dict[tuple[str, str], Binary | None] = {}

    def process(self, entry: Binary) -> Process:
        """Load `entry` into a process that runs the interpreter (or, for a program, that program)."""
        process = Process(entry=entry)
        main = entry if entry.is_program else self.main
        if main is not None and main is not entry:
            self._load(process, main, main)
        self._load(process, entry, main)
        return process

    def _load(self, process: Process, top: Binary, main: Binary | None) -> None:
        root = (main,) if main is not None and main is not top else ()
        pending: list[tuple[Binary, tuple[Binary, ...]]] = [(top, (top, *root))]
        by_name = {image.commands.install_name: image for image, _ in process.images.values()}
        queued = set(process.images)
        while pending:
            image, chain = pending.pop(0)
            if image.path in process.images:
                continue
            queued.add(image.path)
            by_name.setdefault(image.commands.install_name, image)
            resolved = tuple(
                self._resolve(dylib, chain, process.entry, main, by_name) for dylib in image.commands.dylibs
            )
            process.images[image.path] = (image, resolved)
            for resolution in resolved:
                found = resolution.binary
                if found is not None and found.path not in queued:
                    queued.add(found.path)
                    by_name.setdefault(found.commands.install_name, found)
                    process.loaders.setdefault(found.path, image.path)
                    pending.append((found, (found, *chain)))

    def _resolve(
        self,
        dylib: Dylib,
        chain: tuple[Binary, ...],
        entry: Binary,
        main: Binary | None,
        by_name: dict[str | None, Binary],
    ) -> Resolution:
        def made(place: Place, binary: Binary | None = None, tried: tuple[str, ...] = ()) -> Resolution:
            return Resolution(
                name=dylib.name,
                place=place,
                binary=binary,
                weak=dylib.weak,
                reexport=dylib.reexport,
                tried=tried,
            )

        name = dylib.name
        if is_system(name):
            return made(Place.SYSTEM)
        if not name.startswith(("@loader_path/", "@executable_path/")) and (loaded := by_name.get(name)) is not None:
            return made(Place.IMAGE, loaded)
        tried: list[str] = []
        for candidate in self._candidates(dylib, chain, main):
            found = self._file(candidate)
            if found is None:
                if candidate.startswith("/usr/lib/") and is_public_leaf(candidate.rpartition("/")[2]):
                    return made(Place.SYSTEM)
                tried.append(f"'{self._shown(candidate)}' (no such file)")
            elif isinstance(found, str):
                tried.append(f"'{self._shown(candidate)}' ({found})")
            else:
                return made(Place.IMAGE, found)
        preloaded = self._preloaded(name, entry)
        if preloaded is not None:
            return made(Place.IMAGE, preloaded)
        return made(Place.MISSING, tried=tuple(dict.fromkeys(tried)))

    def _candidates(self, dylib: Dylib, chain: tuple[Binary, ...], main: Binary | None) -> list[str]:
        """Where dyld looks, in order; binaries built before 2022 end with `/usr/local/lib` and `/usr/lib`."""
        found = self._named(dylib.name, chain, main)
        if (chain[0].commands.sdk or (0, 0, 0)) < _SDK_2022:
            leaf = dylib.name.rpartition("/")[2]
            found += [f"/usr/local/lib/{leaf}", f"/usr/lib/{leaf}"]
        return found

    def _named(self, name: str, chain: tuple[Binary, ...], main: Binary | None) -> list[str]:
        if name.startswith("@rpath/"):
            tail = name[7:]
            folders = [folder for loader in chain for folder in self._rpaths_of(loader, main)]
            if main is not None and main not in chain:
                folders.extend(self._rpaths_of(main, main))
            return [f"{folder}/{tail}" for folder in folders]
        expanded = self._expanded(name, chain[0], main)
        return [] if expanded is None else [expanded]

    def _rpaths_of(self, loader: Binary, main: Binary | None) -> tuple[str, ...]:
        key = (loader.path, main.path if main is not None else "")
        if key not in self._rpaths:
            expanded = (self._expanded(rpath, loader, main) for rpath in loader.commands.rpaths)
            self._rpaths[key] = tuple(folder.rstrip("/") for folder in expanded if folder is not None)
        return self._rpaths[key]

    def _expanded(self, path: str, image: Binary, main: Binary | None) -> str | None:
        """`path` with `@loader_path` or `@executable_path` replaced; None where there is no executable to speak of."""
        for token, folder in (("@loader_path", image.folder), ("@executable_path", main.folder if main else None)):
            if path == token or path.startswith(token + "/"):
                return None if folder is None else folder + path[len(token) :]
        return path

    def _file(self, candidate: str) -> Binary | str | None:
        """The binary at a path, why it cannot be loaded, or None where there is nothing."""
        if candidate not in self._files:
            self._files[candidate] = self._look_at(candidate)
        return self._files[candidate]

    def _look_at(self, candidate: str) -> Binary | str | None:
        by_path = self._inventory.by_path
        found = by_path.get(candidate) or by_path.get(os.path.normpath(candidate))
        if found is None:
            real = (self._inventory.real or os.path.realpath)(candidate)
            found = by_path.get(real)
            if found is None:
                if self._inventory.real is not None:
                    return None
                if not candidate.startswith("/") or not os.path.isfile(real):  # noqa: PTH113 - a string of the loader
                    return None
                found = outside_binary(real, arch=self._arch)
                if found is None:
                    return "not a mach-o file"
        if not found.serves:
            have = ",".join(found.archs)
            return f"mach-o file, but is an incompatible architecture (have '{have}', need '{found.arch}')"
        return found

    @property
    def _arch(self) -> str:
        return self._inventory.binaries[0].arch if self._inventory.binaries else "arm64"

    def _preloaded(self, name: str, entry: Binary) -> Binary | None:
        """An image of that install name, loaded by a package that is imported before `entry`."""
        key = (name, self._owners.owner(entry.rel))
        if key not in self._preloads:
            named = self._by_install_name.get(name, ())
            self._preloads[key] = next(
                (binary for binary in named if self._owners.loads_first(entry.rel, binary.rel)), None
            )
        return self._preloads[key]

    def _shown(self, path: str) -> str:
        """`path` relative to the prefix where it lies in it."""
        inside = os.path.normpath(path)
        root = self._inventory.root + "/"
        return inside.removeprefix(root) if inside.startswith(root) else path
