"""The line-wise reader reads a lock as PyYAML does, or leaves it to PyYAML."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.errors import LockfileError
from builder.lock import read
from builder.lock.lines import read_lines
from builder.lock.read import parse_lock
from builder.resources import shipped
from tests.unit.lock.test_reader_fuzz import _mutated, _mutation

LOCKS = Path(__file__).parents[2] / "data" / "locks"
CANONICAL = shipped("environments") / "ml-m1" / "conda-lock.yml"


def _told(text: str) -> object:
    """What a lock comes to, by PyYAML alone."""
    try:
        return read._parsed(text, "here")
    except LockfileError as error:
        return error.message


def _agrees(text: str) -> None:
    try:
        found: object = parse_lock(text.encode(), place="here")
    except LockfileError as error:
        found = error.message
    assert found == _told(text)


def test_locks_of_ours_are_read_by_lines() -> None:
    for file in (CANONICAL, LOCKS / "good.yml"):
        lines = read_lines(file.read_text())
        assert lines is not None
        assert len(lines.entries) == file.read_text().count("\n- name: ")
        _agrees(file.read_text())


_ENTRY = CANONICAL.read_text().partition("\npackage:\n")[2].split("\n- name: ")[0].splitlines()
_HEAD = CANONICAL.read_text().partition("\npackage:\n")[0]
#: What a scalar may look like, and what YAML makes of some that look like text.
_SCALARS = (
    "1.0", "10", "0x1f", "0b11", "1_0", "1:30", "2024-01-01", "2024-01-01T00:00:00Z", "1e5", "1.0e+5", ".5", ".inf",
    ".nan", "yes", "No", "on", "Off", "true", "False", "null", "NULL", "~", "=", "<<", "<3", ">=3", "!=2", "==1.*", "*",
    "~=1.2", "&a", "*a", "'4.5'", "'a''b'", "''", "'", "'a' b", "'>=2,<3'", '"4.5"', "a b", "a #b", "a: b", "a:", "[a]",
    "{a: b}", "-", "- a", "? a", "|", ">", "@a", "`a", "%a", "!!str a", "1.26.*", "2.0.post1", "3!1.0", "é", "\x07",
    "a\tb", "/a", "a,b", "...", "---", "0o7", "07", "1.2.3", "0" * 32, "1" * 64, "b" * 32, "https://h/a.conda",
    "https://h:", "https://h/a#b", "file:///a", "https://[", "https://h/\\",
)  # fmt: skip


@pytest.mark.parametrize("text", _SCALARS)
def test_each_scalar_in_each_place(text: str) -> None:
    """As the value of each field, as a key of `dependencies`, and as a whole line anywhere."""
    for number, line in enumerate(_ENTRY):
        key, colon, _ = line.partition(":")
        indent = key[: len(key) - len(key.lstrip(" -"))]
        for other in (f"{key}{colon} {text}", f"{indent}{text}: ''", text, f"{line}\n{text}"):
            entry = "\n".join([*_ENTRY[:number], other, *_ENTRY[number + 1 :]])
            _agrees(f"{_HEAD}\npackage:\n{entry}\n")
    for place in ("", "\n"):
        _agrees(f"{text}{place}{_HEAD}\npackage:\n" + "\n".join(_ENTRY) + "\n")
        _agrees(f"{_HEAD}\n{text}{place}\npackage:\n" + "\n".join(_ENTRY) + "\n")


@settings(
    max_examples=int(os.environ.get("ENVBUILD_FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.lists(_mutation, min_size=1, max_size=4))
@example([("value", 6, "!!bool x")])
@example([("delete", 70, "x")])
def test_mutated_locks(mutations: list[tuple[str, int, str]]) -> None:
    _agrees(_mutated(mutations).encode(errors="replace").decode())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text + "# the end\n",
        lambda text: text + "...\n",
        lambda text: text.replace("\npackage:\n", "\n...\npackage:\n"),
        lambda text: text.replace("\npackage:\n", "\npackage: []\npackage:\n"),
        lambda text: "{version: 1}\npackage:\n" + text.partition("\npackage:\n")[2],
        lambda text: text.replace("version: 1\n", "version: 2\n", 1),
        lambda text: text.replace("metadata:\n", "metadata:\n  x: &a [*a]\n", 1),
        lambda text: text.replace("metadata:\n", f"metadata:\n  x: {'[' * 900}{']' * 900}\n", 1),
        lambda text: text.replace("  - osx-arm64\n", "  - win-64\n", 1),
        lambda text: text.replace("  - osx-arm64\n", "  - 64\n", 1),
        lambda text: text[:-1],
        lambda text: text.partition("\npackage:\n")[0] + "\npackage:\n",
        lambda text: text + text.partition("\npackage:\n")[2],
        lambda text: text + text.partition("\npackage:\n")[2].replace("version: ", "version: 1", 1),
    ],
)
def test_what_is_not_our_layout(change: object) -> None:
    assert callable(change)
    _agrees(change((LOCKS / "good.yml").read_text()))


def test_what_conda_lock_writes_is_read_by_lines() -> None:
    """Its dumper's ways with scalars: what must be quoted is."""
    words = ("'4.5'", "1.26.*", ">=1,<2", "==6.4.0", "2024.1", "yes", "1e5", "0" * 32)
    for word in words:
        line = yaml.dump({"a": word.strip("'")}, default_flow_style=False)
        text = CANONICAL.read_text().replace("    __glibc: '>=2.17,<3.0.a0'\n", f"    {line}", 1)
        assert read_lines(text) is not None, line
        _agrees(text)
