"""What is noted of packages: metadata, RECORD, conda-meta and the stamp; and other packages than the lock's."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Final

from tests.sabotage.case import Case
from tests.sabotage.damages import delete, pip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sabotage.patient import Patient


def _stale_metadata(patient: Patient) -> None:
    (folder,) = patient.site.glob("six-*.dist-info")
    stale = folder.with_name("six-0.9.dist-info")
    shutil.copytree(folder, stale)
    metadata = stale / "METADATA"
    metadata.write_text("\n".join("Version: 0.9" if _is_version(line) else line for line in _lines(metadata)))


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


def _is_version(line: str) -> bool:
    return line.startswith("Version:")


def _damage_record(patient: Patient) -> None:
    (record,) = (patient.prefix / "conda-meta").glob("python-*.json")
    record.write_text("{")


def _delete_records(patient: Patient) -> None:
    for record in (patient.prefix / "conda-meta").glob("python*.json"):
        record.unlink()


def _edit_stamp(patient: Patient) -> None:
    """So that nothing is expected any more."""
    stamp = patient.prefix / "conda-meta" / "envbuild.stamp"
    stamp.write_text(json.dumps(json.loads(stamp.read_text()) | {"packages": [], "records": {}}))


def _hash_of(content: bytes) -> str:
    """As RECORD writes it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _edited_with_record(hash_of: Callable[[bytes], str]) -> Callable[[Patient], object]:
    """An edited module, and a RECORD that has been told."""

    def damage(patient: Patient) -> None:
        module = patient.site / "six.py"
        (record,) = patient.site.glob("six-*.dist-info/RECORD")
        before = module.read_bytes()
        module.write_bytes(before + b"\nsurprise = 1\n")
        text = record.read_text()
        assert f"sha256={_hash_of(before)}" in text
        record.write_text(text.replace(f"sha256={_hash_of(before)}", hash_of(module.read_bytes())))

    return damage


def _edited_with_conda_record(patient: Patient) -> None:
    (record,) = (patient.prefix / "conda-meta").glob("python-*.json")
    module = patient.site.parent / "json" / "__init__.py"
    before = hashlib.sha256(module.read_bytes()).hexdigest()
    content = module.read_bytes() + b"\nsurprise = 1\n"
    module.unlink()
    module.write_bytes(content)
    text = record.read_text()
    assert before in text
    record.write_text(text.replace(before, hashlib.sha256(content).hexdigest()))


def _record_pipe(patient: Patient) -> None:
    (record,) = patient.site.glob("six-*.dist-info/RECORD")
    record.unlink()
    os.mkfifo(record)


def _forgotten_file(patient: Patient) -> None:
    """A deleted file, and its line of RECORD with it."""
    (record,) = patient.site.glob("numpy-*.dist-info/RECORD")
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(line for line in lines if not line.startswith("numpy/matlib.py")))
    (patient.site / "numpy" / "matlib.py").unlink()


CASES: Final = (
    Case(
        name="metadata-unreadable",
        heavy=True,
        damage=lambda patient: next(patient.site.glob("six-*.dist-info/METADATA")).write_bytes(bytes(range(256))),
        check="pkg.locked",
        words=("six's metadata (six-", "cannot be read"),
    ),
    Case(
        name="record-unreadable",
        heavy=True,
        damage=lambda patient: next(patient.site.glob("numpy-*.dist-info/RECORD")).write_bytes(bytes(range(256)) * 9),
        check="pkg.integrity",
        words=("numpy",),
    ),
    Case(
        name="metadata-deleted",
        damage=delete("numpy-*.dist-info"),
        check="pkg.locked",
        words=("numpy's metadata", "is missing"),
    ),
    Case(
        name="record-deleted",
        heavy=True,
        damage=delete("six-*.dist-info/RECORD"),
        check="pkg.integrity",
        words=("six", "RECORD"),
    ),
    Case(
        name="record-forged",
        damage=_edited_with_record(lambda content: f"sha256={_hash_of(content)}"),
        check="pkg.integrity",
        words=("The list of files of six", "was changed"),
    ),
    Case(
        name="record-blanked",
        heavy=True,
        damage=_edited_with_record(lambda _: ""),
        check="pkg.integrity",
        words=("The list of files of six", "was changed"),
    ),
    Case(
        name="record-shortened",
        heavy=True,
        damage=_forgotten_file,
        check="pkg.integrity",
        words=("The list of files of numpy", "was changed"),
    ),
    Case(
        name="conda-record-forged",
        heavy=True,
        damage=_edited_with_conda_record,
        check="pkg.integrity",
        words=("The list of files of python", "was changed"),
    ),
    Case(
        name="record-is-a-pipe",
        heavy=True,
        damage=_record_pipe,
        check="pkg.integrity",
        words=("six", "RECORD"),
        evidence=("RECORD is no regular file",),
    ),
    Case(
        name="conda-record-damaged",
        heavy=True,
        damage=_damage_record,
        check="pkg.integrity",
        words=("conda-meta/python-", "is not a readable package record"),
        beside=("pkg.locked",),
    ),
    Case(
        name="conda-meta-deleted",
        damage=lambda patient: shutil.rmtree(patient.prefix / "conda-meta"),
        check="env.finished",
        words=("conda-meta is gone",),
        evidence=("envbuild create small --source pypi",),
    ),
    Case(
        name="stamp-damaged",
        heavy=True,
        damage=lambda patient: (patient.prefix / "conda-meta" / "envbuild.stamp").write_text("{"),
        check="env.finished",
        words=("conda-meta/envbuild.stamp is damaged",),
    ),
    Case(
        name="stamp-edited",
        heavy=True,
        damage=_edit_stamp,
        check="env.finished",
        words=("conda-meta/envbuild.stamp is damaged",),
        evidence=("changed after envbuild wrote it",),
    ),
    Case(
        name="conda-records-deleted",
        heavy=True,
        damage=_delete_records,
        check="pkg.locked",
        words=("python is not installed",),
    ),
    Case(
        name="package-downgraded",
        damage=pip("install", "six==1.15.0"),
        check="pkg.locked",
        words=("six is 1.15.0, locked 1.",),
    ),
    Case(
        name="package-removed",
        heavy=True,
        damage=pip("uninstall", "six"),
        check="pkg.locked",
        words=("six is not installed, locked 1.",),
    ),
    Case(
        name="package-added",
        damage=pip("install", "idna"),
        check="pkg.locked",
        words=("1 package is installed beside those of the lock", "idna"),
    ),
    Case(
        name="two-versions",
        damage=_stale_metadata,
        check="pkg.clobber",
        words=("six",),
        beside=("pkg.locked",),
    ),
)
