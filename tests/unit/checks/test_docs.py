"""The reference page says what the registry says; `python -m tests.unit.checks.test_docs` writes it."""

from __future__ import annotations

from pathlib import Path

from builder.checks.reading import CHECKS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "checks-static.md"

INTRODUCTION = """# Static checks

What `envbuild verify NAME --static` proves from files alone, on any machine: nothing of the environment is run. Each
check reports `pass`, `warn`, `fail`, or `skip` with the reason why it could not run.

## What can be proven, and what cannot

* Which file each dependency resolves to follows Apple's dyld (release 1378): `@rpath` through the whole chain of
  loaders, images that are loaded already under the same install name, the fallback to `/usr/lib` of binaries built with
  an SDK older than 13. `DYLD_*` variables are taken as unset.
* Every symbol is looked up in the library it must come from, and in what that library re-exports. Python opens modules
  with `RTLD_NOW`, so symbols that are bound lazily count like the others.
* Libraries of macOS itself live in dyld's shared cache and not on disk: they, and their symbols, are **taken as
  present**. The findings say how many. So is Python's C API where the folder holds no interpreter.
* A package whose library has no path of its own to another (TensorFlow's plug-ins, extensions of PyTorch) relies on
  that one being imported first. That is believed where its metadata or its own source says so.
* In a Linux environment the checks of architecture, libraries and duplicates read ELF files. Symbols are not looked up
  there, and what manylinux leaves to the system is taken as present.
* Parts that a package loads only where the machine has something they need (a Qt SQL driver, numba's OpenMP layer,
  torchaudio's FFmpeg back-ends) do not fail an environment; the evidence of the passing check lists them.

## The checks
"""


def page() -> str:
    rows = [f"| `{check.id}` | {_cell(check.catches)} | {_cell(check.otherwise)} |" for check in CHECKS]
    table = ["| check | catches | what you would have met otherwise |", "| --- | --- | --- |", *rows]
    return INTRODUCTION + "\n" + "\n".join(table) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("__", "\\_\\_")


def test_page_is_up_to_date() -> None:
    """A check that is added or reworded without its documentation."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_ids_are_unique() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
