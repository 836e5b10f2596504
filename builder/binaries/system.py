"""What macOS itself provides: libraries that live in dyld's shared cache and not on disk.

Since macOS 11 the files are gone and only the cache knows them, so from another machine neither their presence nor
their symbols can be proven. Everything below `/usr/lib` and `/System` is taken as present with whatever is asked of it;
the findings say so.
"""

from __future__ import annotations

import re
from typing import Final

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


_PYTHON: Final = (b"_Py", b"__Py")
#: C names looked up flat that macOS may have: those in Apple's style (`_FSPathMakeRef`, `_kCFNull`), the
#: Objective-C runtime, compiler support, libSystem's blocks and queues, and the public C libraries of /usr/lib. Where
#: one of them is left to flat lookup, no file can prove it missing.
_RUNTIME: Final = re.compile(
    rb"___|_[A-Z]{3,}[a-z]|_k[A-Z]|dyld_stub_binder$|__?objc_|_OBJC_|__?NS[A-Z]|_swift_|_dispatch_|_os_|_mach_"
    rb"|_pthread_|_xpc_|_notify_|_asl_"
    rb"|_k?(AU|AV|AX|Audio|C[FGIMTV]|DA|HI|IO|JS|LS|SC|Sec|UC|UT)[A-Z]"
    rb"|_(vImage|BNNS|vDSP_|cblas_|catlas_|simd_|gl[A-Z]|cl[A-Z])"
    rb"|_(lib)?iconv|_inflate|_deflate|_(un)?compress|_crc32|_adler32|_gz[a-z]+$|_BZ2_|_xml[A-Z]|_xslt|_sqlite3_|_curl_|_ffi_"
)
_LIBC_NAMES: Final = (
    b"abort atexit bcmp bcopy bzero calloc ceil close cos exit exp fclose fflush floor fopen fprintf fputs fread "
    b"free fseek ftell fwrite getenv ldexp log malloc memchr memcmp memcpy memmove memset open perror pow printf "
    b"putchar puts qsort rand read realloc sin snprintf sprintf sqrt srand strcasecmp strcat strchr strcmp strcpy "
    b"strdup strlen strncasecmp strncat strncmp strncpy strrchr strstr strtol strtoul time tolower toupper "
    b"vfprintf vsnprintf write"
)
#: The names of libSystem that binaries linked for a flat namespace ask for.
_LIBC: Final = frozenset(b"_" + name for name in _LIBC_NAMES.split())
#: C++ names of libc++ and libc++abi, among them `operator new` and the exceptions' type infos.
_CXX_RUNTIME: Final = re.compile(
    rb"__Zn[wa]|__Zd[la]|__Z(N|NK|T[ISVT]|T[hvc]|G[VR])*N?K?St|__ZT[ISV]P?K?[a-z]$|__ZT[ISV]N10__cxxabiv|__ZN10__cxxabiv"
)


def is_python_symbol(name: bytes) -> bool:
    """Whether `name` belongs to Python's C API, which the interpreter provides."""
    return name.startswith(_PYTHON)


def is_runtime_symbol(name: bytes) -> bool:
    """Whether a name looked up flat is one that macOS's own libraries may provide to any process."""
    return name in _LIBC or _RUNTIME.match(name) is not None or is_cxx_runtime_symbol(name)


def is_cxx_runtime_symbol(name: bytes) -> bool:
    """Whether `name` belongs to the C++ standard library."""
    return _CXX_RUNTIME.match(name) is not None
