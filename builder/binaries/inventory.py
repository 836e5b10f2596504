"""The binaries of a prefix: one walk over its files, one look at each head."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from builder.binaries.macho import Commands, Image, is_mach_o_magic, open_mach_o
from builder.binaries.macho.constants import FileType
from builder.binaries.numpy_abi import CAPSULE
from builder.binaries.tables import ImportTable
from builder.errors import BinaryError
from builder.files import SET_ASIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from builder.binaries.macho import Export, MachOFile
    from builder.binaries.numpy_abi import NumpyAbi
    from builder.platforms import Subdir

_TEXT_AND_DATA: Final = (
    "py pyc pyi pyx pxd h hh hpp hxx inc inl ipp tcc c cc cpp cxx cu cuh m mm f f90 s S td def txt md rst json "
    "yaml yml toml ini cfg xml html htm css js mjs ts map png svg jpg jpeg gif ico npy npz csv tsv proto qml qm "
    "ttf otf afm pfb woff woff2 zip gz bz2 xz zst whl cmake pc la typed pem tcl msg enc sh fish csh bat ps1 ipynb "
    "pdf tex mplstyle dat mat sav arff parquet pkl fits nc qmltypes rsa egg-link lock template jinja j2 metallib "
    "a o lib pyd dll exe"
)
#: Suffixes of files that the loader never opens, so that their heads need not be read. Everything else is looked at.
_NEVER_BINARY: Final = frozenset(f".{suffix}" for suffix in _TEXT_AND_DATA.split())
_SKIPPED_FOLDERS: Final = frozenset(("__pycache__", ".git"))
#: What lies in a base prefix and is not of it: conda's package cache, and other environments.
_SKIPPED_AT_TOP: Final = frozenset(("pkgs", "envs"))
_LOADABLE: Final = frozenset(FileType)


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A file that begins as a binary does, or may, and could not be read; `reason` in a few words."""

    rel: str
    reason: str


class Binary:
    """A Mach-O file of the prefix, as a process of architecture `arch` sees it.

    `commands` are those of the slice for `arch`, or of the first slice where there is none (`serves` tells). Imports
    and exports are read when first asked for, from a mapping that is closed again: an environment has more binaries
    than a process may have open files.
    """

    def __init__(
        self, path: str, rel: str, *, size: int, arch: str, archs: tuple[str, ...], commands: Commands
    ) -> None:
        self.path = path
        self.size = size
        self.rel = rel
        self.arch = arch
        self.archs = archs
        self.commands = commands
        self.name = rel.rpartition("/")[2]
        self.folder = os.path.dirname(path)  # noqa: PTH120 - paths are strings in the loader's inner loop
        self._exporter: Image | None = None
        self._found: dict[bytes, Export | None] = {}

    def __repr__(self) -> str:
        return f"Binary({self.rel!r})"

    @property
    def serves(self) -> bool:
        """Whether a slice serves the architecture."""
        return self.arch in self.archs or (self.arch == "x86_64" and "x86_64h" in self.archs)

    @property
    def is_program(self) -> bool:
        return self.commands.filetype == FileType.EXECUTE

    def _opened(self) -> MachOFile:
        opened = open_mach_o(Path(self.path))
        if opened is None:
            raise BinaryError("changed while it was read", file=self.rel)
        return opened

    @cached_property
    def imports(self) -> ImportTable:
        """What dyld binds; raises BinaryError for damaged tables."""
        with self._opened() as file:
            image = file.image(self.arch)
            return ImportTable.of(image.imports if image is not None else ())

    @cached_property
    def numpy_abi(self) -> NumpyAbi | None:
        """Which NumPy it was compiled against; raises BinaryError for damaged tables."""
        if b"_" + CAPSULE not in self.imports:
            return None
        with self._opened() as file:
            image = file.image(self.arch)
            return image.numpy_abi if image is not None else None

    @cached_property
    def objc_classes(self) -> tuple[bytes, ...]:
        """The names of the Objective-C classes that it defines."""
        sections = (section.name for segment in self.commands.segments for section in segment.sections)
        if "__objc_classlist" not in sections:
            return ()
        with self._opened() as file:
            image = file.image(self.arch)
            return image.objc_classes if image is not None else ()

    def provided(self, names: Collection[bytes]) -> tuple[AbstractSet[bytes], tuple[Export, ...]]:
        """Those of `names` that the image exports, and what it hands on of them from another library.

        Raises BinaryError for a damaged trie. What was asked once is remembered.
        """
        known = self._found
        wanted = [name for name in names if name not in known]
        if wanted:
            known.update(dict.fromkeys(wanted))
            known.update(self._look_up(wanted))
        found = {name: export for name in names if (export := known[name]) is not None}
        return found.keys(), tuple(export for export in found.values() if export.ordinal is not None)

    def provided_once(self, names: frozenset[bytes]) -> AbstractSet[bytes]:
        """The first half of `provided`, for names that are asked once: nothing is remembered."""
        return self._look_up(list(names)).keys()

    def _look_up(self, names: list[bytes]) -> dict[bytes, Export]:
        if self._exporter is not None:
            return self._exporter.exported(names)
        with self._opened() as file:
            image = file.image(self.arch)
            if image is None:
                return {}
            found = image.exported(names)  # from here on the image holds its trie and needs the mapping no more
            self._exporter = image
            return found


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What the walk found. `files` counts every regular file; `elf` are paths relative to the prefix."""

    root: str
    files: int
    binaries: tuple[Binary, ...]
    elf: tuple[str, ...]
    unreadable: tuple[Unreadable, ...]
    by_path: Mapping[str, Binary] = field(repr=False)
    real: Callable[[str], str] | None = field(default=None, repr=False)
    """Follows symbolic links where the inventory is of no folder on disk; None: as the disk does."""


def walk_files(root: str) -> Iterator[os.DirEntry[str]]:
    """Every regular file below `root`. Symlinks are not followed, so none makes a loop; their targets are met."""
    skipped = _SKIPPED_AT_TOP if os.path.isdir(f"{root}/conda-meta") else frozenset()  # noqa: PTH112
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_symlink() or entry.name.endswith(SET_ASIDE):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        foreign = folder == root and entry.name in skipped
                        if entry.name not in _SKIPPED_FOLDERS and not foreign:
                            pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry
        except OSError:
            continue


def take_inventory(root: Path, *, subdir: Subdir | None) -> Inventory:
    """Walk `root` and read the head of everything that may be a binary.

    `subdir` is the platform asked for; without it, the architecture that most Mach-O files have (arm64 on a tie).
    """
    heads: list[tuple[str, str, tuple[str, ...]]] = []
    elf: list[str] = []
    unreadable: list[Unreadable] = []
    top = str(root)
    cut = len(top) + 1
    count = 0
    for entry in walk_files(top):
        count += 1
        if not may_be_binary(entry.name):
            continue
        head = _head(entry.path)
        if isinstance(head, str):
            unreadable.append(Unreadable(rel=entry.path[cut:], reason=head))
        elif head == b"\x7fELF":
            elf.append(entry.path[cut:])
        elif is_mach_o_magic(head):
            archs = _archs(entry.path, entry.path[cut:], unreadable)
            if archs:
                heads.append((entry.path, entry.path[cut:], archs))
    arch = _arch(subdir, heads)
    binaries = [found for path, rel, archs in sorted(heads) if (found := _binary(path, rel, archs, arch, unreadable))]
    return Inventory(
        root=top,
        files=count,
        binaries=tuple(binaries),
        elf=tuple(sorted(elf)),
        unreadable=tuple(sorted(unreadable, key=lambda item: item.rel)),
        by_path={binary.path: binary for binary in binaries},
    )


def may_be_binary(name: str) -> bool:
    """Whether a file of that name is worth a look at its head."""
    dot = name.rfind(".")
    return dot <= 0 or name[dot:] not in _NEVER_BINARY


def _head(path: str) -> bytes | str:
    """The first four bytes, or why there are none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.read(descriptor, 4)
        finally:
            os.close(descriptor)
    except OSError as error:
        return error.strerror or type(error).__name__


def _archs(path: str, rel: str, unreadable: list[Unreadable]) -> tuple[str, ...]:
    try:
        opened = open_mach_o(Path(path))
    except (BinaryError, OSError) as error:
        unreadable.append(Unreadable(rel=rel, reason=_reason(error)))
        return ()
    if opened is None:
        return ()
    with opened as file:
        return file.archs


def _reason(error: BinaryError | OSError) -> str:
    return error.plain if isinstance(error, BinaryError) else error.strerror or type(error).__name__


def _arch(subdir: Subdir | None, heads: list[tuple[str, str, tuple[str, ...]]]) -> str:
    if subdir is not None and subdir.is_osx:
        return subdir.machine
    counts = Counter(arch for _, _, archs in heads for arch in archs if arch in ("arm64", "x86_64"))
    return "x86_64" if counts["x86_64"] > counts["arm64"] else "arm64"


def _binary(path: str, rel: str, archs: tuple[str, ...], arch: str, unreadable: list[Unreadable]) -> Binary | None:
    """The binary, or None for what dyld never loads (object files, debug symbols) and for a damaged one."""
    try:
        opened = open_mach_o(Path(path))
        if opened is None:
            return None
        with opened as file:
            image = file.image(arch) or file.image()
            if image is None or image.commands.filetype not in _LOADABLE:
                return None
            return Binary(path, rel, size=file.size, arch=arch, archs=archs, commands=image.commands)
    except (BinaryError, OSError) as error:
        unreadable.append(Unreadable(rel=rel, reason=_reason(error)))
        return None


def outside_binary(path: str, *, arch: str) -> Binary | None:
    """A Mach-O file outside the prefix (the base interpreter of a venv, say), or None where `path` is none."""
    unreadable: list[Unreadable] = []
    archs = _archs(path, path, unreadable)
    return _binary(path, path, archs, arch, unreadable) if archs else None
