"""C++ names as people write them, beside the raw ones. The raw name is always shown; this one where it can be had."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def _demangler() -> Callable[[str], str] | None:
    """cxxfilt, which asks the C++ runtime of this machine; None where there is no such runtime (a bare container)."""
    try:
        import cxxfilt
    except (ImportError, OSError, AttributeError):
        return None
    demangle: Callable[[str], str] = cxxfilt.demangle
    return demangle


def shown(symbol: bytes) -> str:
    """`__ZN3foo3barEv` as `__ZN3foo3barEv  (foo::bar())`; just the name where it is not a C++ one."""
    raw = symbol.decode("utf-8", "replace")
    demangle = _demangler()
    mangled = raw[1:] if raw.startswith("__Z") else raw
    if demangle is None or not mangled.startswith("_Z"):
        return raw
    try:
        plain = demangle(mangled)
    except Exception:  # noqa: BLE001 - whatever a foreign runtime makes of a strange name, the raw one is enough
        return raw
    return f"{raw}  ({plain})" if plain != mangled else raw
