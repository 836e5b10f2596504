"""The metadata of an environment written from summaries: read as any other, and never written outside its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from builder.binaries.summary import Identity, PackageSummary
from builder.binaries.summary_linking import Layout
from builder.binaries.summary_python import Metadata
from builder.environment.skeleton import write_skeleton
from builder.environment.summarized import SummarizedEnvironment
from builder.platforms import Subdir

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = PackageSummary(
    identity=Identity(kind="conda", name="python", version="3.12.4", build="h0_0_cpython", subdir="osx-arm64"),
    paths=("bin/python", "bin/python3.12", "lib/python3.12/os.py"),
    links=(("bin/python", "python3.12"),),
)
WHEEL = PackageSummary(
    identity=Identity(
        kind="wheel", name="one-two", version="1.0", tags=("cp312-cp312-macosx_11_0_arm64",), requires=("numpy>=2",)
    ),
    paths=("site-packages/one/__init__.py", "site-packages/one_two-1.0.dist-info/METADATA", "bin/run"),
    digests=b"12345678",
    distributions=(Metadata(folder="one_two-1.0.dist-info", name="One_Two", version="1.0", requires=("numpy>=2",)),),
)


def summarized(folder: Path, packages: list[PackageSummary]) -> SummarizedEnvironment:
    layout = Layout(packages, python="3.12", arch="arm64")
    return SummarizedEnvironment(folder, layout, subdir=Subdir.OSX_ARM64)


def test_it_is_read_as_an_environment(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "e", [PYTHON, WHEEL], python="3.12")
    environment = summarized(tmp_path / "e", [PYTHON, WHEEL])
    assert environment.python is not None
    assert environment.python_version == (3, 12)
    assert [record.name for record in environment.conda_records] == ["python"]
    dist = environment.distribution("one-two")
    assert dist is not None
    assert (dist.version, dist.requires) == ("1.0", ("numpy>=2",))
    assert environment.owners.from_wheel("lib/python3.12/site-packages/one/__init__.py")
    assert environment.owners.owner("bin/run") == "one-two"
    assert environment.owners.owner("lib/python3.12/os.py") == "python"


def test_two_packages_that_bring_one_module_are_told_apart_by_its_content(tmp_path: Path) -> None:
    """As installed: conda's own record and the wheel's RECORD both have a hash."""
    path = "lib/python3.12/site-packages/one/__init__.py"
    for name, content, same in (("a", b"12345678", True), ("b", b"87654321", False)):
        other = PackageSummary(
            identity=Identity(kind="conda", name="other", version="2", build="0"), paths=(path,), digests=content
        )
        write_skeleton(tmp_path / name, [PYTHON, other, WHEEL], python="3.12")
        claims = summarized(tmp_path / name, [PYTHON, other, WHEEL]).owners.claims(path)
        assert [claim.owner.name for claim in claims] == ["other", "one-two"]
        assert (claims[0].sha256 == claims[1].sha256) is same
        assert claims[0].sha256 is not None


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = PackageSummary(
        identity=Identity(kind="conda", name="../../evil", version="1", build="/x"),
        paths=(
            "../outside/a",
            "/etc/b",
            "bin/../../outside/python3",
            "site-packages/../../../../../outside/c-1.dist-info/METADATA",
        ),
        distributions=tuple(
            Metadata(folder=folder, name="c", version="1") for folder in ("../../outside/c-1.dist-info", "..", "/etc")
        ),
        links=(("lib/out", str(outside)), ("lib/out/inner", "x"), ("../outside/link", "x"), ("lib/out/deep/er", "x")),
    )
    write_skeleton(tmp_path / "e", [hostile, PYTHON, hostile], python="3.12")
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "outside"]
