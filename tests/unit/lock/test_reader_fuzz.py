"""The lock reader and the audit on hostile files: a lock or LockfileError with the file's name, whatever the bytes.

`ENVBUILD_FUZZ_EXAMPLES` sets how many are tried (CI: enough for a minute).
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.errors import LockfileError
from builder.lock import read
from builder.lock.audit import require_sound
from builder.lock.digest import lock_digest
from builder.lock.read import read_lock
from builder.models import validated

LOCKS = Path(__file__).parents[2] / "data" / "locks"
GOOD = (LOCKS / "good.yml").read_text().splitlines()

#: Values that a YAML reader has been seen to trip over, one by one or in what it makes of them.
NASTY = (
    "!!bool x", "!!int x", "!!float x", "!!timestamp x", "!!binary '%'", "!!null x", "!!set {a}", "!!omap [a]",
    "!!pairs [a]", "!!str [a]", "!!map [a]", "!!seq {a: b}", "!!python/object/apply:os.getcwd []", "!x y", "[]", "{}",
    "~", "''", "1e999", ".nan", "0o9", "0b2", "1_", "190:20:30", "2024-99-99", "2024-01-01T99:00:00Z", "9" * 5000,
    "*a", "&a b", "&a [*a]", "<<", "? x", "- x", "|", ">", "%", "@", "`", "\"\\ud800\"", "\"\\0\"", "https://[",
    "https://[v1.x]/a", "https://a:b/", "file://%00/..", "true", "no", "0", "-1", "=", "x: y: z",
    "{a: {b: {c: [d]}}}", "[[[[[[]]]]]]", "\u2028", "\x85", "é",
)  # fmt: skip

_mutation = st.tuples(
    st.sampled_from(("value", "key", "delete", "repeat", "indent", "cut", "insert")),
    st.integers(0, len(GOOD) - 1),
    st.sampled_from(NASTY),
)


def _mutated(mutations: list[tuple[str, int, str]]) -> str:
    lines = list(GOOD)
    for kind, number, text in mutations:
        index = number % max(1, len(lines))
        key, colon, value = lines[index].partition(":")
        if kind == "value":
            lines[index] = f"{key}{colon} {text}"
        elif kind == "key":
            lines[index] = f"{key[: len(key) - len(key.lstrip(' -'))]}{text}:{value}"
        elif kind == "delete":
            del lines[index]
        elif kind == "repeat":
            lines[index:index] = lines[index : index + 1 + number % 9]
        elif kind == "indent":
            lines[index] = f"  {lines[index]}"
        elif kind == "insert":
            lines.insert(index, text)
        else:
            lines[index] = lines[index][: number % 40]
        lines = lines or [""]
    return "\n".join(lines) + "\n"


def _read(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "conda-lock.yml"
        file.write_bytes(content)
        refused: LockfileError | None = None
        try:
            require_sound(read_lock(file), file)
        except LockfileError as error:
            refused = error
        assert refused is None or (refused.file == str(file) and refused.plain.strip())


_EXAMPLES = settings(
    max_examples=int(os.environ.get("ENVBUILD_FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@_EXAMPLES
@given(st.lists(_mutation, min_size=1, max_size=4))
@example([("value", 6, "!!bool x")])
@example([("value", 40, "&a [*a]")])
def test_mutated_locks(mutations: list[tuple[str, int, str]]) -> None:
    _read(_mutated(mutations).encode(errors="surrogatepass"))


@_EXAMPLES
@given(st.binary(max_size=400))
def test_any_bytes(content: bytes) -> None:
    _read(content)


@pytest.mark.parametrize("text", NASTY)
def test_each_nasty_value_in_each_kind_of_place(text: str) -> None:
    """One value of each field of the format."""
    seen = set()
    for number, line in enumerate(GOOD):
        key = line.split(":")[0].strip(" -")
        if key not in seen:
            seen.add(key)
            _read(_mutated([("value", number, text)]).encode(errors="surrogatepass"))


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "loop", Path("/dev/zero"), tmp_path / "none"):
        for use in (read_lock, lock_digest):
            with pytest.raises(LockfileError):
                use(place)


def test_time_grows_with_the_size_only() -> None:
    """Repeated entries were compared with each other, each with all: nine megabytes of them took minutes."""
    data = yaml.safe_load("\n".join(GOOD))

    def seconds(times: int) -> float:
        parsed = validated(data | {"package": data["package"][:1] * times}, read._File)
        entries = [read._entry(package, "here") for package in parsed.package]
        begun = time.process_time()
        assert len(read._lock(parsed.metadata, entries, "here").packages) == 1
        return time.process_time() - begun

    seconds(100)
    assert seconds(20_000) < 15 * max(0.002, seconds(2_500))
