"""URLs that the audit does not take apart: there is nothing in them for it to find."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.lock.audit import _url_defects, audit, describe
from builder.lock.model import Lock, LockedPackage
from builder.platforms import Subdir

_PARTS = (
    "https://", "http://", "h.org", "/", "//", "a", "t", "-1.0.", "..", ".", "%2e", "%2F", "@", ":", "u:p", "?", "#",
    "token=x", ";", "é", "\t", "!", "+", "~", "${T}",
)  # fmt: skip
_ELSEWHERE = "its URL names a variable where only a user, a password or a token may be one"
_URL = st.lists(st.sampled_from(_PARTS), max_size=12).map("".join)


@given(st.one_of(_URL, _URL.map("https://h.org/".__add__)))
@example("https://conda.anaconda.org/conda-forge/noarch/pip-24.0-pyhd8ed1ab_0.conda")
@example("https://h.org/t/token/noarch/pip-24.0-0.conda")
@example("https://h.org/a/../noarch/pip-24.0-0.conda")
def test_a_plain_url_has_nothing_to_be_found(url: str) -> None:
    package = LockedPackage(
        manager="conda", name="pip", version="24.0", subdir=Subdir.LINUX_64, url=url, sha256="0" * 64
    )
    if package.is_plain:
        path = urlsplit(url).path
        assert list(_url_defects(url)) == []
        assert (package.url_subdir, package.file_name) == (path.split("/")[-2], unquote(path.split("/")[-1]))


def test_the_usual_urls_are_plain() -> None:
    for url in (
        "https://conda.anaconda.org/conda-forge/osx-arm64/numpy-1.26.4-py312h8442bc7_0.conda",
        "https://files.example.org/packages/ab/cd/torch-2.3.0+cpu-cp312-none-macosx_11_0_arm64.whl",
    ):
        package = LockedPackage(manager="conda", name="a", version="1", subdir=Subdir.OSX_64, url=url, sha256=None)
        assert package.is_plain


@pytest.mark.parametrize(
    ("url", "defects"),
    [
        ("https://${U}:${P}@h.org/c/noarch/a-1-0.conda", []),
        ("https://h.org/t/${T}/c/noarch/a-1-0.conda", []),
        ("https://${U}:pw@h.org/c/noarch/a-1-0.conda", ["its URL contains credentials"]),
        ("https://${HOST}/c/noarch/a-1-0.conda", [_ELSEWHERE]),
        ("https://h.org/${HOME}/a-1-0.conda", [_ELSEWHERE]),
    ],
)
def test_variables_may_name_credentials_and_nothing_else(url: str, defects: list[str]) -> None:
    assert list(_url_defects(url)) == defects


def test_a_version_that_another_package_of_the_lock_excludes() -> None:
    """Two locks that git has merged line by line: one brought the newer SciPy, the other the older NumPy."""

    def package(name: str, version: str, **dependencies: str) -> LockedPackage:
        return LockedPackage(
            manager="conda",
            name=name,
            version=version,
            subdir=Subdir.LINUX_64,
            url=f"https://conda.anaconda.org/conda-forge/linux-64/{name}-{version}-0.conda",
            sha256="0" * 64,
            dependencies=dependencies,
        )

    def told(*packages: LockedPackage) -> list[str]:
        lock = Lock(
            channels=("conda-forge",), platforms=(Subdir.LINUX_64,), packages=packages, sources=(), content_hash={}
        )
        return [describe(defect) for defect in audit(lock)]

    numpy = package("numpy", "1.26.4")
    assert told(numpy, package("scipy", "1.11.0", numpy=">=1.23,<2.0a0")) == []
    assert told(numpy, package("scipy", "1.17.0", numpy=">=2,<3")) == [
        "scipy 1.17.0 (conda, linux-64): needs numpy >=2,<3, and the lock has 1.26.4"
    ]
