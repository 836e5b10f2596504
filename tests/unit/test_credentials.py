"""Credentials are found in every form that a URL can have, and left out."""

from __future__ import annotations

import pytest

from builder.credentials import (
    has_credentials,
    named_credentials,
    names_elsewhere,
    redact,
    with_variables,
    without_credentials,
)
from builder.errors import UsageError

PLANTED = "s3cr3t-T0K3N"


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        (f"https://me:{PLANTED}@host.example/simple/x.whl", "https://host.example/simple/x.whl"),
        (f"https://{PLANTED}@host.example:8443/simple/", "https://host.example:8443/simple/"),
        (f"https://me%40corp:{PLANTED}@[::1]:80/c", "https://[::1]:80/c"),
        (f"https://host.example/t/{PLANTED}/channel/noarch", "https://host.example/channel/noarch"),
        (f"https://host.example/x.whl?token={PLANTED}&v=1", "https://host.example/x.whl?v=1"),
        (f"https://host.example/x.whl?v=1&X-Amz-Signature={PLANTED}", "https://host.example/x.whl?v=1"),
        (f"https://host.example/x.whl?sig={PLANTED}#sha256=ab", "https://host.example/x.whl#sha256=ab"),
    ],
)
def test_every_form(url: str, clean: str) -> None:
    assert has_credentials(url)
    assert without_credentials(url) == clean
    said = redact(f"error: failed to fetch `{url}`: 401 (see {url}).")
    assert PLANTED not in said
    assert "401" in said


@pytest.mark.parametrize(
    "text", [f"me:{PLANTED}@host/c", f"--mirror conda-forge=me:{PLANTED}@host/c", f"'me:{PLANTED}@h'"]
)
def test_where_the_scheme_was_forgotten(text: str) -> None:
    assert PLANTED not in redact(text)


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org/conda-forge/noarch/a-1-0.conda",
        "file:///home/me@work/channel",
        "write to me@host.example: it helps",
        "https://host.example/x.whl#sha256=ab",
    ],
)
def test_harmless(url: str) -> None:
    assert not has_credentials(url)
    assert without_credentials(url) == url


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://${ME}:${TOKEN}@host.example/c", ("ME", "TOKEN")),
        ("https://me:${TOKEN}@host.example/c", ("TOKEN",)),
        ("https://${TOKEN}@host.example/c", ("TOKEN",)),
        ("https://host.example/t/${TOKEN}/c", ("TOKEN",)),
        ("https://host.example/t/${TOKEN}", ("TOKEN",)),
    ],
)
def test_the_name_of_a_secret_is_none(url: str, names: tuple[str, ...]) -> None:
    assert not has_credentials(url)
    assert not names_elsewhere(url)
    assert redact(url) == url
    assert named_credentials(url) == names
    assert "$" not in without_credentials(url)


@pytest.mark.parametrize(
    "url",
    [
        f"https://${{ME}}:{PLANTED}@host.example/c",
        f"https://{PLANTED}${{ME}}@host.example/c",
        f"https://${{ME}}@{PLANTED}@host.example/c",
        f"https://host.example/t/${{TOKEN}}{PLANTED}/c",
        f"https://host.example/t/${{TOKEN}}/t/{PLANTED}/c",
    ],
)
def test_a_secret_beside_a_name_is_one(url: str) -> None:
    assert has_credentials(url)
    assert PLANTED not in redact(url)


@pytest.mark.parametrize("url", ["https://${HOST}/c", "https://host.example/$HOME/c", "https://host.example/c?x=${X}"])
def test_a_variable_elsewhere(url: str) -> None:
    assert names_elsewhere(url)
    assert named_credentials(url) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://me:${TOKEN}@host.example/c", "https://me:a%40b%2Fc@host.example/c"),
        ("https://$TOKEN@host.example/c", "https://a%40b%2Fc@host.example/c"),
        ("https://host.example/t/$TOKEN/c", "https://host.example/t/a%40b%2Fc/c"),
        ("https://$HOST/c", "https://host.example:8080/c"),
        ("$WHOLE", "https://host.example/x"),
        ("$FOLDER/mirror", "/srv/m/mirror"),
        ("https://host.example/c", "https://host.example/c"),
    ],
)
def test_variables_keep_a_secret_out_of_files(text: str, told: str) -> None:
    """Whatever a secret is made of, it does not end the part of the URL that it stands in."""
    environ = {"TOKEN": "a@b/c", "HOST": "host.example:8080", "WHOLE": "https://host.example/x", "FOLDER": "/srv/m"}
    assert with_variables(text, environ, of="it") == told


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UsageError, match="the mirror names the variable GONE, which is not set"):
        with_variables("https://me:${GONE}@host.example", {}, of="the mirror")
