"""The table of known errors: a pattern that no longer fits its own example would explain nothing."""

from __future__ import annotations

import re
import time
from string import Formatter
from typing import TYPE_CHECKING

import msgspec
import pytest

from builder.checks import known_errors
from builder.checks.known_errors import KnownError, filled, find, match_signal, match_text, table
from builder.models import validated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from builder.checks.known_errors import System

VALUES = {
    "prefix": "/env",
    "python": "/env/bin/python",
    "install": "uv pip install --python /env/bin/python",
    "uninstall": "uv pip uninstall --python /env/bin/python",
    "rebuild": "envbuild create x --force",
    "reinstall": "uv pip install y",
    "culprit": "pandas 2.0.3",
    "numpy_fix": "uv pip install 'numpy<2'",
}
EVERYWHERE: frozenset[System] = frozenset({"osx", "linux", "windows"})


def entries_with_example() -> list[KnownError]:
    return [entry for entry in table() if entry.example is not None]


@pytest.mark.parametrize("entry", entries_with_example(), ids=lambda entry: entry.id)
def test_an_example_is_recognised_as_its_own_entry(entry: KnownError) -> None:
    systems: tuple[System, ...] = ("osx", "linux") if entry.platform is None else (entry.platform,)
    for system in systems:
        hits = find(f"noise before\n{entry.example}\nnoise after", systems=frozenset({system}))
        assert [hit.known.id for hit in hits][:1] == [entry.id]
        match = filled(hits[0], values=VALUES)
        assert "{" not in match.cause.replace(match.line, "") or "{" in (entry.example or "")


@pytest.mark.parametrize("entry", entries_with_example(), ids=lambda entry: entry.id)
def test_verification_explains_what_is_neither_harmless_nor_for_pasted_texts_only(entry: KnownError) -> None:
    if entry.platform == "windows":
        return
    for is_osx in (True, False) if entry.platform is None else (entry.platform == "osx",):
        match = match_text(f"noise\n{entry.example}\nnoise", is_osx=is_osx, values=VALUES)
        if entry.level == "harmless":
            assert match is None
        elif not entry.pasted:
            assert match is not None
            assert match.known.id == entry.id


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
    assert len(identifiers) >= 80
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


# --- which of several is the answer ---------------------------------------------------------------------------

GENERAL = "ImportError: dlopen(/p/a.so, 0x0002): Library not loaded: @rpath/libx.dylib"
EXACT = "RuntimeError: operator torchvision::nms does not exist"
WRAPPER = "Failed to load the native TensorFlow runtime."
WARNING = "UserWarning: h5py is running against HDF5 1.14.3 when it was built against 1.14.2"
HARMLESS = "Could not identify NUMA node of platform GPU ID 0, defaulting to 0."


def first(*lines: str) -> str:
    return find("\n".join(lines), systems=EVERYWHERE)[0].known.id


def test_an_exact_cause_beats_what_only_says_what_failed_wherever_they_stand() -> None:
    assert first(GENERAL, EXACT) == first(EXACT, GENERAL) == "torchvision-nms"


def test_what_failed_beats_the_wrapper_that_reports_it() -> None:
    assert first(WRAPPER, GENERAL) == first(GENERAL, WRAPPER) == "library-not-loaded"


def test_anything_beats_a_harmless_text() -> None:
    assert first(HARMLESS, WRAPPER) == "tensorflow-native-runtime"
    assert first(HARMLESS) == "harmless-numa"


def test_an_error_beats_a_warning_of_the_same_level() -> None:
    assert first(WARNING, EXACT) == first(EXACT, WARNING) == "torchvision-nms"


def test_of_a_chain_of_equals_the_first_is_the_cause() -> None:
    other = "RuntimeError: Numpy is not available"
    descriptors = "TypeError: Descriptors cannot be created directly."
    between = "\nDuring handling of the above exception, another exception occurred:\n"
    assert first(descriptors, between, EXACT) == "protobuf-descriptors"
    assert first(EXACT, between, descriptors) == "torchvision-nms"
    assert first(other, EXACT) == "torchvision-nms"


def test_on_one_line_the_order_of_the_table_decides() -> None:
    line = "dlopen(/p/libmetal_plugin.dylib, 0x0006): symbol not found in flat namespace '_TF_AllocateOutput'"
    hits = [hit.known.id for hit in find(line, systems=EVERYWHERE)]
    assert hits[0] == "metal-symbol-short"
    assert "flat-symbol-not-found" in hits


def test_a_text_that_must_not_be_there_excludes_an_entry() -> None:
    dlerror = (
        "Could not load dynamic library 'libcudart.so.11.0'; dlerror: libcudart.so.11.0: cannot open shared object file"
    )
    assert first(dlerror) == "harmless-no-cuda"
    assert first("ImportError: libcudart.so.11.0: cannot open shared object file") == "elf-cuda-missing"


# --- speed -----------------------------------------------------------------------------------------------------


def hostile(entry: KnownError) -> Iterator[str]:
    """Texts that lead to an entry again and again without fitting it, with long runs of what patterns repeat."""
    for hint in entry.found_by:
        for filler in ("/" * 3_000, "a" * 3_000, " " * 3_000, "\n" * 3_000, "'a b' " * 500, "- a==1=b\n" * 300):
            yield (filler + hint) * 20
        yield hint * 5_000


@pytest.mark.parametrize("entry", [entry for entry in table() if entry.pattern], ids=lambda entry: entry.id)
def test_no_text_makes_a_pattern_slow(entry: KnownError) -> None:
    for text in hostile(entry):
        started = time.process_time()
        known_errors._first_hit(entry, text, text, any_case=False)
        short = text[:1_000] + text[-1_000:]
        known_errors._first_hit(entry, short, short.lower(), any_case=True)
        assert time.process_time() - started < 1.0


def test_a_text_typed_by_hand_is_found_in_any_case() -> None:
    text = "runtimeerror: Operator TORCHVISION::nms does not exist"
    assert find(text, systems=EVERYWHERE) == ()
    assert [hit.known.id for hit in find(text, systems=EVERYWHERE, any_case=True)] == ["torchvision-nms"]


def test_a_group_that_is_not_in_the_text_leaves_no_gap() -> None:
    for entry in table():
        for hit in find(entry.example or "", systems=EVERYWHERE):
            match = filled(hit, values=VALUES)
            assert "\x00" not in match.cause + match.remedy
            assert "  " not in match.cause
            assert " ," not in match.cause


def test_the_line_that_is_shown_is_not_the_heading_of_a_notebook() -> None:
    text = "Cell In[1], line 1\n----> 1 import tensorflow\n\nModuleNotFoundError: No module named 'tensorflow'"
    assert find(text, systems=EVERYWHERE)[0].line == "ModuleNotFoundError: No module named 'tensorflow'"


def test_ten_megabytes_take_about_a_second() -> None:
    line = (
        "2025-01-01 12:00:00 INFO epoch 3 loss 0.123 /Users/me/miniforge3/envs/tf/lib/python3.11/site-packages/x.py\n"
    )
    text = line * (10_000_000 // len(line)) + EXACT
    started = time.process_time()
    assert first(text) == "torchvision-nms"
    assert time.process_time() - started < 3.0


def test_a_match_is_found_behind_thousands_of_lines_that_only_look_like_it() -> None:
    text = (
        "cannot import name 'x'\n" * 5_000 + "ImportError: cannot import name 'tf2'\n" + "cannot import name 'x'\n" * 10
    )
    assert first(text) == "keras-standalone-tf1"


def test_a_pattern_without_a_text_to_find_it_by_is_refused() -> None:
    entry = msgspec.to_builtins(table()[0]) | {"pattern": r"\w+ failed", "hints": ()}
    with pytest.raises(ValueError, match="give `hints`"):
        validated(entry, KnownError)
