"""The digests of what installers noted: of the same files the same, whoever installed them, and of others others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from builder.environment.environment import Environment
from builder.environment.recorded import note_digests, rewritten
from builder.environment.stamp import Stamp, StampedPackage
from tests.unit.environment import trees

if TYPE_CHECKING:
    from pathlib import Path

HASH = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
OTHER = "sha256=ypeBEsobvcr6wjGzmiPcTaeG7_gUfE5yuYB3ha_uSLs"
UV = f"six.py,{HASH},0\n../../../bin/six,{HASH},10\nsix-1.0.dist-info/INSTALLER,{HASH},2\nsix-1.0.dist-info/RECORD,,\n"
SIX = StampedPackage(name="Six", version="1.0", manager="pip")
TOOL = StampedPackage(name="tool", version="1.0", manager="conda", build="0")


def _environment(prefix: Path, record: str = UV, **path: Any) -> Stamp:
    """A stamped environment with a wheel and a conda package, whose one path has these fields."""
    trees.dist(trees.conda(prefix), "six", record=record)
    fields = {"_path": "share/tool", "path_type": "hardlink", "sha256": "a" * 64, **path}
    trees.record(prefix, "tool", "1.0", "share/tool", paths=[fields])
    environment = Environment(prefix)
    noted = note_digests(environment.conda_records, environment.distributions, (SIX, TOOL))
    return trees.stamp(prefix, packages=(SIX, TOOL), records=noted)


def _after(prefix: Path, stamp: Stamp, record: str) -> frozenset[str]:
    next(prefix.glob("lib/python*/site-packages/six-1.0.dist-info/RECORD")).write_text(record)
    return rewritten(Environment(prefix), stamp)


def test_the_stamp_keeps_them(tmp_path: Path) -> None:
    stamp = _environment(tmp_path)
    assert stamp.records.keys() == {"pip:six", "conda:tool"}
    assert Stamp.loads(stamp.dumps()) == stamp
    assert not rewritten(Environment(tmp_path), stamp)


def test_the_same_wheel_by_another_installer_is_the_same(tmp_path: Path) -> None:
    stamp = _environment(tmp_path)
    pip = (
        f"six.py,{HASH},0\n../../../bin/six,{OTHER},11\n__pycache__/six.cpython-312.pyc,,\nsix-1.0.dist-info/RECORD,,\n"
    )
    assert not _after(tmp_path, stamp, pip)


def test_a_hash_that_was_replaced_blanked_or_deleted_is_seen(tmp_path: Path) -> None:
    stamp = _environment(tmp_path)
    first = f"six.py,{HASH},0\n"
    for line in (f"six.py,{OTHER},0\n", "six.py,,\n", "", first + f"seven.py,{HASH},0\n"):
        assert _after(tmp_path, stamp, UV.replace(first, line)) == {"pip:six"}, line
    assert _after(tmp_path, stamp, UV.replace(f"bin/six,{HASH}", "bin/six,")) == {"pip:six"}


def test_a_missing_record_and_another_version_are_others_findings(tmp_path: Path) -> None:
    stamp = _environment(tmp_path)
    assert not _after(tmp_path, stamp, "")
    file = tmp_path / "conda-meta" / "tool-1.0-0.json"
    data = json.loads(file.read_text())
    data["paths_data"]["paths"][0]["sha256"] = "b" * 64
    file.write_text(json.dumps(data))
    assert rewritten(Environment(tmp_path), stamp) == {"conda:tool"}
    file.write_text(json.dumps(data | {"version": "2.0"}))
    assert not rewritten(Environment(tmp_path), stamp)


def test_an_older_stamp_says_nothing(tmp_path: Path) -> None:
    stamp = _environment(tmp_path)
    old = json.loads(stamp.dumps())
    del old["records"], old["seal"]
    assert not rewritten(Environment(tmp_path), Stamp.loads(json.dumps(old)))
