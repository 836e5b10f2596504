"""Which NumPy a binary was compiled against, from what `import_array` leaves in it.

NumPy's headers put a function into every extension module that uses the C API; it compares versions when the module is
imported and raises an error that is a string in the binary:

- NumPy 1 (numpy/core/code_generators/generate_numpy_api.py of 1.x): `module compiled against API version 0x%x but this
  version of numpy is 0x%x`. NumPy 2 has another ABI version (0x2000000) and refuses these modules:
  `numpy.core.multiarray failed to import`, after `A module that was compiled using NumPy 1.x cannot be run …`.
- NumPy 2 (numpy/_core/code_generators/generate_numpy_api.py): `module was compiled against NumPy C-API version 0x%x
  (NumPy 1.20) but the running NumPy has …`. These run with NumPy 2 and with any NumPy 1 from the one that is named.

pybind11 looks the table up itself: before 2.12 in `numpy.core` alone, with the layout of NumPy 1's descriptors (its
change log of 2.12: support for NumPy 2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import mmap

#: Whoever uses NumPy's table of functions takes it out of a capsule.
CAPSULE: Final = b"PyCapsule_GetPointer"
_OF_NUMPY_1: Final = b"module compiled against API version 0x%x but this version of numpy is 0x%x"
_OF_NUMPY_2: Final = b"module was compiled against NumPy C-API version 0x%x (NumPy "
_TABLE: Final = b"_ARRAY_API\0"
_OLD_PLACE: Final = b"numpy.core.multiarray\0"
_NEW_PLACE: Final = b"numpy._core"
_RELEASE: Final = re.compile(rb"(\d{1,3})\.(\d{1,3})\)")


@dataclass(frozen=True, kw_only=True)
class NumpyAbi:
    """What a binary was compiled against: NumPy 1's headers (`headers` 1) or NumPy 2's.

    `oldest`: the oldest NumPy (major, minor) that has what it calls, where the binary says so. `sure` False: told by
    pybind11's look-up alone, which fails later than on import, or never.
    """

    headers: Literal[1, 2]
    oldest: tuple[int, int] | None = None
    sure: bool = True

    def accepts(self, numpy: tuple[int, ...]) -> bool:
        """Whether the binary works with NumPy of that version (major, minor, perhaps more)."""
        if self.headers == 1:
            return numpy[0] < 2
        return self.oldest is None or numpy >= self.oldest

    @property
    def wants(self) -> str:
        """What it needs, for messages: `NumPy 1` or `NumPy 2.0 or newer`."""
        if self.headers == 1:
            return "NumPy 1"
        return "NumPy" if self.oldest is None else f"NumPy {self.oldest[0]}.{self.oldest[1]} or newer"


def read_numpy_abi(data: mmap.mmap | bytes, start: int = 0, end: int | None = None) -> NumpyAbi | None:
    """The ABI that the binary in `data[start:end]` was compiled for; None where it does not use NumPy's."""
    stop = len(data) if end is None else end
    at = data.find(_OF_NUMPY_2, start, stop)
    if at >= 0:
        at += len(_OF_NUMPY_2)
        match = _RELEASE.match(data[at : min(at + 10, stop)])
        return NumpyAbi(headers=2, oldest=(int(match[1]), int(match[2])) if match else None)
    if data.find(_OF_NUMPY_1, start, stop) >= 0:
        return NumpyAbi(headers=1)
    if data.find(_TABLE, start, stop) < 0 or data.find(_OLD_PLACE, start, stop) < 0:
        return None
    return None if data.find(_NEW_PLACE, start, stop) >= 0 else NumpyAbi(headers=1, sure=False)
