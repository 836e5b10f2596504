"""What a judge sees, as protocols: the rooms above frameworks implement them.

A *case* is one finished step of a probe; an *inspection* is a prefix that is read and not run. Neither names a class of
the rooms above, so that a framework's file depends on nothing but what it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from builder.finding import Finding, Remedy

if TYPE_CHECKING:
    from pathlib import Path

    from builder.binaries.dyld import Process
    from builder.environment.environment import Environment
    from builder.environment.ownership import Ownership
    from builder.environment.stamp import Expectations
    from builder.platforms import Subdir


class Repair(Protocol):
    """Remedies that put an environment right again."""

    def restore_module(self, module: str) -> Remedy:
        """Install the module's package again, in its locked version where there is one."""

    def fitting(self, name: str, specifier: str) -> Remedy:
        """Install a version of a package that `specifier` allows: the locked one, where it is among them."""

    def uninstall(self, name: str) -> Remedy: ...

    def rebuild(self) -> Remedy: ...

    def locked_version(self, name: str) -> str | None: ...

    @property
    def full_proof(self) -> str:
        """The command of the deepest verification, in backticks."""


class Case(Protocol):
    """A step of a probe that reached its end, with everything it is judged against."""

    @property
    def check(self) -> str: ...

    @property
    def subject(self) -> str: ...

    @property
    def facts(self) -> dict[str, Any]:
        """What the step found out, as the probe said it."""

    @property
    def expectations(self) -> Expectations: ...

    @property
    def subdir(self) -> Subdir: ...

    @property
    def repair(self) -> Repair: ...

    def passed(self, title: str, *evidence: str) -> Finding: ...

    def warned(self, title: str, *evidence: str, remedy: Remedy) -> Finding: ...

    def failed(self, title: str, *evidence: str, remedy: Remedy) -> Finding: ...

    def skipped(self, title: str, *evidence: str) -> Finding: ...


class Inspection(Protocol):
    """A prefix that is read: its distributions, and the native processes that its files would make up."""

    @property
    def environment(self) -> Environment: ...

    @property
    def repair(self) -> Repair: ...

    @property
    def packages(self) -> Ownership: ...

    @property
    def is_mac(self) -> bool: ...

    @property
    def python_minor(self) -> str | None:
        """`3.12`, or None where nothing in the prefix says."""

    @property
    def processes(self) -> tuple[Process, ...]: ...

    @property
    def looks_up_symbols(self) -> bool:
        """Whether symbols are looked up, or libraries only."""

    def unbound(self, process: Process) -> list[str]:
        """What dyld would miss when it loads the process, one line each; empty where it loads."""


class UserSettings(Protocol):
    """An environment beside the settings of the user who runs it."""

    @property
    def environment(self) -> Environment: ...

    @property
    def expectations(self) -> Expectations: ...

    @property
    def environ(self) -> Mapping[str, str]: ...

    @property
    def home(self) -> Path: ...

    def has(self, module: str) -> bool: ...


#: Turns the facts of a finished step into a finding; None when it has nothing to say.
Judge = Callable[[Case], Finding | None]
#: Reads what is installed and says whether it belongs together.
Match = Callable[[Inspection], Iterator[Finding]]
#: Says what the user's own settings do to a library of the environment.
Settings = Callable[[UserSettings], list[Finding]]
#: Whether a module is installed.
Has = Callable[[str], bool]
