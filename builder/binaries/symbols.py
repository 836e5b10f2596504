"""Binding: whether each symbol an image imports is where dyld will look for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from builder.binaries.dyld import Place
from builder.binaries.macho.constants import ORDINAL_FLAT, ORDINAL_MAIN_EXECUTABLE, ORDINAL_SELF, ORDINAL_WEAK
from builder.binaries.system import (
    is_always_loaded,
    is_cxx_runtime_symbol,
    is_of_accelerate,
    is_python_symbol,
    is_swift_symbol,
    python_may_load,
)
from builder.binaries.system_symbols import SystemSymbols
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from builder.binaries.dyld import Linker, Process, Resolution
    from builder.binaries.inventory import Binary, Inventory
    from builder.binaries.owners import Owners

#: Modules that are opened with RTLD_LOCAL on macOS, so that flat lookup does not see them (only their dependencies):
#: tensorflow/python/pywrap_tensorflow.py sets the flag around the import of these.
_HIDDEN_PREFIX = "_pywrap_tensorflow"


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A symbol that dyld will not find. `expected` is the library it must come from; None for flat lookup."""

    image: Binary
    symbol: bytes
    position: int
    """Where it stands among the image's imports: the first one is the one that dyld names."""
    expected: Binary | None = None
    how: str = "two-level"
    python_may_load: str | None = None
    """The library of macOS that has it, where that is one which some Pythons have loaded already."""


@dataclass(kw_only=True)
class Tally:
    """How much was looked at."""

    images: int = 0
    checked: int = 0
    """Symbols looked up in a file."""
    system: int = 0
    """Symbols that macOS's own libraries must have: taken as present."""
    python: int = 0
    """Symbols of Python's C API taken as present, for want of an interpreter to look into."""


class Binder:
    """Checks the symbols of every image of every process; each image once for each way its dependencies resolve."""

    def __init__(
        self, inventory: Inventory, owners: Owners, linker: Linker, *, symbols: SystemSymbols | None = None
    ) -> None:
        self._inventory = inventory
        self._owners = owners
        self._linker = linker
        self.tally = Tally()
        self.damaged: dict[str, str] = {}
        self._seen: dict[tuple[str, ...], tuple[Missing, ...]] = {}
        self._flat: list[tuple[Process, Binary, tuple[tuple[int, bytes], ...]]] = []
        self._left: dict[str, tuple[tuple[int, bytes], ...]] = {}
        self._shared: dict[bytes, bytes] = {}
        """Hundreds of modules want the same names of Python."""
        self._flat_seen: set[tuple[str, str]] = set()
        self._symbols = symbols or SystemSymbols()
        self._providers: dict[bytes, frozenset[str]] = {}

    def check(self, processes: Iterable[Process]) -> list[tuple[Process, tuple[Missing, ...]]]:
        """Every process with the symbols it lacks, in dyld's order; processes that lack none are left out."""
        processes = tuple(processes)
        self._ask_ahead(processes)
        failures: list[tuple[Process, tuple[Missing, ...]]] = []
        for process in processes:
            for image, resolutions in process.images.values():
                missing = self._image(process, image, resolutions)
                if missing:
                    failures.append((process, missing))
        failures.extend(self._flat_failures())
        return failures

    def _image(self, process: Process, image: Binary, resolutions: tuple[Resolution, ...]) -> tuple[Missing, ...]:
        key = _key(image, resolutions)
        if key not in self._seen:
            try:
                self._seen[key] = self._two_level(process, image, resolutions)
            except (BinaryError, OSError) as error:
                self.damaged[image.rel] = _reason(error)
                self._seen[key] = ()
        if image.rel not in self.damaged:
            self._note_flat(process, image)
        return self._seen[key]

    def _ask_ahead(self, processes: Iterable[Process]) -> None:
        """Ask each image once for all that anything wants of it: some export half a million names."""
        wanted: dict[str, tuple[Binary, set[bytes]]] = {}
        seen: set[tuple[str, ...]] = set()
        for process in processes:
            for image, resolutions in process.images.values():
                key = _key(image, resolutions)
                if key in seen:
                    continue
                seen.add(key)
                with suppress(BinaryError, OSError):  # noted where it is looked at by itself
                    for ordinal, names in image.imports.strong.items():
                        own = ordinal in (ORDINAL_FLAT, ORDINAL_WEAK)
                        target = image if own else self._target(image, resolutions, ordinal)
                        if target is not None:
                            wanted.setdefault(target.path, (target, set()))[1].update(names)
        for target, asked in wanted.values():
            with suppress(BinaryError, OSError):
                target.provided(asked)

    def _two_level(self, process: Process, image: Binary, resolutions: tuple[Resolution, ...]) -> tuple[Missing, ...]:
        self.tally.images += 1
        of_system = {place for place, found in enumerate(resolutions, 1) if found.place is Place.SYSTEM}
        self.tally.system += sum(count for ordinal, count in image.imports.counts.items() if ordinal in of_system)
        lacking: list[tuple[int, bytes, Binary]] = []
        for ordinal, names in image.imports.strong.items():
            if ordinal in of_system or ordinal in (ORDINAL_FLAT, ORDINAL_WEAK):
                continue
            target = self._target(image, resolutions, ordinal)
            if target is None:
                continue  # the library itself is missing, which is another finding
            self.tally.checked += len(names)
            lacking += [(ordinal, name, target) for name in self._lacking(process, target, names)]
        if not lacking:
            return ()
        places = image.imports.places
        missing = (
            Missing(image=image, symbol=name, position=places[ordinal, name], expected=target)
            for ordinal, name, target in lacking
        )
        return tuple(sorted(missing, key=lambda item: item.position))

    def _target(self, image: Binary, resolutions: tuple[Resolution, ...], ordinal: int) -> Binary | None:
        if ordinal == ORDINAL_SELF:
            return image
        if ordinal == ORDINAL_MAIN_EXECUTABLE:
            return self._linker.main
        return resolutions[ordinal - 1].binary if 0 < ordinal <= len(resolutions) else None

    def _lacking(
        self,
        process: Process,
        target: Binary,
        names: Sequence[bytes],
        *,
        above: frozenset[tuple[str, bytes]] = frozenset(),
    ) -> Sequence[bytes]:
        """Those of `names` that neither `target` exports nor anything it re-exports (a cycle ends when it closes)."""
        key = (target.path, names[0])
        if key in above:
            return names
        above |= {key}
        found, handed_on = target.provided(names)
        resolutions = process.resolutions(target) if target.path in process.images else ()
        lacking = [name for name in names if name not in found] if len(found) < len(names) else []
        for export in handed_on:
            if export.ordinal is None or not 0 < export.ordinal <= len(resolutions):
                continue
            resolution = resolutions[export.ordinal - 1]
            alias = export.target or export.name
            if resolution.binary is None:
                if resolution.place is Place.MISSING:
                    lacking.append(export.name)
            elif self._lacking(process, resolution.binary, [alias], above=above):
                lacking.append(export.name)
        for resolution in resolutions:
            if not lacking:
                break
            if resolution.reexport:
                if resolution.place is Place.SYSTEM:
                    return []  # whatever is left may come from the system library: it cannot be proven missing
                if resolution.binary is not None:
                    lacking = list(self._lacking(process, resolution.binary, lacking, above=above))
        return lacking

    def _note_flat(self, process: Process, image: Binary) -> None:
        """Keep the flat and coalesced imports for the end, when every image is known."""
        key = (self._owners.owner(process.entry.rel), image.path)
        if key in self._flat_seen:
            return
        self._flat_seen.add(key)
        if image.path not in self._left:
            try:
                self._left[image.path] = self._left_over(image)
            except (BinaryError, OSError) as error:
                self.damaged[image.rel] = _reason(error)
                self._left[image.path] = ()
        if self._left[image.path]:
            self._flat.append((process, image, self._left[image.path]))

    def _left_over(self, image: Binary) -> tuple[tuple[int, bytes], ...]:
        """(ordinal, name) of the flat and coalesced imports that the image does not provide itself and nobody is known
        to provide."""
        strong = image.imports.strong
        flat = {ordinal: names for ordinal in (ORDINAL_FLAT, ORDINAL_WEAK) if (names := strong.get(ordinal))}
        self.tally.checked += sum(map(len, flat.values()))
        if self._linker.main is None:
            python = sum(map(is_python_symbol, chain(*flat.values())))
            self.tally.python += python
            self.tally.checked -= python
        own = image.provided(tuple(chain(*flat.values())))[0]
        return tuple(
            (ordinal, self._shared.setdefault(name, name))
            for ordinal, names in flat.items()
            for name in names
            if name not in own and not self._assumed(name)
        )

    def _assumed(self, name: bytes) -> bool:
        if is_python_symbol(name):
            return self._linker.main is None
        return is_cxx_runtime_symbol(name) or is_swift_symbol(name)

    def _flat_failures(self) -> list[tuple[Process, tuple[Missing, ...]]]:
        needed = {name for _, _, items in self._flat for _, name in items}
        python = self._python_names([name for name in needed if is_python_symbol(name)])
        exporters = self._exporters(frozenset(needed - python))
        failures = []
        for process, image, items in self._flat:
            missing = [
                (ordinal, name)
                for ordinal, name in items
                if name not in python
                and not self._provided(process, image, exporters.get(name, ()))
                and not self._of_macos(process, name)
            ]
            if missing:
                failures.append((process, self._missing_flat(image, missing)))
        return failures

    def _missing_flat(self, image: Binary, items: list[tuple[int, bytes]]) -> tuple[Missing, ...]:
        places = image.imports.places
        missing = (
            Missing(
                image=image,
                symbol=name,
                position=places[ordinal, name],
                how="flat" if ordinal == ORDINAL_FLAT else "weak-def",
                python_may_load=python_may_load(name, self._providers.get(name, ())),
            )
            for ordinal, name in items
        )
        return tuple(sorted(missing, key=lambda item: item.position))

    def _python_names(self, names: list[bytes]) -> set[bytes]:
        """Those of `names` that the interpreter and what it links provide."""
        main = self._linker.main
        if main is None:
            return set()
        return {name for binary, _ in self._linker.process(main).images.values() for name in binary.provided(names)[0]}

    def _exporters(self, names: frozenset[bytes]) -> dict[bytes, list[Binary]]:
        """name → the binaries of the prefix that export it."""
        exporters: dict[bytes, list[Binary]] = {}
        for binary in self._inventory.binaries if names else ():
            if binary.serves and binary.rel not in self.damaged:
                try:
                    found = binary.provided_once(names)
                except (BinaryError, OSError) as error:
                    self.damaged[binary.rel] = _reason(error)
                    continue
                for name in found:
                    exporters.setdefault(name, []).append(binary)
        return exporters

    def _provided(self, process: Process, image: Binary, exporters: Iterable[Binary]) -> bool:
        return any(self._visible(process, image, binary) for binary in exporters)

    def _of_macos(self, process: Process, name: bytes) -> bool:
        """Whether a library of macOS that is loaded in the process may provide a name that is looked up flat.

        What the libraries of `/usr/lib` bring along is known; a framework brings others that nothing here lists, so
        that any library's symbol may be there once one is loaded.
        """
        if name not in self._providers:
            self._providers[name] = frozenset(self._symbols.providers(name))
        providers = self._providers[name]
        linked = {found.name for _, items in process.images.values() for found in items if found.place is Place.SYSTEM}
        if not providers:
            return is_of_accelerate(name, linked)
        if any(map(is_always_loaded, providers)) or any(library.startswith("/System/") for library in linked):
            return True
        return any(providers & self._symbols.with_reexports(library) for library in linked)

    def _visible(self, process: Process, image: Binary, exporter: Binary) -> bool:
        """Whether flat lookup from `image` sees `exporter`: loaded by now, and not opened with RTLD_LOCAL."""
        if exporter is image:
            return True
        if exporter.name.startswith(_HIDDEN_PREFIX):
            return False
        return exporter.path in process.images or self._owners.loads_first(process.entry.rel, exporter.rel)


def _key(image: Binary, resolutions: tuple[Resolution, ...]) -> tuple[str, ...]:
    """Equal where the image's symbols come from the same places."""
    return image.path, *(found.binary.path if found.binary else found.place for found in resolutions)


def _reason(error: BinaryError | OSError) -> str:
    return error.plain if isinstance(error, BinaryError) else error.strerror or type(error).__name__
