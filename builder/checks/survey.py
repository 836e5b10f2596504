"""The binaries of an environment: read once, when the first check asks."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.binaries.demangle import shown
from builder.binaries.dyld import Linker, Place, Process
from builder.binaries.elf import ElfSymbols, ElfTree, host_folders, lowest_glibc, usual_machine
from builder.binaries.inventory import Inventory, outside_binary, take_inventory
from builder.binaries.summary_python import GENERATED_END, Generated, generated_by
from builder.binaries.symbols import Binder, Missing
from builder.binaries.system_imports import SystemImports
from builder.binaries.system_symbols import SystemSymbols
from builder.checks.reach import Reach, optional_reason
from builder.checks.remedy import Repair
from builder.checks.tags import usual_python
from builder.environment.model import Kind
from builder.files import open_regular
from builder.frameworks import registry
from builder.platforms import Subdir

if TYPE_CHECKING:
    from builder.binaries.dyld import Resolution
    from builder.binaries.elf import ElfBinary, ElfFloor
    from builder.binaries.inventory import Binary
    from builder.environment.environment import Environment
    from builder.environment.ownership import Ownership


#: A source file longer than this is data in disguise.
_MOST_SOURCE: Final = 4 << 20


@dataclass(frozen=True, kw_only=True)
class MissingLibrary:
    """A dependency that nothing provides, in the process of `entry`."""

    image: Binary
    resolution: Resolution
    process: Process


def _of_python(taken: Inventory, environment: Environment) -> Inventory:
    """What is Python's where it shares its prefix with the rest of a system: `/usr` holds much for other machines."""
    folders = [os.path.relpath(folder, environment.path) + "/" for folder in environment.site_folders]
    own = re.compile("|".join([r"bin/python[\d.]*t?$", r"lib\w*/(python3|libpython3)", *map(re.escape, folders)]))
    return replace(
        taken,
        binaries=tuple(binary for binary in taken.binaries if own.match(binary.rel)),
        elf=tuple(rel for rel in taken.elf if own.match(rel)),
        unreadable=tuple(entry for entry in taken.unreadable if own.match(entry.rel)),
    )


class Survey:
    """The binaries of a prefix. Nothing in it is run; every attribute is computed once, on demand.

    Without `looks_up_symbols` the checks that ask for it stop at libraries.
    """

    def __init__(self, environment: Environment, *, looks_up_symbols: bool = True) -> None:
        self.environment = environment
        self.looks_up_symbols = looks_up_symbols

    @cached_property
    def inventory(self) -> Inventory:
        taken = take_inventory(self.environment.path, subdir=self.environment.subdir)
        return taken if self.environment.kind is not Kind.SYSTEM else _of_python(taken, self.environment)

    @cached_property
    def repair(self) -> Repair:
        """Whose a file is, and the commands that put it right."""
        return Repair(self.environment)

    @cached_property
    def packages(self) -> Ownership:
        """Who owns which file."""
        return self.environment.owners.with_plugins({plugin.folder: plugin.host for plugin in registry.gpu_plugins()})

    @cached_property
    def arch(self) -> str:
        """The target's architecture, as Mach-O names it."""
        if self.inventory.binaries:
            return self.inventory.binaries[0].arch
        return self.environment.subdir.machine if self.environment.subdir is not None else "arm64"

    @property
    def is_mac(self) -> bool:
        """Whether it is one for macOS: by the platform it is for, or else by what most of its binaries are."""
        if self.environment.subdir is not None and self.environment.subdir is not Subdir.NOARCH:
            return self.environment.subdir.is_osx
        return len(self.inventory.binaries) >= len(self.inventory.elf)

    @cached_property
    def elf_machine(self) -> str:
        """The target's machine in a Linux prefix: asked for, or that of most binaries."""
        if self.environment.subdir is not None and self.environment.subdir.is_linux:
            return self.environment.subdir.machine
        return usual_machine(self.inventory.root, self.inventory.elf) or "x86_64"

    @property
    def usual_subdir(self) -> Subdir | None:
        """The platform that most of the binaries are for; None where there are none."""
        if self.inventory.binaries and self.is_mac:
            return Subdir.OSX_ARM64 if self.arch == "arm64" else Subdir.OSX_64
        if self.inventory.elf:
            return {"x86_64": Subdir.LINUX_64, "aarch64": Subdir.LINUX_AARCH64}.get(self.elf_machine)
        return None

    @property
    def target(self) -> Subdir:
        """The platform that the environment is for; where nothing says it, the one its binaries run on."""
        named = self.environment.subdir
        if named is not None and named is not Subdir.NOARCH:
            return named
        return self.usual_subdir or (Subdir.OSX_ARM64 if self.is_mac else Subdir.LINUX_64)

    @cached_property
    def elf(self) -> ElfTree:
        """The ELF binaries of a Linux prefix."""
        folders = host_folders(self.elf_machine)
        return ElfTree(self.inventory.root, self.inventory.elf, self.packages, host_folders=folders)

    @cached_property
    def elf_program(self) -> ElfBinary | None:
        """The interpreter of a Linux prefix, whatever machine it is for; None where it is none of its files."""
        if self.environment.python is None:
            return None
        real = os.path.realpath(self.environment.python)
        return next((binary for binary in self.elf.binaries if binary.path == real), None)

    @property
    def elf_interpreter(self) -> ElfBinary | None:
        """The interpreter of a Linux prefix; None where it is none of its files, or for another machine."""
        found = self.elf_program
        return found if found is not None and found.machine == self.elf_machine else None

    @cached_property
    def elf_symbols(self) -> ElfSymbols:
        """Looks up what ELF files want of each other."""
        return ElfSymbols(self.elf, self.packages, main=self.elf_interpreter)

    @cached_property
    def elf_entries(self) -> tuple[ElfBinary, ...]:
        """What a process loads by itself and must: modules, programs, and the libraries that nothing links.

        Those that lack a library are left out: the loader stops before it looks for symbols.
        """
        right = [binary for binary in self.elf.binaries if binary.machine == self.elf_machine]
        linked = {found.rel for links in self.elf.links.values() for found in links.values() if found is not None}
        stopped = {missing.binary.rel for missing in self.elf.missing}
        return tuple(
            binary
            for binary in right
            if (binary.rel not in linked or not binary.name.startswith("lib"))
            and optional_reason(binary.rel) is None
            and binary.rel not in self.reach.never
            and stopped.isdisjoint(self.elf.closure(binary))
        )

    @cached_property
    def elf_floor(self) -> ElfFloor:
        """What the binaries want of the system's glibc and C++ runtime."""
        return lowest_glibc(
            (binary for binary in self.elf.binaries if binary.machine == self.elf_machine), self.elf.links
        )

    @cached_property
    def python_version(self) -> tuple[int, int] | None:
        """(major, minor) of the Python that the packages are for: the prefix's, else that of most wheels."""
        return self.environment.python_version or usual_python(self.environment.distributions)

    @property
    def python_minor(self) -> str | None:
        """`3.12`, or None where nothing in the prefix says."""
        return ".".join(map(str, self.python_version)) if self.python_version is not None else None

    @cached_property
    def reach(self) -> Reach:
        """Which extension modules this Python can import."""
        site = self.environment.site_packages
        named = re.fullmatch(r"python\d+\.\d+(t?)", site.parent.name) if site is not None else None
        return Reach(
            [binary.rel for binary in self.inventory.binaries] if self.is_mac else self.inventory.elf,
            python=self.python_version,
            free_threaded=bool(named[1]) if named is not None else None,
            files=self.packages.files,
        )

    @cached_property
    def generated(self) -> dict[str, list[Generated]]:
        """Package → the modules in it that protoc generated."""
        found: dict[str, list[Generated]] = {}
        for rel in self.packages.files:
            if rel.endswith(GENERATED_END):
                try:
                    with open_regular(self.environment.path / rel) as stream:
                        made = Generated(rel=rel, protobuf=generated_by(stream.read(_MOST_SOURCE)))
                except OSError:
                    continue  # that it is gone is another check's
                found.setdefault(self.packages.owner(rel), []).append(made)
        return found

    @cached_property
    def interpreter(self) -> Binary | None:
        """The Mach-O interpreter, or None: a folder of wheels, or one that is no Mach-O file."""
        if self.environment.python is None:
            return None
        real = os.path.realpath(self.environment.python)
        return self.inventory.by_path.get(real) or outside_binary(real, arch=self.arch)

    @cached_property
    def linker(self) -> Linker:
        main = self.interpreter if self.interpreter is not None and self.interpreter.serves else None
        return Linker(self.inventory, self.packages, main=main)

    @cached_property
    def processes(self) -> tuple[Process, ...]:
        """One for each entry: the programs, the modules that Python opens, and the libraries that nothing links.

        A library that some entry links is looked at there, where the rpaths of its loaders count.
        """
        never = self.reach.never
        serving = [binary for binary in self.inventory.binaries if binary.serves and binary.rel not in never]
        first = [binary for binary in serving if binary.is_program or _is_module(binary)]
        found = [self.linker.process(binary) for binary in first]
        reached = {path for process in found for path in process.images}
        for binary in serving:
            if binary.path not in reached:
                process = self.linker.process(binary)
                reached.update(process.images)
                found.append(process)
        return tuple(found)

    @cached_property
    def _lacking(self) -> tuple[tuple[Process, Binary, Resolution], ...]:
        """Every dependency that is missing in some process, weak ones left out."""
        return tuple(
            (process, image, resolution)
            for process in self.processes
            for image, resolutions in process.images.values()
            for resolution in resolutions
            if resolution.place is Place.MISSING and not resolution.weak
        )

    @cached_property
    def stopped(self) -> frozenset[str]:
        """Paths of the entries that dyld gives up on, because a library is missing."""
        return frozenset(process.entry.path for process, _, _ in self._lacking)

    @cached_property
    def missing_libraries(self) -> tuple[MissingLibrary, ...]:
        """Each (image, library) once; in the process of an entry that must load, where there is one."""
        found: dict[tuple[str, str], MissingLibrary] = {}
        for process, image, resolution in self._lacking:
            key = (image.path, resolution.name)
            known = found.get(key)
            if known is None or (optional_reason(known.process.entry.rel) and not optional_reason(process.entry.rel)):
                found[key] = MissingLibrary(image=image, resolution=resolution, process=process)
        return tuple(found.values())

    @cached_property
    def binder(self) -> Binder:
        return Binder(self.inventory, self.packages, self.linker, symbols=self.system_facts)

    @cached_property
    def system_facts(self) -> SystemSymbols:
        """Which macOS has which symbol."""
        return SystemSymbols()

    @cached_property
    def system_imports(self) -> SystemImports:
        """What must come from macOS itself, in all that must load and finds its libraries."""
        return SystemImports(
            (
                process
                for process in self.processes
                if process.entry.path not in self.stopped and optional_reason(process.entry.rel) is None
            ),
            self.system_facts if self.arch == "arm64" else None,
        )

    def built_above(self, macos: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
        """(file, deployment target) of the binaries that were built for a newer macOS, the newest first."""
        built = [
            (binary.rel, binary.commands.minos)
            for binary in self.inventory.binaries
            if binary.serves
            and binary.rel not in self.reach.never
            and binary.commands.minos is not None
            and binary.commands.minos[:2] > macos
        ]
        return sorted(built, key=lambda pair: pair[1], reverse=True)

    @cached_property
    def missing_symbols(self) -> tuple[tuple[Process, tuple[Missing, ...]], ...]:
        """Per process and image the symbols dyld will not find; processes that lack a library stop before that."""
        return tuple(self.binder.check(process for process in self.processes if process.entry.path not in self.stopped))

    def unbound(self, process: Process) -> list[str]:
        """What dyld would miss when it loads `process`, one line each; empty where it loads."""
        entry = process.entry
        lines = [
            f"Library not loaded: {item.resolution.name}"
            for item in self.missing_libraries
            if item.process is process or item.image is entry
        ]
        if lines or not self.looks_up_symbols:
            return lines
        missing = [item for other, items in self.missing_symbols if other is process for item in items]
        for item in sorted(missing, key=lambda item: item.position)[:10]:
            place = f"expected in {item.expected.rel}" if item.expected else "looked up in every loaded library"
            kind = "symbol not found in flat namespace" if item.how == "flat" else "Symbol not found"
            lines.append(f"{kind}: {shown(item.symbol)}, {place}")
        if entry.rel in self.binder.damaged:
            lines.append(f"its symbols cannot be read: {self.binder.damaged[entry.rel]}")
        return lines


def _is_module(binary: Binary) -> bool:
    """Whether something opens the file by its name: an extension module, an op library, a bundle."""
    return binary.name.endswith(".so") or binary.commands.install_name is None
