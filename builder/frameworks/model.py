"""What a framework is to envbuild: its names, what goes with it, how it is exercised and judged.

One file of this folder describes one framework. Adding another is such a file, a probe and facts:
`docs/contributing/adding-a-framework.md`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from builder.platforms import TARGETS, Subdir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from builder.frameworks.case import Has, Judge, Match, Settings

Area = Literal["frameworks", "numerics", "user"]


class Claim(Struct, frozen=True, kw_only=True):
    """One check that a library brings: what it catches, the error the user would have met otherwise, and who judges.

    `judge` looks at a step of the library's probe, `match` at installed files, `settings` at the user's own settings.
    Exactly one is given, except that a claim judged by another check's step has none.
    """

    id: str
    area: Area
    catches: str
    otherwise: str
    judge: Judge | None = None
    match: Match | None = None
    settings: Settings | None = None


class Probe(Struct, frozen=True, kw_only=True):
    """A script that the environment's own Python runs to exercise a library.

    It runs where `module` is installed; at the quick level only if `quick`. `answers` are the (check, subject) pairs
    that must come up, "" for no subject: what is missing is reported as not reached.
    """

    script: str
    """Name of the script without `.py`."""
    module: str
    doing: str
    """What it does, for progress and messages."""
    answers: Callable[[Has, bool], tuple[tuple[str, str], ...]] | None = None
    """Called with `has(module)` and whether the level is quick; None: that the module imports."""
    quick: bool = False
    settles: tuple[str, ...] = ()
    """Further modules that it imports: the quick level does not import them again, and at the default level their
    probes follow in the same process."""
    folder: Path | None = None
    """Where the script lies, for a framework from outside; None: `builder/probes/scripts`."""

    def expected(self, has: Has, *, quick: bool) -> tuple[tuple[str, str], ...]:
        return self.answers(has, quick) if self.answers is not None else (("import.alone", self.module),)


class Library(Struct, frozen=True, kw_only=True):
    """An importable library that is exercised wherever it is installed."""

    name: str
    title: str
    """How people write it."""
    modules: tuple[str, ...] = ()
    """What is imported, the first one being the library itself."""
    probes: tuple[Probe, ...] = ()
    claims: tuple[Claim, ...] = ()
    clashes: tuple[str, ...] = ()
    """Modules it is known to clash with in one order of import and not in the other."""
    tells_version: bool = True
    """Whether the module's `__version__` is its distribution's version."""


class Plugin(Struct, frozen=True, kw_only=True):
    """A GPU plug-in for the Mac: a distribution of its own, loaded by the framework from a folder."""

    name: str
    folder: str
    """Folder of site-packages in which the framework looks for plug-ins."""
    host: str
    """The module that loads it."""


class Framework(Library, frozen=True, kw_only=True):
    """A framework that a recipe may name. Packages are called as facts call them: by their name on PyPI."""

    precedence: int = 100
    """Lower comes first in lists, and is what an environment that holds several is taken to be made for."""
    aliases: tuple[str, ...] = ()
    """Other names that a recipe may use."""
    main: str = ""
    """The package whose builds decide, on PyPI."""
    version_of: str = ""
    """The package that `framework.version` of a recipe is about, where that is not `main`."""
    conda: str = ""
    """Its name on conda-forge."""
    conda_base: str = ""
    """The conda package that holds its requirements, where `conda` is a mere name for it."""
    conda_build: str = ""
    """Glob of its CPU builds there; `{py}` stands for `312`."""
    distributions: tuple[str, ...] = ()
    """All names that its files go by on PyPI."""
    partners: tuple[str, ...] = ()
    """Packages that must fit it, chosen together with it."""
    companions: tuple[str, ...] = ()
    """Packages whose wheels are bound to a release of it: chosen with it where a recipe asks for them."""
    plugin: Plugin | None = None
    libraries: str = ""
    """Pattern of the names of the libraries in its package that other packages link (`libtorch_cpu.dylib`)."""
    parity: tuple[str, ...] = ()
    """Packages (names of conda and of PyPI) that are kept at one version on all platforms."""
    platforms: tuple[Subdir, ...] = TARGETS
    imports: tuple[str, ...] = ()
    """Modules whose import is checked in every environment of this framework."""
    gpu: str = ""
    """How the Mac's GPU is reached without a plug-in, for reasons and notes."""
    keras_backend: str | None = None
    """Keras' name of it, where Keras can compute with it."""
    requires_main: tuple[str, ...] = ()
    """Packages that require `main` by that very name, though its files may go by another one."""
    follows_minor: tuple[str, ...] = ()
    """Packages that must have the framework's own minor."""
    open_above: bool = False
    """Nothing else must fit it, so a newer release than the facts know may be taken from a channel."""
    facts: Path | None = None
    """A folder of fact files, for a framework from outside."""

    @property
    def versioned(self) -> str:
        """The package that `framework.version` of a recipe is about."""
        return self.version_of or self.main

    @property
    def gpu_names(self) -> tuple[str, ...]:
        return (self.plugin.name,) if self.plugin is not None else ()
