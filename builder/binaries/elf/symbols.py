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
    from collections.abc import Iterable, Iterator

    from builder.binaries.elf.file import Symbol
    from builder.binaries.elf.tree import ElfBinary, ElfTree
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


@dataclass(frozen=True, kw_only=True)
class UndecidedSymbol:
    """A symbol that no file at hand defines, and that the system may: in `library`, or in glibc where that is None."""

    binary: ElfBinary
    symbol: bytes
    library: str | None


class ElfSymbols:
    """Looks the symbols of a tree up.

    What all files want is read first: of what they define, which is fifty times as much, only that is kept.
    """

    def __init__(self, tree: ElfTree, owners: Owners, *, main: ElfBinary | None) -> None:
        """`main`: the interpreter, where there is one; without it Python's C API is taken as present."""
        self._tree = tree
        self._owners = owners
        self._main = main
        self.checked = 0
        """Symbols looked up in files."""
        self.system = 0
        """Symbols that the system's libraries must have."""
        self.undecided: tuple[UndecidedSymbol, ...] = ()
        """Those that the last `symbols` could not decide; each (file, symbol) once."""
        self.damaged: dict[str, str] = {}
        self._defined: dict[str, frozenset[bytes]] = {}
        self._wanted: dict[str, tuple[Symbol, ...]] = {}
        self._names: frozenset[bytes] = frozenset()
        """What any of them wants."""

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
        """What is missing when each of `entries` is loaded; each (file, symbol) once. Sets `undecided`."""
        found: dict[tuple[str, bytes], MissingSymbol] = {}
        open_: dict[tuple[str, bytes], UndecidedSymbol] = {}
        passed: set[tuple[str, ...]] = set()
        main = tuple(self._tree.closure(self._main)) if self._main is not None else ()
        loads = [(entry, self._tree.closure(entry)) for entry in entries]
        self._read({rel: image for _, images in loads for rel, image in images.items()})
        for entry, images in loads:
            anything = self._of_unknown_content(images)
            scope = dict.fromkeys((*main, *images))
            key = tuple(sorted(images))
            for rel, image in images.items():
                if (rel, *key) in passed:
                    continue
                passed.add((rel, *key))
                for symbol in self._not_in(scope, image):
                    if self._main is None and symbol.name.startswith(_PYTHON):
                        continue
                    glibc = symbol.version is None and _GLIBC.fullmatch(symbol.name) is not None
                    if glibc or anything is not None:
                        library = None if glibc else anything
                        undecided = UndecidedSymbol(binary=image, symbol=symbol.name, library=library)
                        open_.setdefault((rel, symbol.name), undecided)
                    elif (rel, symbol.name) not in found:
                        found[rel, symbol.name] = MissingSymbol(binary=image, entry=entry, symbol=symbol.name)
        self.undecided = tuple(undecided for key, undecided in open_.items() if key not in found)
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
        wanted = self._wanted[image.rel]
        left = {symbol.name for symbol in wanted}
        for rel in scope:
            if not left:
                return []
            left -= self._defined_in(rel)
        return [symbol for symbol in wanted if symbol.name in left]

    def _of_unknown_content(self, images: dict[str, ElfBinary]) -> str | None:
        """A NEEDED library that is not in the prefix and whose symbols have no versions: it may have anything."""
        outside = (name for rel in images for name, found in self._tree.links[rel].items() if found is None)
        return next((name for name in outside if not _VERSIONED.fullmatch(name)), None)

    def _read(self, images: dict[str, ElfBinary]) -> None:
        """What each of the files wants, and then which of that each defines."""
        shared: dict[Symbol, Symbol] = {}  # hundreds of files want the same ones
        self._defined.clear()
        for rel, image in images.items():
            self._wanted[rel] = tuple(shared.setdefault(symbol, symbol) for symbol in self._wanted_by(image))
        self._names = frozenset(symbol.name for symbol in shared)
        for rel in images:
            self._defined_in(rel)
        self.checked = sum(len(self._wanted[rel]) for rel in images)

    def _wanted_by(self, image: ElfBinary) -> Iterator[Symbol]:
        """The undefined symbols that must be found in files: those that are the system's own are counted."""
        # Programs of Go name their symbols without versions, whatever library they are of.
        unversioned = not image.needs and any(map(is_system_library, image.needed))
        try:
            undefined = image.wanted()
        except (BinaryError, OSError) as error:
            self.damaged[image.rel] = _reason(error)
            self._defined[image.rel] = frozenset()
            return
        for symbol in undefined:
            of_system = unversioned if symbol.library is None else self._of_system(image, symbol.library)
            if of_system:
                self.system += 1
            elif not symbol.weak:
                yield symbol

    def _of_system(self, image: ElfBinary, library: str) -> bool:
        return self._tree.links[image.rel].get(library) is None and is_system_library(library)

    def _defined_in(self, rel: str) -> frozenset[bytes]:
        """What it defines of what is wanted; a file that cannot be read neither defines nor wants anything."""
        if rel not in self._defined:
            try:
                self._defined[rel] = self._tree.by_rel[rel].defined_of(self._names)
            except (BinaryError, OSError) as error:
                self.damaged[rel] = _reason(error)
                self._defined[rel], self._wanted[rel] = frozenset(), ()
        return self._defined[rel]

    def _exporters_of(self, names: frozenset[bytes]) -> dict[bytes, list[ElfBinary]]:
        """Symbol → the files that define it."""
        exporters: dict[bytes, list[ElfBinary]] = {}
        for binary in self._tree.binaries if names else ():
            for name in names & self._defined_in(binary.rel):
                exporters.setdefault(name, []).append(binary)
        return exporters


def _reason(error: BinaryError | OSError) -> str:
    return error.plain if isinstance(error, BinaryError) else str(error.strerror)
