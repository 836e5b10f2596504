"""The ELF files of a prefix and how the loader finds one from another (ld.so(8): RPATH, RUNPATH, loaded SONAMEs)."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.binaries.elf.file import ET_DYN, ET_EXEC, open_elf
from builder.binaries.inventory import Unreadable
from builder.binaries.numpy_abi import CAPSULE, NumpyAbi, read_numpy_abi
from builder.errors import BinaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Set

    from builder.binaries.elf.file import ElfFile, Needs, Symbol
    from builder.binaries.owners import Owners

#: Libraries that manylinux wheels and conda packages take from the distribution (PEP 600's policies, libGL and X11
#: among them), the loader itself, and what a GPU driver brings.
_SYSTEM: Final = re.compile(
    r"ld-linux.*|linux-vdso.*|lib(c|m|mvec|dl|rt|pthread|util|nsl|resolv|crypt|anl|BrokenLocale|thread_db|nss_\w+)\.so[.\d]*"
    r"|lib(gcc_s|stdc\+\+|z|expat|atomic)\.so[.\d]*"
    r"|lib(X11|X11-xcb|Xext|Xrender|Xi|Xau|Xdmcp|ICE|SM|GL|GLX|EGL|OpenGL|GLdispatch|gobject-2\.0|gthread-2\.0|glib-2\.0|gio-2\.0)\.so[.\d]*"
    r"|lib(xcb|xkbcommon|wayland|drm|fontconfig|freetype|dbus-1|asound|pulse|udev|va|vdpau)[\w-]*\.so[.\d]*"
    r"|lib(cuda|nvidia-\w+|amdhip64|hsa-runtime64)\.so[.\d]*"
)


@dataclass(frozen=True, kw_only=True)
class ElfBinary:
    """An ELF executable or shared object. `search` is RUNPATH, or else RPATH, with `$ORIGIN` put in."""

    path: str
    rel: str
    machine: str
    needed: tuple[str, ...] = ()
    soname: str | None = None
    search: tuple[str, ...] = ()
    needs: tuple[Needs, ...] = ()
    """The symbol versions it wants, by library."""
    defines: frozenset[str] = frozenset()
    """The symbol versions it defines."""

    @property
    def name(self) -> str:
        return self.rel.rpartition("/")[2]

    def _opened(self) -> ElfFile:
        opened = open_elf(Path(self.path))
        if opened is None:
            raise BinaryError("changed while it was read", file=self.rel)
        return opened

    def wanted(self) -> tuple[Symbol, ...]:
        """The symbols that it wants of others, read anew.

        Raises BinaryError for a damaged table, OSError where the file is gone.
        """
        with self._opened() as file:
            return tuple(file.symbols(defined=False))

    def defined_of(self, names: Set[bytes]) -> frozenset[bytes]:
        """Those of `names` that it defines: the largest libraries define half a million. Raises like `wanted`."""
        with self._opened() as file:
            return file.defined_of(names)

    def numpy_abi(self) -> NumpyAbi | None:
        """Which NumPy it was compiled against, read anew; raises like `wanted`."""
        with self._opened() as file:
            uses = file.may_name(CAPSULE) and any(symbol.name == CAPSULE for symbol in file.symbols(defined=False))
            return read_numpy_abi(file.data) if uses else None


def read_elf(root: str, rel: str) -> ElfBinary | Unreadable | None:
    """The binary at `rel`; None for object files and core dumps, which nothing loads, and for what is no ELF file."""
    path = f"{root}/{rel}"
    try:
        opened = open_elf(Path(path))
        if opened is None:
            return None
        with opened as file:
            if file.kind not in (ET_EXEC, ET_DYN):
                return None
            return ElfBinary(
                path=path,
                rel=rel,
                machine=file.machine,
                needed=file.needed,
                soname=file.soname,
                search=expanded(file.search, os.path.dirname(path)),  # noqa: PTH120
                needs=file.needs,
                defines=frozenset(file.defines.values()),
            )
    except BinaryError as error:
        return Unreadable(rel=rel, reason=error.plain)
    except OSError as error:
        return Unreadable(rel=rel, reason=error.strerror or type(error).__name__)


def expanded(search: Iterable[str], origin: str) -> tuple[str, ...]:
    """Folders of a search path with `$ORIGIN` put in."""
    return tuple(folder.replace("${ORIGIN}", origin).replace("$ORIGIN", origin) for folder in search)


def is_system_library(name: str) -> bool:
    """Whether a SONAME is one that wheels and conda packages take from the distribution."""
    return _SYSTEM.fullmatch(name) is not None


def usual_machine(root: str, rels: Iterable[str]) -> str | None:
    """The machine that most of these ELF files are for, from their headers alone."""
    counted: Counter[str] = Counter()
    for rel in rels:
        try:
            with open(f"{root}/{rel}", "rb") as stream:  # noqa: PTH123
                head = stream.read(20)
        except OSError:
            continue
        if len(head) == 20:
            counted[{62: "x86_64", 183: "aarch64"}.get(int.from_bytes(head[18:20], "little"), "other")] += 1
    return counted.most_common(1)[0][0] if counted else None


def host_folders(machine: str) -> tuple[str, ...]:
    """Where this system keeps the libraries of `machine`; nothing on another kind of system."""
    if platform.system() != "Linux" or platform.machine() != machine:
        return ()
    return (f"/usr/lib/{machine}-linux-gnu", f"/lib/{machine}-linux-gnu", "/usr/lib64", "/lib64", "/usr/local/lib")


@dataclass(frozen=True, kw_only=True)
class ElfMissing:
    """A NEEDED entry that nothing provides."""

    binary: ElfBinary
    name: str


class ElfTree:
    """The ELF binaries of a prefix and how their NEEDED entries resolve."""

    def __init__(self, root: str, rels: Iterable[str], owners: Owners, *, host_folders: tuple[str, ...] = ()) -> None:
        """`host_folders`: where the running system keeps its libraries, when it is the one the prefix is for."""
        read = [read_elf(root, rel) for rel in rels]
        self.unreadable = tuple(item for item in read if isinstance(item, Unreadable))
        self._set_up(root, tuple(item for item in read if isinstance(item, ElfBinary)), owners, host_folders)

    @classmethod
    def of(cls, root: str, binaries: Iterable[ElfBinary], owners: Owners, *, real: Callable[[str], str]) -> ElfTree:
        """A tree of binaries that are on no disk; `real` follows symbolic links among them."""
        tree = cls.__new__(cls)
        tree.unreadable = ()
        tree._set_up(root, tuple(binaries), owners, (), real=real)
        return tree

    def _set_up(
        self,
        root: str,
        binaries: tuple[ElfBinary, ...],
        owners: Owners,
        host_folders: tuple[str, ...],
        *,
        real: Callable[[str], str] | None = None,
    ) -> None:
        self.binaries = binaries
        self._real = real
        self._root = root
        self._owners = owners
        self._host_folders = host_folders
        self.by_rel = {binary.rel: binary for binary in self.binaries}
        self._by_path = {binary.path: binary for binary in self.binaries}
        self._by_soname: dict[str, list[ElfBinary]] = {}
        for binary in self.binaries:
            for name in {binary.soname, binary.name} - {None}:
                self._by_soname.setdefault(str(name), []).append(binary)

    @cached_property
    def links(self) -> dict[str, dict[str, ElfBinary | None]]:
        """rel → NEEDED name → the binary (None: the distribution's own, or missing; see `missing`)."""
        return {binary.rel: {name: self._resolve(binary, name) for name in binary.needed} for binary in self.binaries}

    @cached_property
    def missing(self) -> tuple[ElfMissing, ...]:
        return tuple(
            ElfMissing(binary=binary, name=name)
            for binary in self.binaries
            for name, found in self.links[binary.rel].items()
            if found is None and not is_system_library(name) and not self._on_host(name)
        )

    def _resolve(self, binary: ElfBinary, name: str) -> ElfBinary | None:
        for folder in (*binary.search, f"{self._root}/lib"):
            path = os.path.normpath(f"{folder}/{name}")
            found = self._by_path.get(path)
            if found is None and self._real is not None:
                found = self._by_path.get(self._real(path))
            elif found is None and os.path.lexists(path):  # a link, or in a linked folder; realpath is slow
                found = self._by_path.get(os.path.realpath(path))
            if found is not None and found.machine == binary.machine:
                return found
        # glibc takes a library that is loaded already under the same SONAME, wherever it came from.
        for found in self._by_soname.get(name, ()):
            if found.machine == binary.machine and self._owners.loads_first(binary.rel, found.rel):
                return found
        return None

    def _on_host(self, name: str) -> bool:
        return any(os.path.exists(f"{folder}/{name}") for folder in self._host_folders)  # noqa: PTH110

    def closure(self, binary: ElfBinary) -> dict[str, ElfBinary]:
        """Everything in the prefix that loading `binary` loads, itself included."""
        found = {binary.rel: binary}
        pending = [binary]
        while pending:
            for linked in self.links[pending.pop().rel].values():
                if linked is not None and linked.rel not in found:
                    found[linked.rel] = linked
                    pending.append(linked)
        return found
