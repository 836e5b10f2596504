"""URLs as they may be kept: without user names, passwords and tokens."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

#: anaconda.org's form of a token: `https://HOST/t/TOKEN/channel`. Source: conda/common/url.py (split_anaconda_token).
_TOKEN: Final = re.compile(r"/t/[A-Za-z0-9_-]+(?=/|$)")


def without_credentials(url: str) -> str:
    """`url` without what identifies a user: the part before `@`, a `/t/TOKEN`, a query, a fragment.

    What is no URL is given back with everything before its last `@` cut off.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, _TOKEN.sub("", parts.path), "", ""))
    except ValueError:
        return url.rpartition("@")[2]


def local_path(url: str) -> Path | None:
    """The path of a `file:` URL; None for any other, and for one that can be no path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = unquote(parts.path)
    return Path(path) if parts.scheme == "file" and path.startswith("/") and "\0" not in path else None
