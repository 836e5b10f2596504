"""Which NumPy a binary was compiled against, from what `import_array` leaves in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.binaries.elf import ElfTree
from builder.binaries.numpy_abi import NumpyAbi, read_numpy_abi
from tests.unit.binaries.images import Folders, inventory, put

ELF = Path(__file__).parents[2] / "data" / "elf"
ABIS = {
    "numpy-1": NumpyAbi(headers=1),
    "numpy-any": NumpyAbi(headers=2, oldest=(1, 20)),
    "numpy-2": NumpyAbi(headers=2, oldest=(2, 0)),
}


@pytest.mark.parametrize("name", ABIS)
def test_mach_o_modules(tmp_path: Path, name: str) -> None:
    put(f"{name}.so", tmp_path / "guest" / "module.so")
    (binary,) = inventory(tmp_path).binaries
    assert binary.numpy_abi == ABIS[name]


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("name", ABIS)
def test_elf_modules(name: str, machine: str) -> None:
    (binary,) = ElfTree(str(ELF), [f"{name}-{machine}.so"], Folders()).binaries
    assert binary.numpy_abi() == ABIS[name]


def test_modules_that_do_not_use_it(tmp_path: Path) -> None:
    put("module.so", tmp_path / "guest" / "module.so")
    (binary,) = inventory(tmp_path).binaries
    assert binary.numpy_abi is None


@pytest.mark.parametrize(
    ("abi", "works", "fails"),
    [
        ("numpy-1", [(1, 26, 4), (1, 20)], [(2, 0, 2), (2, 3)]),
        ("numpy-any", [(1, 20), (1, 26, 4), (2, 0, 2)], [(1, 19, 5)]),
        ("numpy-2", [(2, 0, 0), (2, 3, 1)], [(1, 26, 4)]),
    ],
)
def test_what_works_with_what(abi: str, works: list[tuple[int, ...]], fails: list[tuple[int, ...]]) -> None:
    assert all(ABIS[abi].accepts(version) for version in works)
    assert not any(ABIS[abi].accepts(version) for version in fails)


@pytest.mark.parametrize(
    ("data", "abi"),
    [
        (b"", None),
        (b"numpy.core.multiarray\0", None),
        (b"_ARRAY_API\0numpy.core.multiarray\0", NumpyAbi(headers=1, sure=False)),
        (b"_ARRAY_API\0numpy.core.multiarray\0numpy._core\0", None),
        (b"module was compiled against NumPy C-API version 0x%x (NumPy ", NumpyAbi(headers=2)),
        (b"module was compiled against NumPy C-API version 0x%x (NumPy 1.x)", NumpyAbi(headers=2)),
    ],
)
def test_other_traces(data: bytes, abi: NumpyAbi | None) -> None:
    """pybind11's own look-up, and what is cut short."""
    assert read_numpy_abi(data) == abi
