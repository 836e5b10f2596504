"""What checks look at: one environment, what is expected of it, and, where it runs, its probes and its user."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from builder.binaries.system_symbols import release
from builder.checks.check import Needs
from builder.checks.files import Files
from builder.checks.runs import Runs
from builder.checks.survey import Survey
from builder.environment.stamp import Expectations
from builder.frameworks import registry
from builder.probes.level import Level
from builder.probes.schedule import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from builder.binaries.system_symbols import MacOS
    from builder.checks.remedy import Repair
    from builder.environment.environment import Environment
    from builder.platforms import Subdir

#: Importable names of what nearly every machine-learning environment is made of.
_COMMON_MODULES: Final = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "sklearn",
    "xgboost",
    "lightgbm",
    "matplotlib",
    "h5py",
    "ipykernel",
)


@dataclass(frozen=True, kw_only=True)
class User:
    """The user's side of a verification: variables, home and working directory."""

    environ: Mapping[str, str]
    home: Path
    cwd: Path


class Subject:
    """One environment under examination. Everything about it is computed once, when the first check asks.

    `host` is the platform of this machine (None: unknown), `host_macos` its version of macOS, `macos` the version to
    judge for, if that is neither this nor the recipe's; `glibc` the oldest glibc that a Linux environment must run on.
    Without `user`, or where the environment cannot run here, only its files are looked at. `limit` replaces the seconds
    that each probe may take. `building`: it is verified by what is building it, and so need not be finished.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        level: Level = Level.DEFAULT,
        host: Subdir | None = None,
        user: User | None = None,
        limit: float | None = None,
        building: bool = False,
        macos: MacOS | None = None,
        host_macos: MacOS | None = None,
        glibc: tuple[int, ...] | None = None,
    ) -> None:
        self.environment = environment
        self.level = level
        self.host = host
        self.user = user
        self.limit = limit
        self.building = building
        self._macos = macos
        self._host_macos = host_macos
        self.glibc = glibc

    @cached_property
    def macos(self) -> MacOS | None:
        """The macOS to judge for: asked for, or the recipe's oldest, or this Mac's; None where none is known."""
        if self._macos is not None:
            return self._macos
        asked = self.expectations.macos
        with suppress(ValueError):  # a stamp may say anything
            return release(asked) if asked is not None else self._host_macos
        return None

    @cached_property
    def survey(self) -> Survey:
        """Its binaries."""
        return Survey(self.environment, looks_up_symbols=self.level is not Level.QUICK)

    @cached_property
    def files(self) -> Files:
        """What its installers recorded of each file, and what each file is now."""
        return Files(self.environment, survey=self.survey)

    @property
    def repair(self) -> Repair:
        """Whose a file is, and the commands that put it right."""
        return self.survey.repair

    @cached_property
    def expectations(self) -> Expectations:
        """What its stamp expects; of an environment that is not ours, that what is in it works.

        The common modules are looked for in both cases, because an environment is used through them whether or not the
        recipe names them.
        """
        found = tuple(module for module in _COMMON_MODULES if self.has(module))
        if self.environment.stamp is not None:
            stamped = self.environment.stamp.expectations
            return replace(stamped, imports=tuple(dict.fromkeys((*stamped.imports, *found))))
        frameworks = [entry for entry in registry.all_frameworks() if entry.modules and self.has(entry.modules[0])]
        modules = (module for entry in frameworks for module in entry.imports if self.has(module.partition(".")[0]))
        return Expectations(
            framework=frameworks[0].name if frameworks else None, imports=tuple(dict.fromkeys((*found, *modules)))
        )

    @property
    def subdir(self) -> Subdir | None:
        """The platform it is for: asked for, stamped, that of its packages, or this machine's."""
        return self.environment.subdir or self.host

    @cached_property
    def why_not_run(self) -> str | None:
        """Why nothing of it can be run here, or None where its Python can."""
        if self.user is None:
            return "only its files were asked about"
        if self.host is None:
            return "envbuild does not know this machine's platform"
        # On Apple silicon an osx-64 environment runs, through Rosetta; the interpreter check says so.
        if self.subdir != self.host and not (self.host.value == "osx-arm64" and self.environment.subdir == "osx-64"):
            return f"it is for {self.subdir} and this machine is {self.host}"
        if self.environment.python is None:
            return "it has no bin/python"
        return None

    @cached_property
    def offers(self) -> frozenset[Needs]:
        """What a check may ask of it."""
        if self.why_not_run is not None:
            return frozenset((Needs.FILES,))
        return frozenset(Needs)

    @cached_property
    def runs(self) -> Runs:
        """Its probes. Only where `offers` has PROCESS."""
        python, user = self.environment.python, self.user
        if python is None or user is None or self.why_not_run is not None:
            raise ValueError(f"{self.environment.path} cannot be run: {self.why_not_run}")
        names = {*self.repair.modules, *(module.partition(".")[0] for module in self.modules)}
        return Runs(
            python=python,
            prefix=self.environment.path,
            environ=user.environ,
            cwd=user.cwd,
            names=tuple(sorted(names)),
            request=Request(
                level=self.level,
                modules=self.modules,
                main=registry.known_framework(self.expectations.framework).imports or ("numpy",),
                snippets=self.expectations.snippets,
                has=self.has,
                folders=tuple(map(str, self.environment.site_folders)),
                limit=self.limit,
            ),
        )

    @cached_property
    def modules(self) -> tuple[str, ...]:
        """Every module whose import is checked."""
        framework = registry.known_framework(self.expectations.framework)
        return tuple(dict.fromkeys((*self.expectations.imports, *framework.imports)))

    def has(self, module: str) -> bool:
        """Whether a module of this name is installed (as a folder or file in site-packages)."""
        return self.environment.has_module(module)

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables of the user's shell."""
        return self.user.environ if self.user is not None else {}

    @property
    def home(self) -> Path:
        """The user's home; only where `offers` has more than files."""
        return self._user.home

    @property
    def cwd(self) -> Path:
        """The user's working directory; only where `offers` has more than files."""
        return self._user.cwd

    @property
    def _user(self) -> User:
        if self.user is None:
            raise ValueError("this verification has no user's side")
        return self.user
