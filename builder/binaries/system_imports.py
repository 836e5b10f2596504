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
    def strong(self) -> tuple[SystemImport, ...]:
        """All of them; images whose tables are damaged are left out (another check reports them)."""
        found: list[SystemImport] = []
        if self._symbols is None:
            return ()
        known: dict[tuple[str, bytes], Since] = {}
        for image, resolutions in self._images.values():
            try:
                imports = image.imports.strong
            except (BinaryError, OSError):
                continue
            for ordinal, names in imports.items():
                if not 0 < ordinal <= len(resolutions):
                    continue
                library = resolutions[ordinal - 1]
                if library.place is not Place.SYSTEM or library.weak:
                    continue
                for name in names:
                    key = (library.name, name)
                    if key not in known:
                        known[key] = self._symbols.since(library.name, name)
                    found.append(SystemImport(image=image, library=library.name, symbol=name, since=known[key]))
        return tuple(found)

    def on(self, macos: tuple[int, ...], presence: Presence) -> tuple[SystemImport, ...]:
        """Those that are PRESENT, ABSENT or UNDECIDED on a macOS release."""
        return tuple(item for item in self.strong if item.since.on(macos) is presence)

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
