"""A pasted text as the program printed it."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from builder.doctor import pasted
from builder.errors import UsageError

NOTHING = io.StringIO()


# --- where the text comes from --------------------------------------------------------------------------------------


def test_an_argument_is_the_text_itself() -> None:
    assert pasted.given("KeyError: 'x'", stdin=NOTHING) == "KeyError: 'x'"
    assert pasted.given("a\nb", stdin=NOTHING) == "a\nb"
    assert pasted.given("x" * 100_000, stdin=NOTHING) == "x" * 100_000
    assert pasted.given("", stdin=NOTHING) == ""
    assert pasted.given("nul \x00 byte", stdin=NOTHING) == "nul \x00 byte"


def test_a_dash_is_standard_input() -> None:
    assert pasted.given("-", stdin=io.StringIO("from a pipe")) == "from a pipe"


def test_a_path_is_its_content(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"caf\xe9\xff broken\nKeyError: 'x'\n")
    assert "KeyError: 'x'" in pasted.given(str(file), stdin=NOTHING)
    file.write_bytes("KeyError: 'ü'".encode("utf-16"))
    assert "KeyError: 'ü'" in pasted.given(str(file), stdin=NOTHING)


def test_of_a_huge_file_the_beginning_and_the_end_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pasted, "MOST", 1_000)
    file = tmp_path / "log.txt"
    file.write_text("begin" + "x" * 5_000 + "end")
    text = pasted.given(str(file), stdin=NOTHING)
    assert text.startswith("begin")
    assert text.endswith("end")
    assert len(text) <= 1_001
    assert len(pasted.clean("begin" + "x" * 5_000 + "end")) <= 1_001


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a file"):
        pasted.given(str(tmp_path), stdin=NOTHING)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a file"):
        pasted.given(str(tmp_path / "pipe"), stdin=NOTHING)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "log.txt"
    file.write_text("x")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match="cannot be read"):
        pasted.given(str(file), stdin=NOTHING)


# --- what is taken off ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "meant"),
    [
        ("\x1b[0;31mKeyError\x1b[0m: 'x'", "KeyError: 'x'"),
        ("\x1b]8;;http://a\x1b\\KeyError\x1b]8;;\x07", "KeyError"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("KeyError:\u00a0\u2018x\u2019 \u201cy\u201d", "KeyError: 'x' \"y\""),
        ("> Traceback\n> KeyError: 'x'\n> > deeper", "Traceback\nKeyError: 'x'\ndeeper"),
        ("KeyError: &#39;x&#39; &lt;module&gt; &amp;", "KeyError: 'x' <module> &"),
        ('Traceback\\n  File \\"a.py\\"\\nKeyError', 'Traceback\n  File "a.py"\nKeyError'),
        ("[1](https://file+.vscode-resource.vscode-cdn.net/a.py:1) import x", "1 import x"),
        ("\ufeffKeyError\u200b", "KeyError"),
        ("a\x00b\x07c", "abc"),
        ("  \n KeyError \n ", "KeyError"),
    ],
)
def test_what_terminals_mails_and_editors_add_is_taken_off(seen: str, meant: str) -> None:
    assert pasted.clean(seen) == meant


def test_python_code_and_prompts_keep_what_is_theirs() -> None:
    text = ">>> import x\nif a > b:\n    print('[1](2)')\nC:\\new\\table"
    assert "if a > b:" in pasted.clean(text)
    assert "C:\\new\\table" in pasted.clean(text)
    assert "import x" in pasted.clean(text)


def test_a_text_on_one_line() -> None:
    assert pasted.joined("a\n  b\n│ c │") == "a b c "
    assert pasted.joined("x" * 1_000_000) is None


# --- what it tells ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/Users/me/x.py", {"osx"}),
        ("dlopen(/p/a.so)", {"osx"}),
        ("libx.so.6: cannot open", {"linux"}),
        ("C:\\Users\\me", {"windows"}),
        ("ImportError: DLL load failed while importing _x", {"windows"}),
        ("KeyError: 'x'", {"osx", "linux", "windows"}),
        ("/Users/me against /home/me", {"osx", "linux"}),
    ],
)
def test_the_system_is_told_from_paths_and_words(text: str, expected: set[str]) -> None:
    assert pasted.systems(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "failed"),
    [
        ("a\nKeyError: 'x'\nDuring handling\nmy.pkg.OtherError: y\nb", "my.pkg.OtherError: y", True),
        ("AssertionError\n", "AssertionError", True),
        ("x\nERROR: no such thing\ny failed", "ERROR: no such thing", True),
        ("a\nthe door cannot be opened\nb", "the door cannot be opened", True),
        ("2025-01-01 12:00:00.1: I tensorflow/x.cc] it failed\nb", "b", False),
        ("a\nb\n", "b", False),
        ("", "", False),
    ],
)
def test_the_most_telling_line(text: str, line: str, failed: bool) -> None:
    assert pasted.telling_line(text) == (line, failed)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/p/site-packages/sklearn/x.py", "scikit-learn"),
        ("/p/site-packages/pandas/a.py\n/p/site-packages/numpy/b.py", "pandas"),
        ("/p/site-packages/tensorflow-plugins/libmetal_plugin.dylib", "tensorflow-metal"),
        ("C:\\p\\Lib\\site-packages\\h5py\\a.pyd", "h5py"),
        ("/p/site-packages/numpy.libs/libopenblas.so", None),
        ("nothing", None),
    ],
)
def test_the_package_that_a_text_points_at(text: str, name: str | None) -> None:
    assert pasted.package(text) == name


def test_the_environment_that_a_text_is_of() -> None:
    text = 'File "/Users/me/envs/tf/lib/python3.11/site-packages/x.py", line 1'
    assert pasted.prefix(text) == "/Users/me/envs/tf"
    assert pasted.prefix("no path") is None


def test_of_a_long_log_what_repeats_is_looked_at_once() -> None:
    log = "".join(f"2025-01-01 12:00:{step % 60:02} step {step} loss 0.{step}\n" for step in range(40_000))
    error = "Traceback (most recent call last):\n  File x, line 3\nModuleNotFoundError: No module named 'keras'\n"
    thin = pasted.thinned(log + error + log)
    assert error in thin
    assert len(thin) < 30_000
    # What stands around a line that is no repetition stays as it was.
    assert log[-2_000:] + error + log[:2_000] in thin


def test_a_text_of_usual_length_stays_whole() -> None:
    text = "the same line\n" * 1_000
    assert pasted.thinned(text) == text
