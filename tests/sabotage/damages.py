"""Damages that several cases do."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import uv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sabotage.patient import Patient


def append(rel: str, text: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        with (patient.site / rel).open("a", encoding="utf-8") as file:
            file.write(text)

    return damage


def write(rel: str, text: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        (patient.site / rel).write_text(text)

    return damage


def delete(rel: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        (place,) = patient.site.glob(rel)
        shutil.rmtree(place) if place.is_dir() else place.unlink()

    return damage


def deleted_and_written(pattern: str, change: Callable[[bytes], bytes]) -> Callable[[Patient], object]:
    """Another file in the place of one: what is linked to the old one elsewhere stays as it is."""

    def damage(patient: Patient) -> None:
        file = next(patient.site.glob(pattern))
        content = file.read_bytes()
        file.unlink()
        file.write_bytes(change(content))

    return damage


def core(patient: Patient) -> Path:
    """NumPy's main library."""
    (file,) = patient.site.glob("numpy/_core/_multiarray_umath.*.so")
    return file


def pip(*arguments: str) -> Callable[[Patient], object]:
    def damage(patient: Patient) -> None:
        command = [uv.find_uv_bin(), "pip", arguments[0], "--python", str(patient.python), *arguments[1:]]
        subprocess.run(command, check=True, capture_output=True)

    return damage


def set_variables(**variables: str) -> Callable[[Patient], object]:
    return lambda patient: patient.environ.update(variables)
