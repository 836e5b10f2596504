"""Reading a file that somebody else's tool has written, in whatever encoding."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from builder.errors import UsageError
from builder.files import read_ordinary

if TYPE_CHECKING:
    from pathlib import Path

#: The largest lock of a team that was seen has 3 MB.
_MOST: Final = 16_000_000
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(file: Path) -> str:
    """The text, with every kind of line end as one. Raises UsageError for what is no text, or no ordinary file.

    `conda env export > environment.yml` in PowerShell writes UTF-16, which conda reads as well.
    """
    content = read_ordinary(file, limit=_MOST, error=UsageError)
    encoding = "utf-16" if content.startswith(_UTF16) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as problem:
        raise UsageError(f"not text (byte {problem.start})", file=file, hint="save the file as UTF-8") from None
    if "\0" in text:
        raise UsageError("not text: it holds a NUL", file=file)
    return text.replace("\r\n", "\n").replace("\r", "\n")
