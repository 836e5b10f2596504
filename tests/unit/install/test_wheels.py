"""Wheels that were laid out otherwise than their RECORD says are told apart from those that were not."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from builder.install.wheels import damaged, trespassers
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path


def _wheel(site: Path, name: str) -> None:
    content = f"NAME = {name!r}\n".encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    (site / f"{name}.py").write_bytes(content)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n")
    record = f"{name}.py,sha256={digest},{len(content)}\n__pycache__/{name}.pyc,sha256=AAAA,1\n{info.name}/RECORD,,\n"
    (info / "RECORD").write_text(record)


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
    assert trespassers(site, names, root=tmp_path) == ("hostile", "roundabout")
    assert trespassers(site, ["script"], root=tmp_path) == ()


def test_damaged(tmp_path: Path) -> None:
    for name in ("sound", "edited", "lacking", "other"):
        _wheel(tmp_path, name)
    (tmp_path / "edited.py").write_text("NAME = 'somebody'\n")
    (tmp_path / "lacking.py").unlink()
    (tmp_path / "other.py").write_text("not asked for")
    assert damaged(tmp_path, ["sound", "edited", "lacking", "absent"]) == ("absent", "edited", "lacking")
