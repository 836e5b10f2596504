"""A Mac's environment laid out on Linux: right down to the code signatures, and nothing of it is run."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.binaries.macho import verify_signature
from tests.integration.create.world import MACH_O, MACH_O_PLACEHOLDER, MINOR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.create.world import World


@pytest.fixture
def prefix() -> Iterator[Path]:
    """A short path: the binary of the fixture has room for 51 bytes."""
    with tempfile.TemporaryDirectory(prefix="mac") as folder:
        yield Path(folder) / "env"


def _entry(prefix: Path, package: str, path: str) -> dict[str, str]:
    (file,) = (prefix / "conda-meta").glob(f"{package}-[0-9]*.json")
    (entry,) = [entry for entry in json.loads(file.read_bytes())["paths_data"]["paths"] if entry["_path"] == path]
    found: dict[str, str] = entry
    return found


def test_replaced_mach_o_is_signed_again(world: World, prefix: Path) -> None:
    """macOS kills what loads a binary whose bytes its signature does not cover; there is no `codesign` here."""
    world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64").ended(0)
    library = prefix / "lib" / "libgreet.dylib"
    body = library.read_bytes()
    assert MACH_O_PLACEHOLDER.encode() not in body
    assert f"{prefix}/lib".encode() in body
    assert len(body) == MACH_O.stat().st_size
    (verdict,) = verify_signature(library)
    assert verdict.ok, verdict
    entry = _entry(prefix, "python", "lib/libgreet.dylib")
    assert entry["sha256_in_prefix"] == hashlib.sha256(body).hexdigest()
    world.whole(prefix=prefix)


def test_untouched_mach_o_stays_as_it_was(world: World, prefix: Path) -> None:
    world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64").ended(0)
    assert (prefix / "bin" / f"python{MINOR}").read_bytes() == MACH_O.read_bytes()


def test_layout_is_the_macs(world: World, prefix: Path) -> None:
    """noarch packages go where the Mac's Python looks, and conda there is told its platform."""
    answer = world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64", "--json").ended(0)
    assert answer.result["platform"] == "osx-arm64"
    assert (prefix / f"lib/python{MINOR}/site-packages/words.py").is_file()
    assert (prefix / "bin" / "say-words").read_text().startswith("#!")
    assert (prefix / ".condarc").read_text() == "# made by: envbuild create tiny\nsubdir: osx-arm64\n"
    assert _entry(prefix, "words", "bin/say-words")
    stamp = world.whole(prefix=prefix)
    assert stamp.subdir == "osx-arm64"
    assert str(prefix) in (prefix / "share/prefixed.txt").read_text()
    assert not (world.home / ".conda" / "environments.txt").exists(), "no IDE here can use it"


def test_other_platform_of_the_same_lock_is_not_current(world: World, prefix: Path) -> None:
    world.create("tiny", "-p", str(prefix), "--platform", "osx-arm64").ended(0)
    assert world.create("tiny", "-p", str(prefix), "--json").ended(0).result["changed"] is True
    assert world.whole(prefix=prefix).subdir == "linux-64"
