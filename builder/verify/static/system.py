"""What macOS itself provides: libraries that live in dyld's shared cache and not on disk.

Since macOS 11 the files are gone and only the cache knows them, so from another machine neither their presence nor
their symbols can be proven. Everything below `/usr/lib` and `/System` is taken as present with whatever is asked of it;
the findings say so.
"""

from __future__ import annotations

import re
from typing import Final

_SYSTEM: Final = ("/usr/lib/", "/System/")
#: Leaf names of /usr/lib that public SDKs list, for the searches that end there (an rpath of `/usr/lib`, the fallback of
#: binaries built before 2022). A search is believed only for these: `/usr/lib` holds no libomp and no libgfortran.
_PUBLIC_LEAVES: Final = re.compile(
    r"lib(System(\.B)?|c\+\+(\.1)?|c\+\+abi|objc(\.A)?|z(\.1)?|bz2(\.1\.0)?|iconv(\.2)?|charset(\.1)?|xml2(\.2)?|xslt(\.1)?|exslt(\.0)?"
    r"|sqlite3(\.0)?|ncurses(\.5\.4)?|edit(\.3)?|resolv(\.9)?|pcap(\.A)?|cups(\.2)?|curl(\.4)?|ffi|compression|archive(\.2)?|form(\.5\.4)?"
    r"|panel(\.5\.4)?|expat(\.1)?|pam(\.2)?|sandbox(\.1)?|util|m|dl|pthread|c|swift\w+)\.dylib"
)


def is_system(name: str) -> bool:
    """Whether an install name is one of macOS's own."""
    return name.startswith(_SYSTEM)


def is_public_leaf(leaf: str) -> bool:
    """Whether `/usr/lib/LEAF` exists on every supported macOS."""
    return _PUBLIC_LEAVES.fullmatch(leaf) is not None


_PYTHON: Final = (b"_Py", b"__Py")
#: Found by flat lookup in binaries whose linker left them to it: the Objective-C runtime, compiler support and libSystem.
_RUNTIME: Final = (
    b"_objc_",
    b"__objc_",
    b"_OBJC_",
    b"___",
    b"dyld_stub_binder",
    b"_NS",
    b"__NS",
    b"_swift_",
    b"_dispatch_",
)
#: C++ names of libc++ and libc++abi, among them `operator new` and the exceptions' type infos.
_CXX_RUNTIME: Final = re.compile(
    rb"__Zn[wa]|__Zd[la]|__Z(N|NK|T[ISVT]|T[hvc]|G[VR])*N?K?St|__ZT[ISV][a-z]$|__ZT[ISV]P?K?[a-z]$|__ZT[ISV]N10__cxxabiv|__ZN10__cxxabiv"
    rb"|___cxa_|___gxx_personality"
)


def is_python_symbol(name: bytes) -> bool:
    """Whether `name` belongs to Python's C API, which the interpreter provides."""
    return name.startswith(_PYTHON)


def is_runtime_symbol(name: bytes) -> bool:
    """Whether a name looked up flat is one that macOS's runtimes provide to every process."""
    return name.startswith(_RUNTIME) or is_cxx_runtime_symbol(name)


def is_cxx_runtime_symbol(name: bytes) -> bool:
    """Whether `name` belongs to the C++ standard library."""
    return _CXX_RUNTIME.match(name) is not None
