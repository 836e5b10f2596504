"""One file per defect in tests/data/locks: each is refused, naming the entry and the line."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import LockfileError
from builder.lock.audit import audit, require_sound
from builder.lock.read import parse_lock, read_lock
from builder.platforms import Subdir

LOCKS = Path(__file__).parents[2] / "data" / "locks"
BAD = sorted(path.stem for path in LOCKS.glob("*.yml") if path.stem not in ("good", "empty"))


def _use(file: Path) -> None:
    require_sound(read_lock(file), file)


def test_good_lock_is_used() -> None:
    """The file that the bad ones differ from is refused for nothing."""
    lock = read_lock(LOCKS / "good.yml")
    assert audit(lock) == ()
    assert lock.platforms == (Subdir.LINUX_64, Subdir.OSX_ARM64)
    python = lock.on(Subdir.OSX_ARM64, manager="conda")[0]
    assert (python.name, python.build, python.url_subdir) == ("python", "h739c21a_0_cpython", "osx-arm64")
    assert [package.name for package in lock.on(Subdir.LINUX_64, manager="pip")] == ["keras", "ml-dtypes"]


@pytest.mark.parametrize("name", BAD)
def test_bad_lock_is_refused(name: str) -> None:
    file = LOCKS / f"{name}.yml"
    head = re.match(r"# Refused for: (.*)\n# Line: (.*)\n", file.read_text(encoding="utf-8"))
    assert head is not None
    with pytest.raises(LockfileError) as caught:
        _use(file)
    assert head[1] in caught.value.plain
    assert caught.value.line == (None if head[2] == "none" else int(head[2]))
    assert caught.value.file == str(file)


def test_empty_file() -> None:
    with pytest.raises(LockfileError, match=r"empty\.yml: is empty"):
        _use(LOCKS / "empty.yml")


@pytest.mark.parametrize(
    "content", ["", "just text\n", "version: 2\n", "version: 1\nmetadata: {\n", "version: 1\n", "# é\n", "a: 1\n\0"]
)
def test_the_remedy_names_the_recipe(tmp_path: Path, content: str) -> None:
    file = tmp_path / "environments" / "ml-team" / "conda-lock.yml"
    file.parent.mkdir(parents=True)
    file.write_text(content, encoding="latin-1")
    with pytest.raises(LockfileError) as caught:
        read_lock(file)
    assert "run `envbuild lock ml-team`" in (caught.value.hint or "")


def test_merge_conflict_says_what_to_do() -> None:
    with pytest.raises(LockfileError) as caught:
        _use(LOCKS / "merge-conflict.yml")
    assert "--resolve" in (caught.value.hint or "")


def test_credentials_are_not_repeated() -> None:
    """An error message ends up in CI logs; a password does not belong there."""
    for name in ("url-with-password", "url-with-token", "pip-url-with-password", "pip-url-signed"):
        with pytest.raises(LockfileError) as caught:
            _use(LOCKS / f"{name}.yml")
        assert "secret" not in caught.value.message
        assert "tk-123-abc" not in caught.value.message
    with pytest.raises(LockfileError) as caught:
        parse_lock(b"version: 1\nmetadata: https://me:secret@h/x\npackage: []\n", place="conda-lock.yml")
    assert caught.value.plain == "`metadata` must be a mapping of fields, not 'https://***@h/x'"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00" * 100, b"a: &a [*a]", b"%", b"---\n---\n", b"\x80"])
def test_bytes_that_are_no_lock(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "conda-lock.yml"
    file.write_bytes(content)
    with pytest.raises(LockfileError):
        _use(file)


def test_cut_anywhere(tmp_path: Path) -> None:
    """A download or a disk may end anywhere; no part of an entry must pass for a whole one.

    A cut exactly between two entries can leave a smaller lock that is sound in itself; the format has no end mark.
    """
    good = read_lock(LOCKS / "good.yml")
    whole = (LOCKS / "good.yml").read_bytes()
    file = tmp_path / "conda-lock.yml"
    refused = 0
    for length in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:length])
        try:
            _use(file)
        except LockfileError:
            refused += 1
        else:
            packages = read_lock(file).packages
            assert packages == good.packages[: len(packages)], length
    assert refused > 300


def test_huge_file_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "conda-lock.yml"
    with file.open("wb") as stream:
        stream.truncate(65_000_000)
    with pytest.raises(LockfileError, match="larger than"):
        _use(file)


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("a: b: c\n", "mapping values are not allowed", 1),
        ("version: 1\npackage: [\n", "did not find expected node content", 3),
        ("version: 1\nmetadata: *nothing\n", "found undefined alias", 2),
    ],
)
def test_what_is_no_yaml_says_why_and_where(tmp_path: Path, text: str, said: str, line: int) -> None:
    file = tmp_path / "conda-lock.yml"
    file.write_text(text)
    with pytest.raises(LockfileError, match=said) as caught:
        read_lock(file)
    assert caught.value.line == line


def test_conda_packages_need_no_python() -> None:
    """Only what comes from PyPI does."""
    lock = read_lock(LOCKS / "good.yml")
    tools = tuple(package for package in lock.packages if package.name == "openssl")
    assert tools
    assert audit(replace(lock, packages=tools)) == ()
