"""The libraries a process should have one of: every BLAS and OpenMP runtime we know, and the files each is found in.

One table for each, used where files are read, where a running process is looked at, and where the links are drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """A library by any of its file names. `key` is its name in recipes; `aborts`: a second copy ends the process."""

    key: str
    name: str
    files: re.Pattern[str]
    """Searched in a path in lower case that begins with a slash."""
    aborts: bool = False


#: Accelerate lives in the system's shared cache; conda-forge reaches it through shims (blas-feedstock, build_pkg.sh).
#: The reference BLAS comes last: its file names are also those of the links that conda-forge makes to any other.
BLAS: Final = (
    Runtime(key="openblas", name="OpenBLAS", files=re.compile(r"/lib(scipy_)?openblas[^/]*$")),
    Runtime(
        key="accelerate",
        name="Accelerate",
        files=re.compile(r"/(accelerate|veclib)\.framework/|/libveclibfort[^/]*$|/lib(c?blas|lapacke?)_reexport[^/]*$"),
    ),
    Runtime(key="mkl", name="MKL", files=re.compile(r"/libmkl_[^/]*$")),
    Runtime(key="blis", name="BLIS", files=re.compile(r"/libblis[^/]*$")),
    Runtime(key="netlib", name="the reference BLAS", files=re.compile(r"/lib(c?blas|lapacke?)(64)?[.-][^/]*$")),
)

#: LLVM's runtime and Intel's, of the same origin, abort when a second copy starts (kmp_runtime.cpp,
#: `__kmp_register_library_startup`); GNU's has no such check.
OPENMP: Final = (
    Runtime(key="intel", name="Intel's OpenMP", files=re.compile(r"/libiomp5[^/]*$"), aborts=True),
    Runtime(key="llvm", name="LLVM's OpenMP", files=re.compile(r"/libomp(?![a-z])[^/]*$"), aborts=True),
    Runtime(key="gnu", name="GNU's OpenMP", files=re.compile(r"/libgomp[^/]*$")),
)


def runtime_of(path: str, table: Iterable[Runtime]) -> Runtime | None:
    """The runtime that the file or install name `path` belongs to."""
    lower = f"/{path.lower()}"
    return next((runtime for runtime in table if runtime.files.search(lower)), None)
