"""The table of damages, by what they are done to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.sabotage.cases import files, prefix, records, startup, user

if TYPE_CHECKING:
    from tests.sabotage.case import Case

CASES: Final[tuple[Case, ...]] = (*files.CASES, *records.CASES, *prefix.CASES, *startup.CASES, *user.CASES)
