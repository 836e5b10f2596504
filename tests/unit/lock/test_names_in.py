"""Which packages of a lock a name on the command line means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builder.lock.model import Lock, LockedPackage
from builder.lock.moves import names_in
from builder.platforms import Subdir

if TYPE_CHECKING:
    from typing import Literal


def _package(name: str, manager: Literal["conda", "pip"] = "conda") -> LockedPackage:
    return LockedPackage(
        manager=manager, name=name, version="1", subdir=Subdir.OSX_ARM64, url=f"https://x/{name}", sha256="0" * 64
    )


LOCK = Lock(
    channels=("conda-forge",),
    platforms=(Subdir.OSX_ARM64,),
    packages=(
        *map(_package, ("pytorch", "tensorflow", "tensorflow-base", "ruamel.yaml", "numpy")),
        _package("tensorflow-metal", "pip"),
    ),
    sources=(),
    content_hash={},
)


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("torch", {"pytorch"}),
        ("pytorch", {"pytorch"}),
        ("tensorflow", {"tensorflow", "tensorflow-base"}),
        ("Tensorflow_Metal", {"tensorflow-metal"}),
        ("ruamel_yaml", {"ruamel-yaml"}),
        ("NumPy", {"numpy"}),
        ("tqdm", set()),
    ],
)
def test_names_in(asked: str, names: set[str]) -> None:
    assert names_in(LOCK, asked) == names
