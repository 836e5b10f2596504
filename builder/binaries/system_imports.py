"""What the images of an environment take from macOS itself, and which macOS that needs.

A strong import that the running macOS lacks stops the load (`Symbol not found`, in dyld's words);
a weak one, or one of a library that is linked weakly, may be absent. The facts leave some symbols undecided on some
releases: these are counted, and never taken for present or absent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.binaries.dyld import Place
from builder.binaries.system_symbols import OLDEST, MacOS, Presence, Since
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.binaries.dyld import Process, Resolution
    from builder.binaries.inventory import Binary
    from builder.binaries.system_symbols import SystemSymbols


@dataclass(frozen=True, kw_only=True)
class SystemImport:
    """One symbol that an image must get from one of macOS's libraries."""

    image: Binary
    library: str
    """Its install name."""
    symbol: bytes
    since: Since


@dataclass(frozen=True, kw_only=True)
class Floor:
    """The lowest macOS on which everything loads, as far as the facts tell.

    `macos` is None where a symbol is in no macOS examined. `symbol` is what rules out the releases below, where one
    does; otherwise `image` is, by its deployment target. `undecided` imports are not known to be there on that macOS.
    """

    macos: MacOS | None
    image: Binary | None = None
    symbol: SystemImport | None = None
    undecided: tuple[SystemImport, ...] = ()


class SystemImports:
    """The strong imports from macOS of every image that `processes` load, each (image, library, symbol) once."""

    def __init__(self, processes: Iterable[Process], symbols: SystemSymbols | None) -> None:
        """Without `symbols` (Intel Macs, of which the facts say nothing) only deployment targets count."""
        self._symbols: Final = symbols
        self._images: dict[str, tuple[Binary, tuple[Resolution, ...]]] = {}
        for process in processes:
            for path, loaded in process.images.items():
                self._images.setdefault(path, loaded)

    @cached_property
    def _wanted(self) -> tuple[tuple[Binary, str, tuple[bytes, ...]], ...]:
        """(image, library, names); images whose tables are damaged are left out (another check reports them)."""
        found: list[tuple[Binary, str, tuple[bytes, ...]]] = []
        for image, resolutions in self._images.values() if self._symbols is not None else ():
            try:
                imports = image.imports.strong
            except (BinaryError, OSError):
                continue
            for ordinal, names in imports.items():
                library = resolutions[ordinal - 1] if 0 < ordinal <= len(resolutions) else None
                if library is not None and library.place is Place.SYSTEM and not library.weak:
                    found.append((image, library.name, names))
        return tuple(found)

    @cached_property
    def _since(self) -> dict[str, dict[bytes, Since]]:
        """Library → symbol → since when: the same ones are wanted by hundreds of images."""
        found: dict[str, dict[bytes, Since]] = {}
        symbols = self._symbols
        if symbols is None:
            return found
        for _, library, names in self._wanted:
            known = found.setdefault(library, {})
            known.update((name, symbols.since(library, name)) for name in names if name not in known)
        return found

    @property
    def count(self) -> int:
        """How many imports, each image's counted."""
        return sum(len(names) for _, _, names in self._wanted)

    def on(self, macos: tuple[int, ...], presence: Presence) -> tuple[SystemImport, ...]:
        """Those that are PRESENT, ABSENT or UNDECIDED on a macOS release; of an image, in the order that dyld binds."""
        chosen = {
            library: {name: since for name, since in symbols.items() if since.on(macos) is presence}
            for library, symbols in self._since.items()
        }
        found: dict[str, list[SystemImport]] = {}
        for image, library, names in self._wanted:
            if known := chosen[library]:
                found.setdefault(image.path, []).extend(
                    SystemImport(image=image, library=library, symbol=name, since=known[name])
                    for name in names
                    if name in known
                )
        return tuple(item for items in found.values() for item in _as_bound(items))

    @cached_property
    def built_for(self) -> Binary | None:
        """The image with the newest deployment target."""
        images = [image for image, _ in self._images.values() if image.commands.minos is not None]
        return max(images, key=lambda image: image.commands.minos or (), default=None)

    @cached_property
    def floor(self) -> Floor:
        """The lowest macOS on which everything loads."""
        minos = self.built_for.commands.minos if self.built_for is not None else None
        macos = (minos[0], minos[1]) if minos is not None else OLDEST
        if self._symbols is None:
            return Floor(macos=macos, image=self.built_for)
        macos = max(macos, OLDEST)
        decisive: SystemImport | None = None
        while absent := self.on(macos, Presence.ABSENT):
            decisive = max(absent, key=lambda item: (item.since.present_in or (999, 0), item.since.absent_in or OLDEST))
            above = decisive.since.present_in or self._symbols.next_release(decisive.since.absent_in or OLDEST)
            if above is None:
                return Floor(macos=None, symbol=decisive)
            macos = above
        return Floor(macos=macos, image=self.built_for, symbol=decisive, undecided=self.on(macos, Presence.UNDECIDED))


def _as_bound(items: list[SystemImport]) -> list[SystemImport]:
    """The imports of one image, which are in order by library, in the order of the image."""
    if len({item.library for item in items}) <= 1:
        return items
    order = {name: place for (_, name), place in items[0].image.imports.places.items()}
    return sorted(items, key=lambda item: order[item.symbol])
