"""The lowest glibc and C++ runtime of real Linux wheels, as envbuild states them and as auditwheel does, in one run.

    python benchmarks/lowest_glibc.py FOLDER               # fetches 40 wheels of two machines into FOLDER (560 MB)

Both unpack a wheel and look in every ELF file for the newest version of each family of the system's symbols that it
wants (GLIBC, GLIBCXX, CXXABI, GCC). auditwheel also holds them against the policies of PEP 600.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import Command, compare
from builder.binaries.elf.floor import release_of
from builder.checks.survey import Survey
from builder.environment.environment import Environment
from builder.platforms import Subdir

if TYPE_CHECKING:
    from collections.abc import Iterable

#: By old and new compilers, in C, C++, Rust and Fortran; with libraries of their own beside them and without.
SMALL = ("cryptography==44.0.0", "psutil==6.1.0", "pyzmq==26.2.0", "soxr==0.5.0.post1")
LARGE = (
    "numpy==2.1.3", "pillow==11.0.0", "lxml==5.3.0", "h5py==3.12.1", "pydantic-core==2.27.1", "grpcio==1.68.1",
    "tokenizers==0.21.0", "lightgbm==4.5.0",
    "scipy==1.14.1", "pandas==2.2.3", "pyarrow==18.1.0", "opencv-python-headless==4.10.0.84", "ray==2.40.0",
    "scikit-learn==1.5.2", "onnxruntime==1.20.1", "pymupdf==1.25.1",
)  # fmt: skip
MACHINES = {"x86_64": Subdir.LINUX_64, "aarch64": Subdir.LINUX_AARCH64}
FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")
_TAGS = ("_2_35", "_2_34", "_2_31", "_2_28", "_2_27", "_2_24", "_2_17", "2014", "_2_12", "2010", "_2_5")


def fetch(specs: Iterable[str], machine: str, into: Path) -> None:
    """The wheels for Python 3.12 on that machine; those that are there already are kept."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(into),
    ]
    command += ["--python-version=3.12", *(f"--platform=manylinux{tag}_{machine}" for tag in _TAGS)]
    subprocess.run([*command, *specs], check=True)


def machine_of(wheel: Path) -> str:
    return next(machine for machine in MACHINES if wheel.stem.endswith(machine))


def stated_here(wheel: Path) -> dict[str, str]:
    """Family → the newest version wanted from the system, by envbuild."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        survey = Survey(Environment(Path(folder), subdir=MACHINES[machine_of(wheel)]))
        return {family: demand.version for family, demand in survey.elf_floor.demands.items() if family in FAMILIES}


def stated_by_auditwheel(wheel: Path) -> dict[str, str]:
    """The same, by auditwheel. Libraries of this machine, whose own demands it would add, are kept out of its sight."""
    from auditwheel.wheel_abi import analyze_wheel_abi

    found = analyze_wheel_abi(
        None, None, wheel, frozenset(), disable_isa_ext_check=True, allow_graft=False, args_ldpaths=str(wheel)
    )
    newest: dict[str, str] = {}
    for version in (version for versions in found.versioned_symbols.values() for version in versions):
        family = version.partition("_")[0]
        if family in FAMILIES and release_of(version) > release_of(newest.get(family, "")):
            newest[family] = version
    return newest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=("envbuild", "auditwheel"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    wheels = sorted(arguments.folder.glob("*.whl"))
    if arguments.only:
        for wheel in wheels:
            (stated_here if arguments.only == "envbuild" else stated_by_auditwheel)(wheel)
        return
    for machine in MACHINES:
        fetch((*SMALL, *LARGE), machine, arguments.folder)
    wheels = sorted(arguments.folder.glob("*.whl"))
    same = 0
    for wheel in wheels:
        ours, theirs = stated_here(wheel), stated_by_auditwheel(wheel)
        same += ours == theirs
        verdict = "same" if ours == theirs else f"DIFFERENT: auditwheel {theirs}"
        print(f"{'-'.join(wheel.name.split('-')[:2]):34} {machine_of(wheel):8} {' '.join(ours.values()):60} {verdict}")
    print(f"{same} of {len(wheels)} the same")
    command = [sys.executable, __file__, str(arguments.folder), "--only"]
    compare({name: Command(arguments=[*command, name]) for name in ("envbuild", "auditwheel")}, runs=arguments.runs)


if __name__ == "__main__":
    main()
