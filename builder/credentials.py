"""Keeping passwords and tokens out of everything that is written or said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit, urlunsplit

from builder.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: `${VARIABLE}`, which names a secret and is none.
_NAMED: Final = r"\$\{[A-Za-z_]\w*\}"
#: `user:password@` (or a token alone) after the scheme of a URL, wherever it stands in a text.
_USERINFO: Final = re.compile(rf"(?<=://)(?!(?:(?:[\w.~+-]+|{_NAMED}):)?{_NAMED}@(?![^\s/]*@))[^\s/'\"<>]+@")
#: `user:password@` where the scheme was forgotten.
_BARE: Final = re.compile(r"(?:^|(?<=[\s='\"]))[^\s/@:='\"<>]+:[^\s/@'\"<>]+@")
#: Anaconda's tokens, which are a part of the path: `/t/TOKEN/`.
_TOKEN: Final = re.compile(rf"(/t/)(?!{_NAMED}(?:/|$|[\s'\"<>]))[^\s/'\"<>]+(?=/|$|[\s'\"<>])")
#: What stands for a user, a password or a token in a URL, be it one or the name of one.
_ANY_USERINFO: Final = re.compile(r"(?<=://)[^\s/@]+(?=@)")
_ANY_TOKEN: Final = re.compile(r"/t/([^/]+)(?=/|$)")
#: Queries by which stores sign a URL or take a token.
_QUERY: Final = re.compile(
    r"((?:^|[?&;])(?:access_?token|api_?key|auth|key|password|secret|sig|signature|token|x-amz-[a-z-]+|x-goog-[a-z-]+)=)"
    r"[^\s&;#'\"<>]+",
    re.IGNORECASE,
)

#: One of these is in every credential that the patterns above find.
_MARKS: Final = ("@", "/t/", "=")


def redact(text: str) -> str:
    """`text` with the credentials of every URL in it replaced by `***`."""
    if not any(mark in text for mark in _MARKS):
        return text
    return _QUERY.sub(r"\1***", _TOKEN.sub(r"\1***", _BARE.sub("***@", _USERINFO.sub("***@", text))))


def without_credentials(url: str) -> str:
    """The URL without user, password, token and signature: what may be written to a file that others read.

    Variables that name them go as well: the place is the same for everybody. A URL that cannot be parsed is given back
    redacted.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return redact(url)
    path = _ANY_TOKEN.sub("", parts.path)
    query = "&".join(part for part in parts.query.split("&") if part and _QUERY.sub("", f"?{part}") == f"?{part}")
    return urlunsplit((parts.scheme, host, path, query, parts.fragment))


def has_credentials(url: str) -> bool:
    """Whether the URL holds a user, password, token or signature."""
    return redact(url) != url


def named_credentials(url: str) -> tuple[str, ...]:
    """The variables that the URL names for its user, password or token (`${NAME}`), in their order.

    Those are the only places where a variable stands for a secret. conda-lock keeps the same ones (`used_env_vars`).
    """
    found = (*_ANY_USERINFO.findall(url), *_ANY_TOKEN.findall(url))
    return tuple(dict.fromkeys(name[2] for text in found for name in _VARIABLE.finditer(text) if name[2]))


def names_elsewhere(url: str) -> bool:
    """Whether the URL names a variable anywhere else, where it could change whom a secret is sent to."""
    return "$" in url and _VARIABLE.search(without_credentials(url)) is not None


#: `$NAME` and `${NAME}`, as a shell writes them.
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


def with_variables(text: str, environ: Mapping[str, str], *, of: str) -> str:
    """A URL or path with the variables of the environment that it names, so that a secret need be in no file.

    In a URL's credentials (before `@`, behind `/t/`) a value is quoted, whatever is in it. `of` is what the text is,
    for the message. Raises UsageError for a variable that is not set.
    """

    def value(named: re.Match[str]) -> str:
        name = named[1] or named[2]
        if name not in environ:
            raise UsageError(f"{of} names the variable {name}, which is not set", hint=f"set it: export {name}=…")
        before, after = text[: named.start()], text[named.end() :]
        authority = "://" in before and "/" not in before.partition("://")[2]
        secret = (authority and "@" in after.partition("/")[0]) or before.endswith("/t/")
        return quote(environ[name], safe="") if secret else environ[name]

    return _VARIABLE.sub(value, text)
