"""Whether every symbol and every symbol version that ELF files want is where the loader will look.

Python opens modules with RTLD_NOW, so that what is missing stops the import: `undefined symbol: …`, or `version
`GLIBCXX_3.4.30' not found (required by …)`. The scope of a module is the program with its libraries, then the module
with its own (ld.so(8), dlopen(3)). The system's libraries are not at hand: what they must have is counted, and held
against a floor by `builder.binaries.elf.floor`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from builder.binaries.elf.tree import is_system_library
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.binaries.elf.file import Symbol
    from builder.binaries.elf.tree import ElfBinary, ElfTree, LookedUp
    from builder.binaries.owners import Owners

#: Libraries of the system all of whose symbols have versions: what is wanted without one comes from elsewhere.
_VERSIONED: Final = re.compile(
    r"ld-linux.*|lib(c|m|mvec|dl|rt|pthread|util|nsl|resolv|crypt|anl|gcc_s|stdc\+\+|atomic)\.so[.\d]*"
)
_PYTHON: Final = (b"Py", b"_Py")
#: Names of libm, libpthread, libdl and librt. A module that does not link these libraries wants the names without a
#: version, and gets them from the process, which has loaded them (and since glibc 2.34 most are in libc itself).
_MATH: Final = (
    b"acos asin atan atan2 cbrt ceil copysign cos drem erf erfc exp exp10 exp2 expm1 fabs fdim finite "
    b"floor fma fmax fmin fmod frexp gamma hypot ilogb isinf isnan j0 j1 jn ldexp lgamma llrint llround "
    b"log log10 log1p log2 logb lrint lround modf nan nearbyint nextafter nexttoward pow remainder remquo "
    b"rint round scalb scalbln scalbn significand sin sincos sqrt tan tgamma trunc y0 y1 yn"
)
_GLIBC: Final = re.compile(
    rb"(?:__)?c?(?:%b)h?[fl]?(?:_r|_finite)?|_?_?(?:pthread|sem|mq|aio|lio|timer|clock|shm)_\w+|_?dl\w+"
    rb"|fe[a-z]+except\w*|fe[gs]et(?:env|round|exceptflag)|__(?:fpclassify|signbit|isinf|isnan)[fl]?|__errno_location"
    rb"|__tls_get_addr" % _MATH.replace(b" ", b"|")
)


@dataclass(frozen=True, kw_only=True)
class MissingVersion:
    """`binary` wants `version` of `library`, which is in the prefix and does not define it."""

    binary: ElfBinary
    library: ElfBinary
    version: str


@dataclass(frozen=True, kw_only=True)
class MissingSymbol:
    """A symbol that nothing in the scope of `entry` defines."""

    binary: ElfBinary
    entry: ElfBinary
    symbol: bytes


class ElfSymbols:
    """Looks the symbols of a tree up; each file's tables are read once."""

    def __init__(self, tree: ElfTree, owners: Owners, *, main: ElfBinary | None) -> None:
        """`main`: the interpreter, where there is one; without it Python's C API is taken as present."""
        self._tree = tree
        self._owners = owners
        self._main = main
        self.checked = 0
        """Symbols looked up in files."""
        self.system = 0
        """Symbols that the system's libraries must have."""
        self.damaged: dict[str, str] = {}
        self._tables: dict[str, LookedUp] = {}
        self._asked: frozenset[bytes] = frozenset()
        self._defined: dict[str, frozenset[bytes]] = {}
        self._wanted: dict[str, tuple[Symbol, ...]] = {}
        self._shared: dict[Symbol, Symbol] = {}
        """Hundreds of files want the same ones."""

    def versions(self) -> tuple[MissingVersion, ...]:
        """Versions that a library of the prefix was asked for and does not define."""
        return tuple(
            MissingVersion(binary=binary, library=library, version=version)
            for binary in self._tree.binaries
            for needs in binary.needs
            if (library := self._tree.links[binary.rel].get(needs.library)) is not None and library.defines
            for version in needs.versions
            if version not in library.defines
        )

    def symbols(self, entries: Iterable[ElfBinary]) -> tuple[MissingSymbol, ...]:
        """What is missing when each of `entries` is loaded; each (file, symbol) once."""
        found: dict[tuple[str, bytes], MissingSymbol] = {}
        passed: set[tuple[str, ...]] = set()
        main = tuple(self._tree.closure(self._main)) if self._main is not None else ()
        closures = [(entry, images) for entry in entries if self._is_at_hand(images := self._tree.closure(entry))]
        every = {rel: image for _, images in closures for rel, image in images.items()}
        self._asked = frozenset(symbol.name for image in every.values() for symbol in self._wanted_by(image))
        for entry, images in closures:
            scope = dict.fromkeys((*main, *images))
            key = tuple(sorted(images))
            for rel, image in images.items():
                if (rel, *key) in passed:
                    continue
                passed.add((rel, *key))
                for symbol in self._not_in(scope, image):
                    if (rel, symbol.name) not in found and not self._comes_from_elsewhere(symbol):
                        found[rel, symbol.name] = MissingSymbol(binary=image, entry=entry, symbol=symbol.name)
        # A package that is imported first may have opened its libraries for all to see (RTLD_GLOBAL).
        exporters = self._exporters_of(frozenset(name for _, name in found))
        return tuple(
            missing
            for missing in found.values()
            if not any(
                self._owners.loads_first(missing.entry.rel, exporter.rel)
                for exporter in exporters.get(missing.symbol, ())
            )
        )

    def _not_in(self, scope: Iterable[str], image: ElfBinary) -> list[Symbol]:
        """The symbols that the image wants and that no file of `scope` defines."""
        wanted = self._wanted_by(image)
        left = {symbol.name for symbol in wanted}
        for rel in scope:
            if not left:
                return []
            left -= self._defined_in(rel)
        return [symbol for symbol in wanted if symbol.name in left]

    def _is_at_hand(self, images: dict[str, ElfBinary]) -> bool:
        """Whether no library is lacking that may have anything."""
        names = {name for image in images.values() for name in image.needed}
        return all(_VERSIONED.fullmatch(name) for name in names if self._is_outside(images, name))

    def _is_outside(self, images: dict[str, ElfBinary], name: str) -> bool:
        """Whether a NEEDED name of some image is not in the prefix."""
        return any(name in image.needed and self._tree.links[rel].get(name) is None for rel, image in images.items())

    def _wanted_by(self, image: ElfBinary) -> tuple[Symbol, ...]:
        """The undefined symbols that must be found in files: those that are the system's own are counted."""
        if image.rel not in self._wanted:
            self._read(image)
        return self._wanted[image.rel]

    def _read(self, image: ElfBinary) -> None:
        wanted: list[Symbol] = []
        # Programs of Go name their symbols without versions, whatever library they are of.
        unversioned = not image.needs and any(map(is_system_library, image.needed))
        try:
            for symbol in self._table(image).wanted():
                of_system = unversioned if symbol.library is None else self._of_system(image, symbol.library)
                if of_system:
                    self.system += 1
                elif not symbol.weak:
                    wanted.append(self._shared.setdefault(symbol, symbol))
        except (BinaryError, OSError) as error:
            self._note(image, error)
            wanted = []
        self.checked += len(wanted)
        self._wanted[image.rel] = tuple(wanted)

    def _table(self, image: ElfBinary) -> LookedUp:
        if image.rel not in self._tables:
            self._tables[image.rel] = image.looked_up()
        return self._tables[image.rel]

    def _note(self, image: ElfBinary, error: BinaryError | OSError) -> None:
        self.damaged[image.rel] = error.plain if isinstance(error, BinaryError) else str(error.strerror)

    def _of_system(self, image: ElfBinary, library: str) -> bool:
        return self._tree.links[image.rel].get(library) is None and is_system_library(library)

    def _defined_in(self, rel: str) -> frozenset[bytes]:
        """What the file defines of all that any file wants."""
        if rel not in self._defined:
            image = self._tree.by_rel[rel]
            try:
                self._defined[rel] = frozenset() if rel in self.damaged else self._table(image).defined(self._asked)
            except (BinaryError, OSError) as error:
                self._note(image, error)
                self._defined[rel] = frozenset()
        return self._defined[rel]

    def _comes_from_elsewhere(self, symbol: Symbol) -> bool:
        """Whether it is Python's, of which no file is at hand, or of glibc, though it does not say so."""
        if self._main is None and symbol.name.startswith(_PYTHON):
            return True
        return symbol.version is None and _GLIBC.fullmatch(symbol.name) is not None

    def _exporters_of(self, names: frozenset[bytes]) -> dict[bytes, list[ElfBinary]]:
        """Symbol → the files that define it."""
        exporters: dict[bytes, list[ElfBinary]] = {}
        for binary in self._tree.binaries if names else ():
            for name in names & self._defined_in(binary.rel):
                exporters.setdefault(name, []).append(binary)
        return exporters
