"""Wheels that were laid out otherwise than their RECORD says are told apart from those that were not."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from builder.environment.distributions import read_distributions
from builder.environment.reading import Reader
from builder.install.wheels import damaged, put_right, trespassers
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path

    from builder.environment.distributions import Distribution


def _wheel(site: Path, name: str) -> None:
    content = f"NAME = {name!r}\n".encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (site / f"{name}.py").write_bytes(content)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n")
    record = f"{name}.py,sha256={digest},{len(content)}\n__pycache__/{name}.pyc,sha256=AAAA,1\n{info.name}/RECORD,,\n"
    (info / "RECORD").write_text(record)


def _read(site: Path) -> tuple[Distribution, ...]:
    return read_distributions((site,), Reader())


def test_a_wheel_that_writes_into_conda_meta(tmp_path: Path) -> None:
    """There it could say of itself, and of all others, whatever it likes."""
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    for name, entry in (
        ("hostile", "../../../conda-meta/envbuild.stamp"),
        ("roundabout", "x/../../../../Conda-Meta/python.json"),
        ("alike", "../../../conda-metadata/file"),
        ("script", "../../../bin/script"),
    ):
        trees.dist(site, name, record=f"{entry},,\n")
    names = ["hostile", "roundabout", "alike", "script"]
    assert trespassers(_read(site), names, root=tmp_path) == ("hostile", "roundabout")
    assert trespassers(_read(site), ["script"], root=tmp_path) == ()


def test_damaged(tmp_path: Path) -> None:
    for name in ("sound", "edited", "lacking", "other"):
        _wheel(tmp_path, name)
    (tmp_path / "edited.py").write_text("NAME = 'somebody'\n")
    (tmp_path / "lacking.py").unlink()
    (tmp_path / "other.py").write_text("not asked for")
    assert damaged(_read(tmp_path), ["sound", "edited", "lacking", "absent"]) == ("absent", "edited", "lacking")


def test_a_record_that_was_published_wrong_is_put_right(tmp_path: Path) -> None:
    """What several bring stays as it is noted: whose it is, is for `pkg.clobber` to say."""
    for name in ("sound", "wrong", "lacking", "sharing", "shared"):
        _wheel(tmp_path, name)
    (tmp_path / "wrong.py").write_text("as published")
    (tmp_path / "lacking.py").unlink()
    record = tmp_path / "sharing-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "shared.py,sha256=AAAA,1\n")
    kept = {name: (tmp_path / f"{name}-1.0.dist-info" / "RECORD").read_text() for name in ("sound", "sharing")}
    names = ["sound", "wrong", "lacking", "sharing"]
    assert damaged(_read(tmp_path), names) == ("lacking", "sharing", "wrong")
    assert put_right(_read(tmp_path), names) == ("lacking", "wrong")
    assert damaged(_read(tmp_path), names) == ("sharing",)
    assert put_right(_read(tmp_path), names) == ()
    assert {name: (tmp_path / f"{name}-1.0.dist-info" / "RECORD").read_text() for name in kept} == kept


def test_a_record_that_is_none_is_left_alone(tmp_path: Path) -> None:
    _wheel(tmp_path, "odd")
    record = tmp_path / "odd-1.0.dist-info" / "RECORD"
    for content in (b"odd.py,sha256=AAAA,1\n\xff.py,sha256=AAAA,1\n", b"\0" * 9):
        record.write_bytes(content)
        assert put_right(_read(tmp_path), ["odd"]) == ()
        assert record.read_bytes() == content
