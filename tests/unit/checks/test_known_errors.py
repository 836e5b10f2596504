"""The table of known errors: a pattern that no longer fits its own example would explain nothing."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from builder.checks.known_errors import KnownError, match_signal, match_text, table

VALUES = {
    "prefix": "/env",
    "python": "/env/bin/python",
    "rebuild": "envbuild create x --force",
    "reinstall": "uv pip install y",
    "culprit": "pandas 2.0.3",
    "numpy_fix": "uv pip install 'numpy<2'",
}


def entries_with_example() -> list[KnownError]:
    return [entry for entry in table() if entry.example is not None]


@pytest.mark.parametrize("entry", entries_with_example(), ids=lambda entry: entry.id)
def test_an_example_is_recognised_as_its_own_entry(entry: KnownError) -> None:
    assert entry.example is not None
    systems = [True, False] if entry.platform is None else [entry.platform == "osx"]
    for is_osx in systems:
        match = match_text(f"noise before\n{entry.example}\nnoise after", is_osx=is_osx, values=VALUES)
        assert match is not None
        assert match.known.id == entry.id
        assert "{" not in match.cause + match.remedy


@pytest.mark.parametrize("entry", table(), ids=lambda entry: entry.id)
def test_cause_and_remedy_name_only_what_there_is(entry: KnownError) -> None:
    """A placeholder without a value would be a traceback in the middle of an explanation."""
    groups = set(re.compile(entry.pattern).groupindex) if entry.pattern else set()
    derived = {f"{name}_path" for name in groups if name.startswith("file")}
    derived |= {"distribution"} if "module" in groups else set()
    used = {field for _, field, _, _ in Formatter().parse(entry.cause + entry.remedy) if field}
    assert used <= groups | derived | set(VALUES)


def test_every_entry_has_a_text_or_a_signal_and_a_source() -> None:
    identifiers = [entry.id for entry in table()]
    assert len(identifiers) == len(set(identifiers))
    for entry in table():
        assert (entry.pattern is None) != (entry.signal is None)
        assert entry.sources
        assert all(source.startswith("https://") for source in entry.sources)


def test_a_signal_means_something_else_on_each_system() -> None:
    mac = match_signal("SIGKILL", is_osx=True, values=VALUES)
    linux = match_signal("SIGKILL", is_osx=False, values=VALUES)
    assert mac is not None
    assert linux is not None
    assert "signature" in mac.cause
    assert "memory" in linux.cause
    assert match_signal("SIGWINCH", is_osx=True, values=VALUES) is None


def test_only_survivable_texts_count_when_the_process_went_on() -> None:
    text = "ModuleNotFoundError: No module named 'x'"
    assert match_text(text, is_osx=False, values=VALUES) is not None
    assert match_text(text, is_osx=False, values=VALUES, survived=True) is None
    abi = "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.0.2 as it may crash."
    assert match_text(abi, is_osx=False, values=VALUES, survived=True) is not None
