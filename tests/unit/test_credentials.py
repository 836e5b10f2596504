"""Credentials are found in every form that a URL can have, and left out."""

from __future__ import annotations

import pytest

from builder.credentials import has_credentials, redact, without_credentials

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
        "https://host.example/t/${TOKEN}/channel",
        "file:///home/me@work/channel",
        "write to me@host.example: it helps",
        "https://host.example/x.whl#sha256=ab",
    ],
)
def test_harmless(url: str) -> None:
    assert not has_credentials(url)
    assert without_credentials(url) == url
