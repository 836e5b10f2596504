"""What macOS itself provides: libraries that live in dyld's shared cache and not on disk.

Since macOS 11 the files are gone and only the cache knows them, so that from another machine their presence cannot be
proven: every library below `/usr/lib` and `/System` is taken as present, and the findings say so. Which symbols they
have is known better: `builder.binaries.system_symbols`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_SYSTEM: Final = ("/usr/lib/", "/System/")
#: Leaf names of /usr/lib that public SDKs list, for the searches that end there (an rpath of `/usr/lib`, the fallback
#: of binaries built before 2022). A search is believed only for these: `/usr/lib` holds no libomp and no libgfortran.
_PUBLIC_LEAVES: Final = re.compile(
    r"lib(System(\.B)?|c\+\+(\.1)?|c\+\+abi|objc(\.A)?|z(\.1)?|bz2(\.1\.0)?|iconv(\.2)?|charset(\.1)?|xml2(\.2)?|xslt(\.1)?"
    r"|exslt(\.0)?|sqlite3(\.0)?|ncurses(\.5\.4)?|edit(\.3)?|resolv(\.9)?|pcap(\.A)?|cups(\.2)?|curl(\.4)?|ffi|compression"
    r"|archive(\.2)?|form(\.5\.4)?|panel(\.5\.4)?|expat(\.1)?|pam(\.2)?|sandbox(\.1)?|util|m|dl|pthread|c|swift\w+)\.dylib"
)


def is_system(name: str) -> bool:
    """Whether an install name is one of macOS's own."""
    return name.startswith(_SYSTEM)


def is_public_leaf(leaf: str) -> bool:
    """Whether `/usr/lib/LEAF` exists on every supported macOS."""
    return _PUBLIC_LEAVES.fullmatch(leaf) is not None


#: What every process of macOS has loaded: libSystem, and the runtimes that Python's or any C++ module's links.
_ALWAYS: Final = frozenset(f"/usr/lib/{name}.dylib" for name in ("libSystem.B", "libc++.1", "libc++abi", "libobjc.A"))
#: What some Pythons have loaded and others have not: (name, its install name, its symbols). Python.org's and Homebrew's
#: link CoreFoundation, uv's (python-build-standalone) SystemConfiguration as well, which bring the others; conda's
#: neither (grpc/grpc#33714, lexiforest/curl_cffi#861: `symbol not found in flat namespace '_CFRelease'`).
_OF_SOME_PYTHONS: Final = tuple(
    (name, re.compile(path), re.compile(symbols))
    for name, path, symbols in (
        ("CoreFoundation", r".*/CoreFoundation", rb"_k?CF[A-Z]|___CFConstantString|__CF[A-Z]"),
        ("SystemConfiguration", r".*/SystemConfiguration", rb"_k?SC[A-Z]"),
        ("Security", r".*/Security", rb"_k?Sec[A-Z]|_SSL[A-Z]"),
        ("libicucore", r"/usr/lib/libicucore.*", rb"_u[a-z]{2,8}_[a-z]"),
        ("libiconv", r"/usr/lib/libiconv.*", rb"_iconv"),
    )
)
#: Families of Accelerate's symbols, of which no list is complete (vImage, vDSP, vForce, BNNS, BLAS and LAPACK); and the
#: frameworks that load it along.
_ACCELERATE: Final = re.compile(
    rb"_(vImage[A-Z]|vDSP_|vv[a-z]|BNNS|cblas_|catlas_|sparse_|vec(Lib)?_|[sdcz][a-z]{4,6}_$)"
)
_LOADING_ACCELERATE: Final = re.compile(
    r"/System/Library/Frameworks/(Accelerate|vecLib|CoreML|CoreVideo|CoreImage|CoreGraphics|ApplicationServices|AppKit"
    r"|Cocoa|QuartzCore|AVFoundation|MetalPerformanceShaders(Graph)?|Carbon|Quartz)\.framework/"
)
_PYTHON: Final = (b"_Py", b"__Py")
#: C++ names of libc++ and libc++abi, among them `operator new` and the exceptions' type infos.
_CXX_RUNTIME: Final = re.compile(
    rb"__Zn[wa]|__Zd[la]|__Z(N|NK|T[ISVT]|T[hvc]|G[VR])*N?K?St|__ZT[ISV]P?K?[a-z]$|__ZT[ISV]N10__cxxabiv|__ZN10__cxxabiv"
)


def is_python_symbol(name: bytes) -> bool:
    """Whether `name` belongs to Python's C API, which the interpreter provides."""
    return name.startswith(_PYTHON)


def is_swift_symbol(name: bytes) -> bool:
    """Whether `name` belongs to Swift's libraries, of which no list is at hand."""
    return name.startswith((b"_$s", b"_swift_", b"__swift_"))


def is_always_loaded(library: str) -> bool:
    """Whether every process that runs extension modules has loaded the library of that install name."""
    return library in _ALWAYS


def python_may_load(name: bytes, providers: Iterable[str]) -> str | None:
    """The library of macOS that has the symbol and that some Pythons have loaded; None for any other symbol.

    `providers`: the install names of the libraries known to have it, if any is.
    """
    known = tuple(providers)
    for library, path, symbols in _OF_SOME_PYTHONS:
        if any(map(path.fullmatch, known)) if known else symbols.match(name):
            return library
    return None


def is_of_accelerate(name: bytes, libraries: Iterable[str]) -> bool:
    """Whether `name` is of one of Accelerate's families, and one of these system libraries loads Accelerate."""
    return _ACCELERATE.match(name) is not None and any(map(_LOADING_ACCELERATE.match, libraries))


def is_cxx_runtime_symbol(name: bytes) -> bool:
    """Whether `name` belongs to the C++ standard library."""
    return _CXX_RUNTIME.match(name) is not None
