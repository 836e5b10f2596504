"""Which binaries of an environment can be loaded at all, and which may fail to load without harm.

Python opens an extension module only under a name that its own `importlib.machinery.EXTENSION_SUFFIXES` ends: its own
tag, `abi3` (which a free-threaded Python lacks: PEP 703, CPython's Python/dynload_shlib.c), or a bare `.so`. A module
beats a folder of the same name that has no `__init__.py` (importlib's FileFinder), so that what lies in it is hidden.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

#: Parts that a package loads only if the machine has something they need, and does without otherwise: (path, why).
_OPTIONAL: Final = (
    (re.compile(r"(^|/)Qt\d?/(plugins|qml)/|(^|/)qt\d?/(plugins|qml)/"), "a Qt plug-in, loaded on demand"),
    (
        re.compile(r"(^|/)numba/np/ufunc/(omppool|tbbpool)\."),
        "a threading layer of numba, which falls back to workqueue",
    ),
    (
        re.compile(r"(^|/)(torchaudio|torio)/lib/.*(sox|ffmpeg\d*)\.so$"),
        "a torchaudio back-end, tried and left out where its library is absent",
    ),
    (
        re.compile(r"(^|/)torchcodec/libtorchcodec\D*\d+\.(so|dylib)$"),
        "torchcodec for one FFmpeg version, of which link.variants tells",
    ),
    (
        re.compile(r"(^|/)tensorflow/python/_pywrap_tfcompile\.so$"),
        "the ahead-of-time compiler, which saved_model_cli alone imports, and reports where it cannot",
    ),
    (re.compile(r"(^|/)lib/python[\d.]+t?/lib-dynload/"), "a module of the standard library"),
)
#: `name.cpython-312-darwin.so`, `name.abi3.so`, `name.so`: the name, and what stands between.
_MODULE: Final = re.compile(r"(?P<stem>(?:.*/)?[^/.]+)(?:\.(?P<tag>[^/]+))?\.so")
_CPYTHON: Final = re.compile(r"cpython-(\d)(\d+)(t?)(?:-[^/]*)?|cp(\d)(\d+)(t?)(?:-[^/]*)?")
_ABI3: Final = re.compile(r"abi3(?:-[^/]*)?")


def optional_reason(rel: str) -> str | None:
    """Why a binary may fail to load without harm, or None where it must load."""
    return next((why for pattern, why in _OPTIONAL if pattern.search(rel)), None)


@dataclass(frozen=True, kw_only=True)
class Module:
    """A file that looks like an extension module. `python`: of its tag, `(3, 12, False)`: free-threaded or not."""

    rel: str
    stem: str
    tag: str
    python: tuple[int, int, bool] | None
    is_abi3: bool


def module_of(rel: str) -> Module | None:
    """What the name of a file says of it as an extension module; None for another file."""
    match = _MODULE.fullmatch(rel)
    if match is None:
        return None
    tag = match["tag"] or ""
    found = _CPYTHON.fullmatch(tag)
    python = None
    if found is not None:
        major, minor, threading = (found[1], found[2], found[3]) if found[1] else (found[4], found[5], found[6])
        python = int(major), int(minor), bool(threading)
    return Module(rel=rel, stem=match["stem"], tag=tag, python=python, is_abi3=_ABI3.fullmatch(tag) is not None)


class Reach:
    """Which of an environment's extension modules its interpreter can import.

    `python` is its version (None: unknown, and so everything may be), `free_threaded` None where that is not known;
    `files` are all paths that packages recorded.
    """

    def __init__(
        self,
        rels: Iterable[str],
        *,
        python: tuple[int, int] | None,
        free_threaded: bool | None,
        files: Container[str],
    ) -> None:
        self._python = python
        self.free_threaded = free_threaded
        self._files = files
        self.modules = tuple(module for rel in rels if (module := module_of(rel)) is not None)
        self._importable = {module.stem for module in self.modules if self.why_foreign(module) is None}
        self.never = {module.rel: why for module in self.modules if (why := self._why_never(module)) is not None}
        """Paths of files that the interpreter never opens, and why."""

    def why_foreign(self, module: Module) -> str | None:
        """Why this Python does not take a file of that name for a module; None where it does."""
        if module.is_abi3:
            return "a free-threaded Python has no abi3 modules" if self.free_threaded else None
        if module.python is not None:
            major, minor, threading = module.python
            named = f"for Python {major}.{minor}{'t' if threading else ''} alone"
            if self._python is not None and (major, minor) != self._python:
                return named
            if self.free_threaded is not None and threading is not self.free_threaded:
                return named
            return None
        return "its name is no module's" if module.tag else None

    def _why_never(self, module: Module) -> str | None:
        foreign = self.why_foreign(module)
        if foreign is not None and (module.python is not None or module.is_abi3 or module.stem in self._importable):
            return foreign
        folder = module.stem.rpartition("/")[0]
        while folder:
            if folder in self._importable and f"{folder}/__init__.py" not in self._files:
                return f"the module {folder.rpartition('/')[2]} beside its folder hides it"
            folder = folder.rpartition("/")[0]
        return None
