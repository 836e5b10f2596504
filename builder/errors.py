"""Every error a user can meet.

Each class has a stable `code` (for `--json`), an `exit_code` (see docs/reference/exit-codes.md), and each
instance a message that says what was wrong and where, and a hint that says what to do; `details`, where there are any,
are the whole account of another program, which `--verbose` shows. Only `builder.cli` catches them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from pathlib import Path


class EnvbuildError(Exception):
    """Base of all errors meant for the user."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        file: Path | str | None = None,
        line: int | None = None,
        details: str | None = None,
    ) -> None:
        self.plain = message
        self.details = details
        self.hint = hint
        self.file = str(file) if file is not None else None
        self.line = line
        super().__init__(self.message)

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self.plain, self.hint, self.file, self.line)

    @property
    def message(self) -> str:
        """The message, after `file:line: ` where a place is known."""
        if self.file is None:
            return self.plain
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.plain}"


def _again(
    kind: type[EnvbuildError], message: str, hint: str | None, file: str | None, line: int | None
) -> EnvbuildError:
    """An error that comes from another process of ours."""
    return kind(message, hint=hint, file=file, line=line)


class UsageError(EnvbuildError):
    """Arguments that make no sense together, an unknown name, a wrong place."""

    code = "usage"


class RecipeError(EnvbuildError):
    """A recipe that is malformed or contradicts itself."""

    code = "recipe"


class FactsError(EnvbuildError):
    """The compatibility data itself is wrong (a defect of envbuild, found by its tests)."""

    code = "facts"


class TemplateError(EnvbuildError):
    """A template that fails, or renders to something that is not what the plan said."""

    code = "template"


class LockfileError(EnvbuildError):
    """A lockfile that cannot be read, or that the audit refuses."""

    code = "lockfile"


class PackError(EnvbuildError):
    """An archive that `pack` did not write, or not like this: damaged, altered, or hostile."""

    code = "pack"


class StaleLockError(EnvbuildError):
    """A lockfile that no longer matches its recipe."""

    code = "stale-lock"
    exit_code = 1


class ChecksFailedError(EnvbuildError):
    """Verification ran and at least one check failed."""

    code = "checks-failed"
    exit_code = 1


class UnsatisfiableError(EnvbuildError):
    """No versions fit: refused by a fact, or by the solver (whose reason is in the message)."""

    code = "unsatisfiable"
    exit_code = 3


class SourceUnreachableError(EnvbuildError):
    """A channel or index that cannot be reached."""

    code = "unreachable"
    exit_code = 4


class ChannelUnreachableError(SourceUnreachableError):
    """A conda channel that cannot be reached, where PyPI may be."""


class BuildError(EnvbuildError):
    """The environment could not be built; what was there before is still there."""

    code = "build"
    exit_code = 5


class InterruptedByUserError(EnvbuildError):
    """Ctrl-C or SIGTERM; rolled back."""

    code = "interrupted"
    exit_code = 130


class CommandNotFoundError(EnvbuildError):
    """`envbuild run` was to start a program that is not there; the exit code is a shell's."""

    code = "command-not-found"
    exit_code = 127


class BinaryError(EnvbuildError):
    """A Mach-O file that is damaged, or that lacks what was asked of it (a slice, a signature)."""

    code = "binary"
