"""Prefixes that are damaged or made to do harm: passed over with a reason, in bounded time and memory."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.environment import ownership
from builder.environment.environment import Environment
from builder.environment.reading import Reader
from builder.environment.stamp import RELATIVE_PATH
from tests.unit.environment import trees

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def _everything(path: Path) -> Environment:
    """Ask for all there is to know."""
    environment = Environment(path)
    _ = environment.recognised, environment.subdir, environment.strays, environment.broken_links, environment.is_base
    for rel in list(environment.owners.files)[:50]:
        environment.owners.described(rel)
    for dist in environment.distributions[:50]:
        environment.owners.requirements(dist.name)
    _ = environment.unreadable
    return environment


FILES = (
    "pyvenv.cfg",
    "bin/activate",
    "bin/pip",
    "conda-meta/a.json",
    "conda-meta/history",
    str(RELATIVE_PATH),
    "lib/python3.12/site-packages/a-1.dist-info/METADATA",
    "lib/python3.12/site-packages/a-1.dist-info/RECORD",
    "lib/python3.12/site-packages/a-1.dist-info/INSTALLER",
    "lib/python3.12/site-packages/a-1.dist-info/direct_url.json",
    "lib/python3.12/site-packages/b.egg-info",
    "lib/python3.12/site-packages/c.egg-link",
)
MAKERS: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "empty": lambda path: path.write_bytes(b""),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 8),
    "deep": lambda path: path.write_bytes(b"[" * 200_000),
    "sparse": lambda path: os.truncate(trees.write(path), 1 << 40),
}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("maker", MAKERS)
def test_anything_in_place_of_a_file(tmp_path: Path, file: str, maker: str) -> None:
    site = trees.conda(tmp_path)
    trees.dist(site, "a", "1", record="a.py,,\n")
    place = tmp_path / file
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    MAKERS[maker](place)
    began = time.monotonic()
    environment = _everything(tmp_path)
    assert time.monotonic() - began < 5
    if maker in ("FIFO", "device") and file not in ("bin/activate", "bin/pip"):
        assert place in {item.path for item in environment.unreadable}
    assert environment.conda_records, "the other records are read all the same"


def test_the_reasons(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    (tmp_path / "conda-meta" / "cut.json").write_text('{"name": "x", "ver')
    (tmp_path / "conda-meta" / "list.json").write_text("[]")
    (tmp_path / "conda-meta" / "typed.json").write_text('{"name": 1, "version": "1"}')
    (tmp_path / "conda-meta" / "less.json").write_text('{"name": "x"}')
    os.mkfifo(tmp_path / "conda-meta" / "fifo.json")
    (site / "empty-1.dist-info").mkdir()
    trees.write(site / "nameless-1.dist-info" / "METADATA", "Version: 1\n")
    trees.dist(site, "deep", "1", "Requires-Dist: x; " + "(" * 500 + "os_name == 'nt'" + ")" * 500)
    trees.dist(site, "wrong", "1", "Requires-Dist: ???")
    trees.dist(site, "cut", "1", record='a.py,,\n"' + "b" * 200_000)
    reasons = {item.path.name: item.reason for item in Environment(tmp_path).unreadable}
    assert reasons["list.json"] == "not a package record: not an object"
    assert reasons["typed.json"] == "not a package record: name is not text"
    assert reasons["less.json"] == "not a package record: no 'version'"
    assert reasons["fifo.json"] == "a pipe, not a regular file"
    assert reasons["cut.json"].startswith("not a package record")
    assert reasons["empty-1.dist-info"] == "no METADATA in it"
    assert reasons["nameless-1.dist-info"] == "its metadata has no name or no version"
    assert reasons["METADATA"].startswith("not a requirement")
    assert "is not CSV" in reasons["RECORD"]
    assert len(reasons) == 9


def test_a_million_lines_of_record(tmp_path: Path) -> None:
    """Linear, and cut off where no real package is."""
    site = trees.conda(tmp_path)
    lines = "".join(f"big/{number:07}.py,,\n" for number in range(1_000_000))
    trees.dist(site, "big", "1", record=lines)
    environment = Environment(tmp_path)
    began = time.process_time()
    assert 100_000 < len(environment.owners.files) < 400_000
    assert time.process_time() - began < 15
    assert any("more than 300,000 lines" in item.reason for item in environment.unreadable)


def test_memory_for_each_line_of_record(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    trees.dist(site, "big", "1", record="".join(f"big/{number:07}.py,,\n" for number in range(20_000)))
    tracemalloc.start()
    assert len(Environment(tmp_path).owners.files) > 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000 * 700


def test_one_file_recorded_again_and_again(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    trees.dist(site, "many", "1", record="".join(f"a.py,,{number}\n" for number in range(250_000)))
    began = time.process_time()
    assert len(Environment(tmp_path).owners.claims("lib/python3.12/site-packages/a.py")) <= 16
    assert time.process_time() - began < 15


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ownership, "MOST_FILES", 5)
    site = trees.conda(tmp_path)
    trees.dist(site, "many", "1", record="".join(f"{number}.py,,\n" for number in range(10)))
    environment = Environment(tmp_path)
    assert len(environment.owners.files) == 5
    assert any("more than 5 recorded files" in item.reason for item in environment.unreadable)


def test_metadata_of_100_mb(tmp_path: Path) -> None:
    """A description may be as long as it likes; headers that do not end are not read to their end."""
    site = trees.conda(tmp_path)
    info = trees.dist(site, "long", "1")
    with (info / "METADATA").open("ab") as stream:
        stream.write(b"description " * (100 << 20 >> 4))
    other = trees.dist(site, "endless", "1")
    (other / "METADATA").write_bytes(b"Name: endless\nVersion: 1\nX: " + b"y" * (30 << 20))
    tracemalloc.start()
    environment = Environment(tmp_path)
    assert [dist.name for dist in environment.distributions] == ["long"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert any("no end of its headers" in item.reason for item in environment.unreadable)


def test_unreadable_without_permission(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    trees.conda(tmp_path)
    (tmp_path / "conda-meta").chmod(0)
    try:
        assert any(item.reason == "Permission denied" for item in Environment(tmp_path).unreadable)
    finally:
        (tmp_path / "conda-meta").chmod(0o700)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    site = trees.conda(tmp_path)
    os.makedirs(os.fsencode(site) + b"/caf\xe9-1.dist-info")  # noqa: PTH103 - a name of bytes
    trees.dist(site, "latin", "1", record="")
    (site / "latin-1.dist-info" / "METADATA").write_bytes(b"Name: latin\nVersion: 1\nAuthor: caf\xe9\n\n")
    environment = _everything(tmp_path)
    assert [dist.name for dist in environment.distributions] == ["latin"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(FILES),
    content=st.binary(max_size=400)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "version", "_path", "paths", "paths_data", "files", "url", "format", "packages"]
                ),
                inner,
            )
        ),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_content(tmp_path: Path, file: str, content: bytes) -> None:
    if not (tmp_path / "bin").exists():
        trees.dist(trees.conda(tmp_path), "a", "1")
    for other in FILES:
        path = tmp_path / other
        if path.is_file():
            path.unlink()
    trees.write(tmp_path / file, content)
    _everything(tmp_path)


def test_reader_keeps_the_first_reason(tmp_path: Path) -> None:
    reader = Reader()
    reader.pass_over(tmp_path, "first")
    reader.pass_over(tmp_path, "second")
    assert [str(item) for item in reader.unreadable] == [f"{tmp_path}: first"]
