"""Whether a locked version is in a range that another package of the lock gives, told without conda's own parser.

Only ranges of plain numbers are judged, which nearly all are; any other is taken for met. Importing what reads the
rest takes longer than all else that `check` does.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

_PLAIN: Final = re.compile(r"\d+(?:\.\d+)*")
#: `<2.0a0` is how conda-forge says `<2.0`: before the first pre-release of 2.0, of which no plain number is one.
_BOUND: Final = re.compile(r"(>=|<=|==|!=|>|<)(\d+(?:\.\d+)*)(a0)?")


@cache
def excludes(asked: str, version: str) -> bool:
    """Whether `asked` (`>=1.26,<3`, `3.12.* *_cp312`) is certain not to allow `version`."""
    if not _PLAIN.fullmatch(version):
        return False
    spec = asked.split(" ", 1)[0]
    if spec.endswith(".*"):
        series = spec[:-2].removeprefix("=")
        if not _PLAIN.fullmatch(series):
            return False
        # `2024.8.7.*` has 2024.08.07.
        wanted = _numbers(series)
        return _padded(_numbers(version), len(wanted))[: len(wanted)] != wanted
    bounds = [_BOUND.fullmatch(part) for part in spec.split(",")]
    if None in bounds:
        return False
    return not all(_allows(bound[1], bound[2], bound[3] is not None, version) for bound in bounds if bound is not None)


def _allows(operator: str, bound: str, before: bool, version: str) -> bool:
    order = _compared(version, bound)
    if before and order == 0:
        order = 1
    return {
        ">=": order >= 0,
        ">": order > 0,
        "<=": order <= 0,
        "<": order < 0,
        "==": order == 0,
        "!=": order != 0,
    }[operator]


def _compared(one: str, other: str) -> int:
    """-1, 0 or 1; a part that is not written is 0."""
    numbers = _numbers(one), _numbers(other)
    left, right = (_padded(each, max(map(len, numbers))) for each in numbers)
    return (left > right) - (left < right)


def _numbers(version: str) -> list[int]:
    return list(map(int, version.split(".")))


def _padded(numbers: list[int], width: int) -> list[int]:
    return numbers + [0] * (width - len(numbers))
