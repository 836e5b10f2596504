"""A lock judged by today's facts: whoever wrote it, and whatever was known when it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.compat.together import LockedSetJudge
from builder.errors import LockfileError, UnsatisfiableError
from builder.lock.read import relock

if TYPE_CHECKING:
    from pathlib import Path

    from builder.compat.facts import Facts
    from builder.lock.model import Lock


def require_fit(lock: Lock, file: Path, facts: Facts) -> None:
    """Raises LockfileError for a lock that holds packages which are known not to work together, with fact and remedy.

    `lock` refuses to make one; somebody may have edited it, or the fact is newer than the lock.
    """
    judge = LockedSetJudge(facts=facts)
    for subdir in lock.platforms:
        packages: dict[tuple[str, str], str] = {(one.manager, one.name): one.version for one in lock.on(subdir)}
        try:
            judge(subdir, packages)
        except UnsatisfiableError as error:
            raise LockfileError(
                f"holds packages that are known not to work together: {error.plain}",
                file=file,
                hint=f"{error.hint}: change the recipe where it asks for one of them, and run {relock(file)}",
            ) from None
