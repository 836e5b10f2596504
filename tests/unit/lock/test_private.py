"""Which variables a channel's URL may name, when they are read, and for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.errors import SourceUnreachableError
from builder.lock.channels import Mirrors
from builder.lock.private import with_private

if TYPE_CHECKING:
    from pathlib import Path

OURS = "https://${ACME_USER}:${ACME_TOKEN}@conda.example/ours"
TOKEN = "https://conda.example/t/${ACME_TOKEN}/ours"
ENVIRON = {"ACME_USER": "me", "ACME_TOKEN": "a@b/c", "HOME": "/home/me"}


@pytest.mark.parametrize(
    ("channel", "sent"),
    [(OURS, "https://me:a%40b%2Fc@conda.example/ours"), (TOKEN, "https://conda.example/t/a%40b%2Fc/ours")],
)
def test_it_is_its_own_mirror(channel: str, sent: str) -> None:
    mirrors = with_private(Mirrors(), [channel], named_by=[channel], environ=ENVIRON)
    package = f"{channel}/noarch/a-1-0.conda"
    assert mirrors.fetch_url(channel) == "https://conda.example/ours"
    assert mirrors.package_url(package) == "https://conda.example/ours/noarch/a-1-0.conda"
    assert mirrors.canonical(mirrors.package_url(package)) == package
    assert mirrors.secret == {"https://conda.example/ours": sent}
    mirrors.require(package)
    assert "a%40" not in repr(mirrors)


@pytest.mark.parametrize(
    "named_by",
    [
        (),
        ("conda-forge", "https://conda.example/ours"),
        ("https://${ACME_USER}:${ACME_TOKEN}@conda.example:8443/ours",),
        ("https://${ACME_USER}:${ACME_TOKEN}@evil.example/ours",),
        ("https://${ACME_USER}:${OTHER}@conda.example/ours",),
        ("http://${ACME_USER}:${ACME_TOKEN}@conda.example/ours",),
    ],
)
def test_only_what_the_recipe_names_for_that_very_host_is_read(named_by: tuple[str, ...]) -> None:
    mirrors = with_private(Mirrors(), [OURS], named_by=named_by, environ=ENVIRON | {"OTHER": "x"})
    with pytest.raises(SourceUnreachableError, match=r"to be sent to conda\.example"):
        mirrors.require(f"{OURS}/noarch/a-1-0.conda")
    assert "a%40b%2Fc" not in mirrors.secret.get("https://conda.example/ours", "")


def test_another_channel_of_the_same_host_is_trusted_with_the_same() -> None:
    with_private(Mirrors(), [f"{OURS}-too"], named_by=[OURS], environ=ENVIRON).require(f"{OURS}-too")


@pytest.mark.parametrize("environ", [{}, {"ACME_USER": "me"}, {"ACME_USER": "me", "ACME_TOKEN": ""}])
def test_what_is_not_set_is_named_when_it_is_needed(environ: dict[str, str]) -> None:
    mirrors = with_private(Mirrors(), [OURS], named_by=[OURS], environ=environ)
    for url in (OURS, f"{OURS}/noarch/a-1-0.conda", "https://conda.example/ours/noarch/a-1-0.conda"):
        with pytest.raises(SourceUnreachableError, match=r"ACME_TOKEN, which (is|are) not set") as caught:
            mirrors.require(url)
        assert caught.value.hint is not None
        assert "export ACME_TOKEN=" in caught.value.hint
    mirrors.require("https://conda.example/ours-not/noarch/a-1-0.conda")


@pytest.mark.parametrize("named", [OURS, "https://conda.example/ours"])
def test_the_users_own_mirror_comes_first(named: str, tmp_path: Path) -> None:
    """By the channel's name as the recipe has it, or by its URL without credentials; nothing needs to be set."""
    own = Mirrors.parse({named: "https://mirror.example/x"}, unpack_dir=tmp_path)
    mirrors = with_private(own, [OURS], named_by=(), environ={})
    mirrors.require(OURS)
    assert mirrors.fetch_url(OURS) == "https://mirror.example/x"
    assert mirrors.canonical("https://mirror.example/x/noarch/a-1-0.conda") == f"{OURS}/noarch/a-1-0.conda"
