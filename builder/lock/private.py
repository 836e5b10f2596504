"""Channels whose URLs name variables for their credentials: `https://${ACME_USER}:${ACME_TOKEN}@conda.example/ours`.

Recipes, rendered files and locks keep the variables' names; conda-lock's locks do as well (`used_env_vars`). Such a
channel is its own mirror: it is fetched from its URL without credentials, which are read from the environment and
sent by the client alone (`Mirrors.secret`).

A lock comes from somebody else, and could name any variable of the user for any host. So a variable is read only where
the user's own recipe names it for that very host; whoever has no recipe gives the channel a mirror.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from builder.credentials import named_credentials, with_variables, without_credentials
from builder.errors import SourceUnreachableError
from builder.lock.channels import canonical_url
from builder.wording import listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.lock.channels import Mirrors


def with_private(
    mirrors: Mirrors, channels: Iterable[str], *, named_by: Iterable[str], environ: Mapping[str, str]
) -> Mirrors:
    """`mirrors`, and what it takes to fetch from `channels`; `named_by` are those of the user's own recipe.

    What is missing to fetch from a channel is an error when that is done (`Mirrors.require`), not before.
    """
    urls, packages = dict[str, str](), dict[str, str]()
    secret, problems = dict(mirrors.secret), dict[str, SourceUnreachableError]()
    trusted = {pair for channel in named_by for pair in _pairs(channel)}
    for channel in dict.fromkeys(map(canonical_url, (*channels, *named_by))):
        names = named_credentials(channel)
        if not names or channel in mirrors.urls:
            continue
        clean = without_credentials(channel)
        urls[channel] = mirrors.fetch_url(clean)
        packages[channel] = mirrors.package_url(clean)
        if clean in mirrors.urls:
            continue  # the user's own mirror, by the channel's URL without credentials
        strange = [name for name in names if (_origin(channel), name) not in trusted]
        missing = [name for name in names if not environ.get(name)]
        if strange:
            problems[channel] = _refused(channel, strange)
        elif missing:
            # A stamp keeps URLs without credentials, names of variables included.
            problems[channel] = problems[clean] = _missing(channel, missing)
        else:
            secret[clean] = with_variables(channel, environ, of=f"the channel {channel}")
    # Before the others: what is fetched from a mirror of theirs is called as the recipe calls it.
    return replace(
        mirrors,
        urls=urls | dict(mirrors.urls),
        packages=packages | dict(mirrors.packages),
        secret=secret,
        problems=problems,
    )


def _pairs(channel: str) -> set[tuple[str, str]]:
    return {(_origin(channel), name) for name in named_credentials(channel)}


def _origin(channel: str) -> str:
    """Scheme, host and port: whom a secret is sent to."""
    parts = urlsplit(without_credentials(channel))
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _missing(channel: str, names: list[str]) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"the channel {channel} names {listing([f'${name}' for name in names])}, which {_is(names)} not set",
        hint=f"set {'it' if len(names) == 1 else 'them'}: {'; '.join(f'export {name}=…' for name in names)}. "
        f"With credentials in ~/.netrc or the keyring instead: --mirror {without_credentials(channel)}="
        f"{without_credentials(channel)}",
    )


def _refused(channel: str, names: list[str]) -> SourceUnreachableError:
    host = urlsplit(without_credentials(channel)).netloc
    clean = without_credentials(channel)
    return SourceUnreachableError(
        f"the lock's channel {channel} asks for {listing([f'${name}' for name in names])} to be sent to {host}, and "
        "the recipe names no such variable for that host, so nothing is sent",
        hint="if you trust it, name the channel like this under `channels:` of the recipe, or in your own config.yaml: "
        f"`mirrors: {{{clean}: '{channel}'}}`",
    )


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
