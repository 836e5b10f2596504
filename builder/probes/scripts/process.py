"""Which interpreter is this, where does it look for modules, and is it running natively?"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.machinery
import os
import platform
import site
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from builder.probes.scripts.run import Recorder

#: Set by the interpreter itself: PEP 538 coerces the C locale, macOS's launcher notes who it is.
_BY_PYTHON = frozenset(("LC_CTYPE", "__PYVENV_LAUNCHER__", "__CF_USER_TEXT_ENCODING"))


def main(probe: Recorder, arguments: dict[str, Any]) -> None:
    """`names`: modules to locate. `as_user`: look as `python script.py` in `cwd` would, not isolated."""
    if arguments.get("as_user") and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = arguments["cwd"]  # what `python script.py` would put where this script's folder is now
    with probe.step(arguments["check"]) as facts:
        facts.update(
            executable=sys.executable,
            prefix=sys.prefix,
            base_prefix=sys.base_prefix,
            version=platform.python_version(),
            implementation=platform.python_implementation(),
            machine=platform.machine(),
            platform=sysconfig.get_platform(),
            translated=_sysctl_flag(b"sysctl.proc_translated"),
            arm_hardware=_sysctl_flag(b"hw.optional.arm64"),
            path=list(sys.path),
            user_site=site.getusersitepackages() if site.ENABLE_USER_SITE else None,
            user_site_holds=_user_site_content(),
            cpus=os.cpu_count(),
            changed=_changed(arguments.get("given", {})),
            replaced=_replaced(arguments["names"]),
            origins={name: _origin(name) for name in arguments["names"]}
            | (_hidden_library() if arguments.get("as_user") else {}),
        )


def _changed(given: dict[str, str]) -> dict[str, str | None]:
    """Variables that are not as the process was given them: what ran since has set them. None: it has removed it.

    `given`: name to SHA-256 of the value, so that no value is handed about.
    """
    now = {name: hashlib.sha256(os.fsencode(value)).hexdigest() for name, value in os.environ.items()}
    changed: dict[str, str | None] = {
        name: os.environ[name] for name, digest in now.items() if given.get(name) != digest and name not in _BY_PYTHON
    }
    changed.update((name, None) for name in given if name not in now)
    return changed if given else {}


def _replaced(names: list[str]) -> list[str]:
    """Modules that are there although no program has asked for them, and that came from no file: put there by hand."""
    found = []
    for name in names:
        module = sys.modules.get(name)
        if module is not None and getattr(module, "__file__", None) is None and not hasattr(module, "__path__"):
            found.append(name)
    return found


def _user_site_content() -> list[str]:
    """What the user's own site folder makes importable, where it is in use: distributions, else modules."""
    folder = site.getusersitepackages()
    if not site.ENABLE_USER_SITE or not os.path.isdir(folder):
        return []
    # What runs at start-up is told by itself.
    passed_over = ("_", ".", "usercustomize.", "sitecustomize.")
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(passed_over)]
    distributions = [name[: -len(".dist-info")] for name in names if name.endswith(".dist-info")]
    return distributions or [name for name in names if not name.endswith((".pth", ".egg-link"))]


def _origin(name: str) -> str | None:
    """The file a top-level module would be imported from, found without importing it."""
    try:
        spec = importlib.machinery.PathFinder.find_spec(name)
    except Exception as error:  # noqa: BLE001 - a broken finder on sys.meta_path or sys.path_hooks
        return f"{type(error).__name__}: {error}"
    if spec is None:
        return None
    return spec.origin or next(iter(spec.submodule_search_locations or ()), None)


def _hidden_library() -> dict[str, str | None]:
    """Modules of the standard library that would be imported from elsewhere, except those that Python has by now."""
    library = tuple({os.path.realpath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib")})
    found: dict[str, str | None] = {}
    for name in getattr(sys, "stdlib_module_names", ()):
        origin = None if name in sys.modules or name in sys.builtin_module_names else _origin(name)
        if origin is not None and not os.path.realpath(origin).startswith(library):
            found[name] = origin
    return found


def _sysctl_flag(name: bytes) -> bool | None:
    """A 32-bit sysctl as a bool; None where the kernel does not know the name (Intel Macs, Linux)."""
    if platform.system() != "Darwin":
        return None
    library = ctypes.CDLL(None)
    value, size = ctypes.c_int32(0), ctypes.c_size_t(4)
    if library.sysctlbyname(name, ctypes.byref(value), ctypes.byref(size), None, 0) != 0:
        return None
    return bool(value.value)
