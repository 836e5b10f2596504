"""What differs between locks, on values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.cli import draw_diff
from builder.lock.diff import Kind, LockDiff, Rank, compare, diff
from builder.lock.model import Lock, LockedPackage
from builder.operations.diffing import Comparison, Download
from builder.platforms import Subdir

if TYPE_CHECKING:
    from typing import Literal

MAC, LINUX = Subdir.OSX_ARM64, Subdir.LINUX_64


def package(
    name: str,
    version: str = "1.0",
    build: str = "0",
    *,
    manager: Literal["conda", "pip"] = "conda",
    subdir: Subdir = MAC,
    sha256: str | None = None,
) -> LockedPackage:
    file = f"{name}-{version}-{build}.conda" if manager == "conda" else f"{name}-{version}-py3-none-any.whl"
    url = f"https://example.org/{subdir}/{file}"
    return LockedPackage(manager=manager, name=name, version=version, subdir=subdir, url=url, sha256=sha256)


def lock(*packages: LockedPackage, platforms: tuple[Subdir, ...] = (MAC, LINUX)) -> Lock:
    return Lock(channels=("x",), platforms=platforms, packages=packages, sources=(), content_hash={})


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, package("a"), Kind.ADDED),
        (package("a"), None, Kind.REMOVED),
        (package("a", "1.9"), package("a", "1.10"), Kind.UP),
        (package("tzdata", "2025b"), package("tzdata", "2025a"), Kind.DOWN),
        (package("a", "1.0"), package("a", "1.0.0"), Kind.CHANGED),
        (package("a", "1.0rc1", manager="pip"), package("a", "1.0", manager="pip"), Kind.UP),
        (package("a", "1.0.post1", manager="pip"), package("a", "1.0", manager="pip"), Kind.DOWN),
        (package("a", "none", manager="pip"), package("a", "1.0", manager="pip"), Kind.CHANGED),
        (package("a", build="0"), package("a", build="1"), Kind.REBUILT),
        (package("a", sha256="0" * 64), package("a", sha256="1" * 64), Kind.REBUILT),
    ],
)
def test_kind(before: LockedPackage | None, after: LockedPackage | None, kind: Kind) -> None:
    (change,) = compare([before] if before else [], [after] if after else [])
    assert change.kind is kind


def test_what_is_not_known_is_no_difference() -> None:
    assert compare([package("a", sha256=None)], [package("a", sha256="1" * 64)]) == ()
    assert compare([package("a", build="0")], [package("a", build="1")], builds=False) == ()


def test_from_conda_to_pypi_is_one_change() -> None:
    (change,) = compare([package("pytorch", "2.5")], [package("torch", "2.6", manager="pip")])
    assert (change.kind, change.rank) == (Kind.UP, Rank.FRAMEWORK)
    two = compare([package("ruamel.yaml")], [package("words", manager="pip")])
    assert [change.kind for change in two] == [Kind.REMOVED, Kind.ADDED]


def test_what_matters_comes_first() -> None:
    names = ["zlib", "_openmp_mutex", "libblas", "keras", "jax", "tensorflow-metal", "tensorflow-base", "python", "abc"]
    changes = compare([], [package(name) for name in names])
    assert [change.name for change in changes] == [
        "python", "jax", "tensorflow-base", "tensorflow-metal", "keras", "libblas", "_openmp_mutex", "abc", "zlib",
    ]  # fmt: skip


def test_platforms_fold_where_they_agree() -> None:
    old = lock(*(package(name, subdir=subdir) for name in ("a", "b") for subdir in (MAC, LINUX)))
    new = lock(
        package("a", "2.0", "mac_0"),
        package("a", "2.0", "linux_0", subdir=LINUX),
        package("b", "1.1"),
        package("b", "1.2", subdir=LINUX),
    )
    told = [(one.change.name, one.change.package.version, one.subdirs) for one in diff(old, new).folded()]
    assert told == [("a", "2.0", (MAC, LINUX)), ("b", "1.1", (MAC,)), ("b", "1.2", (LINUX,))]


def test_builds_of_blas_are_kept_apart() -> None:
    old = lock(*(package("libblas", build="0_openblas", subdir=subdir) for subdir in (MAC, LINUX)))
    new = lock(package("libblas", build="0_newaccelerate"), package("libblas", build="0_mkl", subdir=LINUX))
    assert [one.subdirs for one in diff(old, new).folded()] == [(MAC,), (LINUX,)]


def test_platforms_come_and_go() -> None:
    found = diff(lock(package("a"), platforms=(MAC,)), lock(package("a", subdir=LINUX), platforms=(LINUX,)))
    assert (found.added, found.removed) == ((LINUX,), (MAC,))
    assert {subdir: [change.kind for change in changes] for subdir, changes in found.changes.items()} == {
        LINUX: [Kind.ADDED],
        MAC: [Kind.REMOVED],
    }
    assert diff(None, None).same
    assert not diff(None, lock(platforms=(MAC,))).same


def _comparison(found: LockDiff, *, between_platforms: bool = False) -> Comparison:
    downloads = {MAC: Download(size=21_300_000, packages=2, unknown=1)}
    return Comparison(
        name="ml|<b>", before="main", after="now", diff=found, downloads=downloads, between_platforms=between_platforms
    )


def test_text_and_markdown() -> None:
    old = lock(package("libblas", build="0_openblas"), package("a"), package("gone", manager="pip"))
    new = lock(package("libblas", build="0_newaccelerate"), package("a", "2.0"), package("torch", manager="pip"))
    comparison = _comparison(diff(old, new))
    assert draw_diff.text(comparison).splitlines() == [
        "ml|<b>: main → now",
        "  + torch 1.0 (PyPI)  (osx-arm64)",
        "  = libblas 1.0 rebuilt: 0_openblas → 0_newaccelerate  (osx-arm64)",
        "  ↑ a 1.0 → 2.0  (osx-arm64)",
        "  - gone 1.0 (PyPI)  (osx-arm64)",
        "  download for osx-arm64: 21.3 MB in 2 packages, of which the size of 1 is not known",
    ]
    assert draw_diff.markdown(comparison).splitlines() == [
        r"### ml\|\<b\>: main → now",
        "",
        "| | package | before | after | platforms |",
        "|---|---|---|---|---|",
        "| added | **torch** |  | 1.0 (PyPI) | osx-arm64 |",
        r"| rebuilt | **libblas** | 1.0 0\_openblas | 1.0 0\_newaccelerate | osx-arm64 |",
        "| up | a | 1.0 | 2.0 | osx-arm64 |",
        "| removed | gone | 1.0 (PyPI) |  | osx-arm64 |",
        "",
        "Download: 21.3 MB in 2 packages, of which the size of 1 is not known for osx-arm64.",
    ]


def test_a_package_of_one_platform_is_said_to_be() -> None:
    changes = compare([package("appnope")], [package("libnsl")])
    told = draw_diff.text(_comparison(LockDiff(changes={LINUX: changes}), between_platforms=True))
    assert "- appnope 1.0, only on main" in told
    assert "+ libnsl 1.0, only on now" in told
